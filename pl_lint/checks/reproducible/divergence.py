"""Where two runs that should be equal first part: the step, the batch, the draw, the parameter."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from pl_lint.checks.values.numbers import same
from pl_lint.facts.events import LogEvent
from pl_lint.facts.records import FitRecord
from pl_lint.findings import Evidence, Location

_ORDER = {"train": 0, "validate": 1, "test": 2}
_END = 10**9
_LOGGED = ("value", "epoch value")
_UNSAVED = "buffer that no checkpoint has"
ROUNDING = 1e-4
"""Relative, and after a dozen steps, in which a difference of the last bit grows."""

Moment = tuple[int, int, int, int]
"""Epoch, stage, batch, and what comes first within a batch."""


@dataclass(frozen=True)
class Divergence:
    """The first difference in words; if it was logged, the line and the two values."""

    text: str
    location: Location | None = None
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True)
class _Mark:
    """One thing that was seen, and when."""

    moment: Moment
    kind: str
    name: str
    value: str | float | None
    event: LogEvent | None = None


def timings(first: FitRecord, second: FitRecord) -> frozenset[str]:
    """Keys that are set aside: Python numbers that differ between runs whose weights agree (a step
    time, a GPU load)."""
    if first.digests != second.digests:
        return frozenset()
    others = {_call(event): event.value for event in second.events}
    return frozenset(
        event.name
        for event in first.events
        if event.python_number and not _equal(event.value, others.get(_call(event)))
    )


def first_divergence(
    first: FitRecord, second: FitRecord, clocks: Collection[str] = ()
) -> Divergence | None:
    """None where the runs agree bit for bit, but for what they logged of ``clocks``."""
    if (first.error is None) != (second.error is None):
        error = first.error or second.error
        return Divergence(f"one of them raised {error}", error.location if error else None)
    aside = timings(first, second).union(clocks)
    ones, others = (_by_identity(record, aside) for record in (first, second))
    changed = _changed(ones, others, _unlike_at_start(first, second))
    if not changed:
        return None
    earliest = min(mark.moment for mark in changed)
    together = [mark for mark in changed if mark.moment == earliest]
    return _told(together, others, ones)


def logged_apart(first: FitRecord, second: FitRecord) -> frozenset[str]:
    """The keys by which two runs differ, if nothing else of them does: no weight, no part of a
    batch, no generator."""
    aside = timings(first, second)
    ones, others = (_by_identity(record, aside) for record in (first, second))
    changed = _changed(ones, others, _unlike_at_start(first, second))
    ended_alike = (first.error is None) == (second.error is None)
    only_logged = ended_alike and all(mark.kind in _LOGGED for mark in changed)
    return frozenset(mark.name for mark in changed) if only_logged else frozenset()


def _unlike_at_start(first: FitRecord, second: FitRecord) -> frozenset[str]:
    """Buffers that no checkpoint has and that begin with other bits: room for results that
    ``torch.empty`` made. Where one that was drawn matters, what is logged differs."""
    one, other = (record.unsaved.get("start", {}) for record in (first, second))
    return frozenset(name for name, value in one.items() if other.get(name) != value)


def _changed(
    ones: Mapping[Identity, _Mark], others: Mapping[Identity, _Mark], unlike: Collection[str]
) -> list[_Mark]:
    changed = [
        *(mark for key, mark in ones.items() if _parted(mark, others.get(key))),
        *(mark for key, mark in others.items() if key not in ones),
    ]
    return [mark for mark in changed if mark.kind != _UNSAVED or mark.name not in unlike]


def within_rounding(first: FitRecord, second: FitRecord) -> bool:
    """Whether two runs log the same but for rounding. ``torch.jit.script`` compiles a function anew
    once it has run a few times: its sums then have another order."""
    ones, others = (
        {_call(e): e.value for e in record.events if e.value is not None and not e.python_number}
        for record in (first, second)
    )
    return (
        bool(ones)
        and ones.keys() == others.keys()
        and all(
            same(value, others[call], ROUNDING * abs(value) + ROUNDING)
            for call, value in ones.items()
        )
    )


def _parted(one: _Mark, other: _Mark | None) -> bool:
    return other is None or not _equal(one.value, other.value)


def _equal(one: str | float | None, other: str | float | None) -> bool:
    return one == other or (one != one and other != other)


# --- all that was seen, in time -------------------------------------------------------------------

Identity = tuple[Moment, str, str, int]


def _by_identity(record: FitRecord, aside: Collection[str]) -> dict[Identity, _Mark]:
    """Each mark by what it is of; the n-th of several equal ones by its number."""
    found: dict[Identity, _Mark] = {}
    for mark in _marks(record):
        if mark.kind in _LOGGED and mark.name in aside:
            continue
        count = 0
        while (identity := (mark.moment, mark.kind, mark.name, count)) in found:
            count += 1
        found[identity] = mark
    return found


def _marks(record: FitRecord) -> Iterator[_Mark]:
    for name, value in record.initial.items():
        yield _Mark((0, -1, 0, 0), "initial", name, value)
    for begun in record.begun:
        moment = begun.epoch, 0, begun.batch, 0
        yield from (_Mark(moment, "part", part, value) for part, value in begun.parts.items())
        yield from (_Mark(moment, "generator", g, value) for g, value in begun.generators.items())
    for event in record.events:
        yield _Mark(_moment(event), "value", event.name, event.value, event)
    for step in record.steps:
        epoch, batch = _batch_before(step.step, record)
        for name, value in step.digests.items():
            yield _Mark((epoch, 0, batch, 2), "parameter", name, value)
    for each in record.epochs:
        moment = each.epoch, _ORDER.get(each.stage, 3), _END, 1
        events = [e for e in record.events if e.stage == each.stage]
        for name, value in each.values.items():
            event = next((e for e in events if e.name == name), None)
            yield _Mark(moment, "epoch value", name, value, event)
    for name, value in record.digests.items():
        yield _Mark((_END, 0, 0, 0), "end", name, value)
    for name, value in record.unsaved.get("end", {}).items():
        yield _Mark((_END, 0, 0, 1), _UNSAVED, name, value)


def _moment(event: LogEvent) -> Moment:
    if event.sanity:
        return 0, -1, event.batch, 1
    batch = event.batch if event.batch >= 0 else _END
    return event.epoch, _ORDER.get(event.stage, 3), batch, 1


def _batch_before(step: int, record: FitRecord) -> tuple[int, int]:
    """The batch after which an optimizer step was made."""
    before = [begun for begun in record.begun if begun.step < step]
    return (before[-1].epoch, before[-1].batch) if before else (0, step)


def _call(event: LogEvent) -> tuple[str, str, int, int, bool, int]:
    return event.name, event.stage, event.epoch, event.batch, event.sanity, event.dataloader


# --- words ----------------------------------------------------------------------------------------


def _told(
    marks: list[_Mark], others: Mapping[Identity, _Mark], ones: Mapping[Identity, _Mark]
) -> Divergence:
    by_kind: dict[str, list[_Mark]] = {}
    for mark in marks:
        by_kind.setdefault(mark.kind, []).append(mark)
    first = marks[0]
    epoch, _, batch, _ = first.moment
    if "initial" in by_kind:
        return Divergence(f"{_listed(by_kind['initial'])} before the first step")
    if "part" in by_kind or "generator" in by_kind:
        return Divergence(_begun(by_kind, f"batch {batch} of epoch {epoch}"))
    if first.event is not None:
        return _logged(first, others, ones)
    if first.kind == "parameter":
        where = f"the optimizer step of batch {batch} of epoch {epoch}"
        return Divergence(f"{_listed(by_kind['parameter'])} after {where}")
    if first.kind == _UNSAVED:
        return Divergence(f"{_listed(marks)}, a {_UNSAVED}, at the end")
    return Divergence(f"{_listed(marks)} at the end")


def _begun(by_kind: Mapping[str, list[_Mark]], where: str) -> str:
    said = []
    if "part" in by_kind:
        parts = ", ".join(f"batch{mark.name}" for mark in by_kind["part"][:3])
        said.append(f"the data ({parts})")
    if "generator" in by_kind:
        names = " and ".join(mark.name for mark in by_kind["generator"])
        said.append(f"the state of the global generator of {names}")
    return f"{' and '.join(said)} at {where}"


def _listed(marks: list[_Mark]) -> str:
    more = f" (and {len(marks) - 1} more)" if len(marks) > 1 else ""
    return f"{marks[0].name!r}{more}"


def _logged(
    mark: _Mark, others: Mapping[Identity, _Mark], ones: Mapping[Identity, _Mark]
) -> Divergence:
    event, identity = mark.event, (mark.moment, mark.kind, mark.name, 0)
    assert event is not None
    in_batch = mark.kind == "value" and event.batch >= 0
    where = f"{event.stage} batch {event.batch}" if in_batch else f"{event.stage} values"
    text = f"{mark.name!r} in the {where} of epoch {mark.moment[0]}"
    values = [found.value if (found := side.get(identity)) else None for side in (ones, others)]
    one, other = values
    if not isinstance(one, float) or not isinstance(other, float):
        return Divergence(f"{text}, which only one of them logged", event.location)
    evidence = Evidence(
        key=mark.name,
        logged=other,
        true=one,
        tolerance=0.0,
        world="1 process each, CPU, fp32",
        how="two fits with the same seed; the truth is what the first one logged",
        because="the same operations on the same numbers, in the same order, give the same bits",
    )
    return Divergence(text, event.location, (evidence,))
