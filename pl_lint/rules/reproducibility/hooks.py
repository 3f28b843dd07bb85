"""Splits that each hook of a class draws anew: one for training, another one for validation."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pl_lint.facts.origins import SPLITTING, FunctionCall, parts
from pl_lint.facts.sites import CallSite, ClassFacts, ProjectFacts
from pl_lint.facts.values import Made, OneOf, Unknown, Value
from pl_lint.rules.reproducibility.seeds import SEEDING
from pl_lint.rules.reproducibility.splitting import state_of

TRAINING = "train_dataloader"
EVALUATING = ("val_dataloader", "test_dataloader")
CACHING = re.compile(r"cache|KeyError|AttributeError", re.IGNORECASE)
"""What a helper says that keeps what it has drawn."""


def drawn_by_each_hook(
    facts: ProjectFacts, owner: ClassFacts
) -> Iterator[tuple[CallSite, CallSite]]:
    """The split whose part a class trains on, and the one that is drawn again of the same data for
    what it evaluates on, in each fit. For a rule that asks for ``SPLITTING`` and ``SEEDING``."""
    seeding = {one.hook for one in facts.calls_in(owner, *SEEDING)}
    drawing = [
        one
        for one in facts.calls_in(owner, *SPLITTING)
        if one.hook in (TRAINING, *EVALUATING)
        and one.hook not in seeding
        and not one.guards
        and state_of(owner, one) is not None
        and _feeds(facts, owner, one)
    ]
    for first in (one for one in drawing if one.hook == TRAINING):
        for again in drawing:
            if again.hook in EVALUATING and _is_of_the_same(owner, first, again):
                yield first, again


def _feeds(facts: ProjectFacts, owner: ClassFacts, call: CallSite) -> bool:
    """Whether the hook returns a loader of a part."""
    return any(
        isinstance(part, FunctionCall)
        and (part.name, part.arguments) == (call.name, call.arguments)
        for loader in facts.loaders
        if (loader.owner, loader.by) == (owner.name, call.hook)
        for part in parts(loader.origin)
    )


def _is_of_the_same(owner: ClassFacts, first: CallSite, again: CallSite) -> bool:
    """Whether two calls split one data set into parts of the same sizes: they make it alike, or
    both name the same one, where no hook tells a helper which."""
    helpers = [one for one in owner.own_methods if one.name == first.function != first.hook]
    if any(CACHING.search(word) for one in helpers for word in one.words):
        return False
    data, named = again.argument("dataset", 0), dict(first.written).get("0", "")
    told = any(one.parameters for one in helpers)
    if first.location == again.location and not told:
        return True
    same = not told and named.startswith("self.") and named == dict(again.written).get("0")
    made = isinstance(data, Made) and not any(_is_open(value) for _, value in data.arguments)
    return first.arguments == again.arguments and (made or same)


def _is_open(value: Value) -> bool:
    return isinstance(value, (Unknown, OneOf))
