"""Which methods training leads to, and what is used on the way: what several rules ask."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Set

from pl_lint.facts.sites import ClassFacts, MethodSite, ProjectFacts

Methods = dict[str, MethodSite]
TRAINING = frozenset({"training_step", "forward"})
"""Where training begins: ``self(x)`` is ``forward``."""
WITHOUT_GRADIENTS = frozenset({"no_grad", "inference_mode", "set_grad_enabled"})
BESIDE = re.compile(r"teacher|\bema|target|momentum|fixed|reference|\bref|reward|metric|scor|eval")


def methods_of(facts: ProjectFacts, owner: ClassFacts) -> Methods:
    """The methods of a class and those that it inherits from classes that were read."""
    line = [one for one in facts.classes if one.name in owner.ancestors]
    family = (*line, owner)
    return {method.name: method for one in family for method in one.own_methods}


def reached_from(methods: Methods, roots: Iterable[str]) -> Set[str]:
    """The methods that some lead to, by the names in them."""
    reached, waiting = set[str](), methods.keys() & set(roots)
    while waiting:
        reached |= waiting
        waiting = (words_of(methods, waiting) & methods.keys()) - reached
    return reached


def words_of(methods: Methods, names: Iterable[str]) -> frozenset[str]:
    """What some methods name."""
    return frozenset[str]().union(*(methods[name].words for name in names))


def is_beside(attribute: str) -> bool:
    """Whether a part is called as those are that are there to compare with."""
    return BESIDE.search(attribute.lower().replace("_", " ")) is not None


def stops_gradients(method: MethodSite) -> bool:
    """Whether a method switches gradients off, at least for a part of what it does."""
    return not WITHOUT_GRADIENTS.isdisjoint((*method.words, *_last(method.decorators)))


def _last(names: tuple[str, ...]) -> Iterator[str]:
    return (name.rpartition(".")[2] for name in names)
