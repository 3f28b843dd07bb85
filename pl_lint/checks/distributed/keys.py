"""Keys that ranks do not have alike: one that is asked for and not there, another order."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pl_lint.checks.distributed.fits import Fits
from pl_lint.checks.registry import Gathering
from pl_lint.checks.sync_dist.pairing import crossing, crossing_finding
from pl_lint.facts.events import LogEvent, Note
from pl_lint.findings import Finding

EVERYWHERE = "log what is monitored on every rank, from gathered values"


@dataclass(frozen=True)
class Lacking:
    """A key that some ranks log and others do not, and who asks for it on all of them."""

    key: str
    asking: str
    event: LogEvent
    ranks: tuple[int, ...]

    def __str__(self) -> str:
        others = " and ".join(f"rank {rank}" for rank in self.ranks)
        lack = "lacks" if len(self.ranks) == 1 else "lack"
        return f"{self.asking} asks every rank for {self.key!r}, which {others} {lack}"


def judge_keys(fits: Fits, into: Gathering, told: set[str]) -> set[str]:
    """What monitored or reduced keys fail by; the keys that were told of."""
    missing = [one for one in lacking(fits) if one.key not in told]
    into.findings += [_without(one, fits) for one in missing]
    told = told | {one.key for one in missing}
    for calls in crossings(fits):
        names = {call.name for call in calls}
        if not told & names:
            into.findings.append(crossing_finding(calls, fits.case))
            told = told | names
    into.notes += [] if told else _other_order(fits)
    return told


def crossings(fits: Fits) -> Iterator[Sequence[LogEvent]]:
    """Reductions of different keys that meet, one for each stage at most."""
    for stage in dict.fromkeys(event.stage for event in fits.ranks[0].events):
        calls = crossing([_of(stage, rank.events) for rank in fits.ranks])
        if calls:
            yield calls


def lacking(fits: Fits) -> Iterator[Lacking]:
    """Monitored keys that not every rank has logged."""
    for key, asking in _asked(fits).items():
        calls = [[event for event in rank.events if is_key(key, event)] for rank in fits.ranks]
        ranks = tuple(rank for rank, mine in enumerate(calls) if not mine)
        if ranks and len(ranks) < len(calls):
            first = next(event for mine in calls for event in mine)
            yield Lacking(key, asking, first, ranks)


def is_key(key: str, event: LogEvent) -> bool:
    """Whether a call made a key: a value of steps and epochs has two names more."""
    both = event.on_step and event.on_epoch
    return event.name == key or (both and re.sub("_(step|epoch)$", "", key) == event.name)


def _asked(fits: Fits) -> dict[str, str]:
    """Who asks for which key: the user's callbacks and schedulers, and those of his scripts."""
    scripts = dict.fromkeys(fits.monitors, "a checkpoint of the project's")
    mine = {one.key: one.name for one in fits.ranks[0].watchers if one.key is not None}
    return {**scripts, **mine}


def _without(one: Lacking, fits: Fits) -> Finding:
    message = f"{one}: where it is missing nothing is kept, stopped or slowed down by it"
    return fits.finding("LTN111", message, one.event.location, EVERYWHERE)


def _other_order(fits: Fits) -> Iterator[Note]:
    """Keys that no rank reduces may come in any order: each rank keeps its own."""
    for stage in dict.fromkeys(event.stage for event in fits.ranks[0].events):
        orders = [
            list(dict.fromkeys(event.name for event in _of(stage, rank.events)))
            for rank in fits.ranks
        ]
        alike = all(set(order) == set(orders[0]) for order in orders)
        if alike and any(order != orders[0] for order in orders):
            logged = f"{stage} logs {', '.join(orders[0])} in another order elsewhere"
            yield Note("order of keys", logged)


def _of(stage: str, events: Sequence[LogEvent]) -> list[LogEvent]:
    return [event for event in events if event.stage == stage]
