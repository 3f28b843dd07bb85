"""What the author of a case declared about it, held against what there is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pl_lint.checks.registry import all_checks
from pl_lint.config import nearest
from pl_lint.facts.events import CaseFacts
from pl_lint.runtime.battery import Battery
from pl_lint.runtime.failures import RunFailed


def mistakes_in(case: CaseFacts) -> list[str]:
    """Expected failures of checks that do not exist: they would excuse nothing, in silence."""
    names = [check.name for check in all_checks()]
    return [
        f"expected_failures names {name!r}, which is no check; {_hint(name, names)}"
        for name in case.expected_failures
        if name not in names
    ]


def stale_keys(battery: Battery) -> tuple[str, ...]:
    """Declarations for keys that nothing logs any more, in words."""
    case = battery.case()
    declared = [("batch_dependent", key) for key in case.batch_dependent]
    declared += [("tolerances", key) for key in case.tolerances]
    if not declared:
        return ()
    try:
        logged = set(_names(battery, case))
    except RunFailed:  # what it would have logged is not known
        return ()
    return tuple(
        f"stale: {option} names {key!r}, which was never logged; {_hint(key, logged)}"
        for option, key in declared
        if key not in logged
    )


def _names(battery: Battery, case: CaseFacts) -> Iterator[str]:
    """Every key of the runs in which the module logs, each made by a check already."""
    if "train" in case.stages:
        yield from (event.name for event in battery.fit().events)
    for stage in ("validate", "test"):
        if stage in case.stages:
            for done in battery.rebatched(stage).passes:
                yield from (event.name for event in done.events)
                yield from done.values


def _hint(word: str, known: Iterable[str]) -> str:
    near = nearest(word, known)
    return f"did you mean {near!r}?" if near else f"known: {', '.join(sorted(known)) or 'none'}"
