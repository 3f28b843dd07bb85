"""How an object of a Lightning class begins."""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.facts.sites import ClassFacts, MethodSite, ProjectFacts
from pl_lint.findings import Finding
from pl_lint.rules.judging import CLI, line_of
from pl_lint.rules.loops.hooks import surely_lightning
from pl_lint.rules.loops.loaders import RUNS, only_loaders
from pl_lint.rules.registry import Rule, rule

BEGINNING = "__init__"
OTHERWISE = frozenset({BEGINNING, "super", "__dict__", "vars", "prepare_data_per_node"})
"""One of these stands in an ``__init__`` that begins the object, or does by hand what Lightning's
own would do."""
WITHOUT = {
    "module": "it can hold no layers, and Lightning cannot run it",
    "datamodule": "a Trainer that is given it stops with an AttributeError",
}


@rule("LTN737", "init-without-super", rows=(), calls=(*RUNS, CLI))
def begins_without_super(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """`__init__` of a LightningModule or LightningDataModule leaves out `super().__init__()`.

    What it does
    ------------
    Finds classes with an `__init__` of their own that never calls the one of Lightning. Silent
    where a base was not read, where another method of the class calls it, where a class that
    inherits from this one begins in its own way, in tests, and for data modules whose loaders the
    project takes out by itself, without giving them to a Trainer. Callbacks need no such call.

    Why is this bad
    ---------------
    A module that is given a layer raises "cannot assign module before Module.__init__() call", one
    without layers fails when a Trainer gets it. A data module has no `prepare_data_per_node` and no
    `allow_zero_length_dataloader_with_multiple_devices`, for which every Trainer asks: an
    AttributeError when fit begins.

    Example
    -------
        class Data(L.LightningDataModule):
            def __init__(self, root):
                self.root = root

    Use instead
    -----------
        class Data(L.LightningDataModule):
            def __init__(self, root):
                super().__init__()
                self.root = root

    When to ignore
    --------------
    Where the class is never built.

    References
    ----------
    - https://github.com/Lightning-AI/pytorch-lightning/issues/21358
    - https://lightning.ai/docs/pytorch/stable/data/datamodule.html
    """
    for owner in facts.classes:
        judged = owner.kind in WITHOUT and surely_lightning(owner) and not owner.open
        if not judged or facts.in_tests(owner.location) or _is_for_itself(facts, owner):
            continue
        for method in owner.own_methods:
            if _leaves_out(owner, method) and not _begins_elsewhere(facts, owner):
                yield self.finding(
                    method.location,
                    f"{owner.short_name}.__init__ never calls super().__init__(): "
                    f"{WITHOUT[owner.kind]}",
                    remedy="call super().__init__() first",
                    subject=owner.short_name,
                )


def _leaves_out(owner: ClassFacts, method: MethodSite) -> bool:
    """Whether a method is the ``__init__`` that the class itself has, as it is written, and begins
    nothing, nor gives the object to a function that might."""
    if (BEGINNING, "self") in owner.handed:
        return False
    within = owner.location.line <= method.location.line <= owner.location.end_line
    own = within and method.location.path == owner.location.path
    plain = not method.decorators and not method.refuses
    return own and plain and method.name == BEGINNING and OTHERWISE.isdisjoint(method.words)


def _begins_elsewhere(facts: ProjectFacts, owner: ClassFacts) -> bool:
    """Whether a helper calls the ``__init__`` of Lightning, or a class that inherits from this one
    has its own way to begin."""
    helpers = (one for known in line_of(facts, owner) for one in known.own_methods)
    helped = any(one.name != BEGINNING and BEGINNING in one.words for one in helpers)
    heirs = (one for one in facts.classes if owner.name in one.ancestors)
    begun = (one for heir in heirs for one in heir.own_methods if one.name == BEGINNING)
    return helped or any("super" not in one.words for one in begun)


def _is_for_itself(facts: ProjectFacts, owner: ClassFacts) -> bool:
    """Whether the project takes the loaders out of a data module, and no Trainer is given it."""
    if owner.kind != "datamodule":
        return False
    asked = any(one.called and one.name.endswith("_dataloader") for one in owner.own_methods)
    given = any(owner.name in call.data for call in facts.trainer_calls)
    return only_loaders(facts) or (asked and not given)
