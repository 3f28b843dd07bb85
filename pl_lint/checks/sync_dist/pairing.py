"""Keys that ranks do not log alike: sync_dist pairs its reductions up by their order, not by
key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pl_lint.checks.proving import found
from pl_lint.checks.sync_dist.script import shared
from pl_lint.checks.values.lines import deciding
from pl_lint.checks.values.numbers import FLOAT32, far, same, shown, tolerance
from pl_lint.facts.events import CaseFacts, LogEvent
from pl_lint.findings import Evidence, Finding, Status


@dataclass(frozen=True)
class Mixed:
    """A reduction that took different keys of different ranks together: the key of each rank, its
    own value of it, and what all of them have logged."""

    names: tuple[str, ...]
    own: tuple[float, ...]
    logged: float


def mixed_keys(
    ranks: Sequence[Sequence[LogEvent]], logged: Sequence[Mapping[str, float]]
) -> Iterator[Mixed]:
    """Reductions of one epoch in which the ranks were not at the same key, and whose result is the
    mean of what belongs to different ones."""
    orders = [_order(events) for events in ranks]
    for names in zip(*orders, strict=False):
        own = [_own(events, name) for events, name in zip(ranks, names, strict=True)]
        values = [seen.get(name) for seen, name in zip(logged, names, strict=True)]
        if len(set(names)) == 1 or None in own or None in values:
            continue
        sums = [pair for pair in own if pair is not None]
        mean = _reduced(sums)
        if all(value is not None and same(value, mean, tolerance(mean)) for value in values):
            yield Mixed(names, tuple(total / weight for total, weight in sums), values[0] or 0.0)


def _reduced(sums: Sequence[tuple[float, float]]) -> float:
    """What Lightning makes of sums and weights, the weight cut to a whole number (``sharing``)."""
    total, weight = (sum(part) / len(sums) for part in zip(*sums, strict=True))
    return total / max(weight // 1, 1.0)


def _order(events: Sequence[LogEvent]) -> list[str]:
    """Keys in the order in which Lightning reduces them at the end of an epoch: that of their
    first calls (``_ResultCollection.metrics``)."""
    names = [e.name for e in events if is_reduced(e) and e.on_epoch and e.value is not None]
    return list(dict.fromkeys(names))


def is_reduced(event: LogEvent) -> bool:
    """Whether Lightning takes a value of all ranks together (``_Sync`` in ``result.py``)."""
    return event.sync_dist and not event.rank_zero_only


def crossing(ranks: Sequence[Sequence[LogEvent]]) -> tuple[LogEvent, ...]:
    """Calls of different keys that ranks reduce together in one stage: the first of each rank, none
    where the same keys meet everywhere.

    Steps reduce at each call. The end of an epoch reduces keys in the order in which the fit logged
    them first; a metric object, which gathers what it holds, is asked in the same order.
    """
    for order in (_at_steps, _at_ends):
        for calls in zip(*map(order, ranks), strict=False):
            if len({call.name for call in calls}) > 1:
                return calls
    return ()


def _at_steps(events: Sequence[LogEvent]) -> list[LogEvent]:
    return [e for e in events if e.on_step and is_reduced(e) and e.value is not None]


def _at_ends(events: Sequence[LogEvent]) -> list[LogEvent]:
    first: dict[tuple[str, str], LogEvent] = {}
    for event in events:
        if event.on_epoch and (is_reduced(event) or event.value is None):
            first.setdefault((event.hook, event.name), event)
    return list(first.values())


def crossing_finding(calls: Sequence[LogEvent], case: CaseFacts) -> Finding:
    said = " and ".join(f"{call.name!r} on rank {rank}" for rank, call in enumerate(calls))
    when = "in a step" if calls[0].on_step else "at the end of an epoch"
    return Finding(
        code="LTN110",
        message=f"{when} the ranks reduce {said} together: sync_dist pairs calls up by their "
        "order, not by key",
        location=calls[0].location,
        status=Status.PROVED,
        remedy=EVERYWHERE,
        subject=case.module,
    )


def _own(events: Sequence[LogEvent], name: str) -> tuple[float, float] | None:
    calls = deciding(events, name)
    weight = sum(call.weight or 0.0 for call in calls)
    total = sum((call.value or 0.0) * (call.weight or 0.0) for call in calls)
    return (total, weight) if weight else None


def pairing_finding(
    mixed: Mixed, ranks: Sequence[Sequence[LogEvent]], world: str, case: CaseFacts
) -> Finding:
    said = " and ".join(
        f"rank {rank} called {name!r} ({shown(value)})"
        for rank, (name, value) in enumerate(zip(mixed.names, mixed.own, strict=True))
    )
    first = deciding(ranks[0], mixed.names[0])[0]
    true = mixed.own[0]
    within = tolerance(true)
    cause = f"sync_dist took {said} together"
    moved = far(mixed.logged, true, within)
    how = f"what rank 0 has logged as {mixed.names[0]!r} is the truth of that key"
    evidence = Evidence(mixed.names[0], mixed.logged, true, within, world, how, cause, FLOAT32)
    text = (
        f"{shown(mixed.logged)} was logged as {mixed.names[0]!r}: its reduction met another "
        f"key's. {said}; sync_dist pairs calls up by their order, not by key"
    )
    evaluated = first.stage in ("validate", "test")
    script = shared(case.building, text, first.stage, mixed.names[0], len(ranks))
    proof = (evidence,) if moved else ()
    shows = script if evaluated else ""  # in training one process has no truth for it
    return found(case, "LTN110", text, EVERYWHERE, first.location, proof, script=shows)


EVERYWHERE = (
    "log the same keys on every rank and in the same order, or without sync_dist and with "
    "rank_zero_only=True what one rank alone knows and nothing monitors"
)
