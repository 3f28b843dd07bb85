"""What the author of a case declared about it, held against what there is."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping

from pl_lint.checks.registry import all_checks
from pl_lint.config import nearest
from pl_lint.facts.events import CaseFacts
from pl_lint.facts.loggers import ORIGINS
from pl_lint.runtime.battery import Battery
from pl_lint.runtime.failures import RunFailed


def mistakes_in(case: CaseFacts) -> list[str]:
    """Declarations that would mean nothing, in silence: expected failures of checks that do not
    exist, or without the reason that excuses them, tolerances that are no numbers, origins that
    nobody can look for."""
    names = [check.name for check in all_checks()]
    return [
        *(
            f"recorded names {name!r}, which is no origin; {_hint(name, ORIGINS)}"
            for name in case.recorded
            if name not in ORIGINS
        ),
        *(
            f"expected_failures names {name!r}, which is no check; {_hint(name, names)}"
            for name in case.expected_failures
            if name not in names
        ),
        *_without_reason("expected_failures", case.expected_failures, "why it fails"),
        *_without_reason("batch_dependent", case.batch_dependent, "why its value may move"),
        *(
            f"tolerances gives {key!r} {value!r}; write how far it may be off, relative to its "
            "value: 0.05"
            for key, value in case.tolerances.items()
            if not _is_share(value)
        ),
    ]


def _without_reason(option: str, reasons: Mapping[str, str], why: str) -> Iterator[str]:
    for name, reason in reasons.items():
        if not isinstance(reason, str) or not reason.strip():
            yield f"{option} gives no reason for {name!r}; say {why}"


def _is_share(value: object) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and 0 <= value < math.inf


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
