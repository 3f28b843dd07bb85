"""Do two seeded runs give the same weights and the same logged values?"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest

from pl_lint.checks.registry import Gathering, Result, Runs, check
from pl_lint.checks.values.lines import line_of
from pl_lint.checks.values.numbers import shown
from pl_lint.facts.events import CaseFacts, LogEvent
from pl_lint.facts.records import FitRecord
from pl_lint.findings import Finding, Location, Status


@check("reproducible", place=60)
def reproducible(runs: Runs) -> Result:
    """Two runs with the same seed are equal, bit for bit.

    What it promises:
    `random`, numpy and torch are seeded before the case is built; two such fits in two processes,
    each of which imports the code anew, end with the same bits in every parameter and buffer and
    log the same values.

    What it can say:
    The first difference in time: the training step, and the logged key or the parameter. What
    differs comes from something that no seed reaches: a generator made without one
    (`np.random.default_rng()`), the clock, `os.urandom`, `uuid`, threads.

    What it sets aside:
    A logged Python number that differs while all weights agree (a step time, a GPU load) is a note.
    """
    if "train" not in runs.case().stages:
        return Gathering().result("the module has no training that could be repeated")
    first, second, gathering = runs.fit(), runs.fit_again(), Gathering()
    timings = {event.name for event, _ in _differing(first, second) if event.python_number}
    weights_differ = first.digests != second.digests
    gathering.notes += [
        f"{name}: a Python number that differs between equal runs is set aside" for name in timings
    ]
    difference = _first_difference(
        first, second, timings if not weights_differ else set(), runs.case()
    )
    if difference is None:
        gathering.passed += bool(first.steps)
    else:
        gathering.findings.append(_finding(*difference, runs.case()))
    return gathering.result("training made no optimizer step")


def _differing(first: FitRecord, second: FitRecord) -> Iterator[tuple[LogEvent, LogEvent | None]]:
    """Events of the first run beside those of the second, where they do not agree."""
    for one, other in zip_longest(first.events, second.events):
        if one is None or other is None or one.name != other.name or not _same(one, other):
            yield (one or other), other


def _same(one: LogEvent, other: LogEvent) -> bool:
    return _equal(one.value, other.value)


def _equal(one: float | None, other: float | None) -> bool:
    return one == other or (one != one and other != other)


def _first_difference(
    first: FitRecord, second: FitRecord, aside: set[str], case: CaseFacts
) -> tuple[str, Location | None] | None:
    """In words, with the line that logged it if it is a logged value."""
    step = _first_step(first, second)
    for one, other in _differing(first, second):
        if one.name in aside:
            continue
        if step is None or _moment(one) <= step[0]:
            return _logged(one, other), one.location
        break
    if step is not None:
        number, name = step
        return f"after optimizer step {number}, {name!r} has other bits", None
    for one, other in zip(first.epochs, second.epochs, strict=False):
        for name, value in one.values.items():
            if name not in aside and not _equal(value, other.values.get(name)):
                where = f"{one.stage} of epoch {one.epoch}"
                text = f"{shown(value)} and {shown(other.values.get(name, float('nan')))}"
                place = line_of((e for e in first.events if e.stage == one.stage), name, case)
                return f"in {where}, {name!r} was {text}", place
    changed = [k for k in first.digests if first.digests[k] != second.digests.get(k)]
    return (f"at the end, {changed[0]!r} has other bits", None) if changed else None


def _first_step(first: FitRecord, second: FitRecord) -> tuple[int, str] | None:
    for one, other in zip_longest(first.steps, second.steps):
        if one is None or other is None:
            return (one or other).step, "the number of steps"
        changed = [k for k in one.digests if one.digests[k] != other.digests.get(k)]
        if changed:
            return one.step, changed[0]
    return None


def _moment(event: LogEvent) -> int:
    """The optimizer step before which a training batch logs; other stages come after them."""
    return event.batch + 1 if event.stage == "train" and event.epoch == 0 else 10**9


def _logged(one: LogEvent, other: LogEvent | None) -> str:
    where = f"{one.stage} batch {one.batch} of epoch {one.epoch}"
    if other is None or other.name != one.name:
        return f"in {where}, {one.name!r} was logged by one run only"
    values = " and ".join("nothing" if v is None else shown(v) for v in (one.value, other.value))
    return f"in {where}, {one.name!r} was logged as {values}"


def _finding(difference: str, location: Location | None, case: CaseFacts) -> Finding:
    return Finding(
        code="reproducible",
        message=f"two runs with the same seed are not equal: {difference}",
        location=location or Location(case.path, case.line),
        status=Status.PROVED,
        remedy="draw from torch's, numpy's or random's global generators, or seed your own: "
        "np.random.default_rng(seed)",
        subject=case.module,
    )
