"""What the classes of a project that inherit a class say about it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pl_lint.facts.sites import ClassFacts, TrainerCall
from pl_lint.plain import replace

ABSTRACT = "abc.ABC"
BACKWARD = "manual_backward"


def settled(
    classes: Sequence[ClassFacts], calls: Sequence[TrainerCall], switched: bool
) -> Iterator[ClassFacts]:
    """The classes, where those that inherit one may say who steps its optimizers.

    A base class that no Trainer is seen to be given runs as its last heirs do. Where all of them
    optimize by hand, so does what it calls ``manual_backward`` in; of other methods nothing is
    known. An abstract class that calls it and has no heirs here has them elsewhere. And where code
    beside the classes switches it off for a module (``switched``), that may be any of them.
    """
    run = {name for call in calls for name in (call.model, *call.models)}
    heirs: dict[str, list[ClassFacts]] = {}
    for one in classes:
        for ancestor in one.ancestors:
            heirs.setdefault(ancestor, []).append(one)
    for one in classes:
        decided = one.optimization != "automatic" or one.name in run
        last = [
            heir for heir in heirs.get(one.name, ()) if heir.name in run or heir.name not in heirs
        ]
        known = one if decided else _as_heirs(one, last)
        unsure = switched and known.optimization == "automatic"
        yield replace(known, optimization="unknown") if unsure else known


def _as_heirs(base: ClassFacts, heirs: Sequence[ClassFacts]) -> ClassFacts:
    goes_back = any(BACKWARD in method.words for method in base.own_methods)
    if heirs and all(one.manual_optimization for one in heirs):
        return replace(base, optimization="manual" if goes_back else "unknown")
    if not heirs and goes_back and ABSTRACT in base.ancestors:
        return replace(base, optimization="unknown")
    return base
