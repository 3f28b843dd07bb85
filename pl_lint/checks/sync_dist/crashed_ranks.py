"""A run on several ranks that failed where one process did not: which rank, where, and why."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from pl_lint.facts.events import CaseFacts, EvaluationPass, LogEvent, RunError
from pl_lint.findings import Finding, Location, Status

GLOO = re.compile(r"^\[[^\]]*(?:gloo|c10d)[^\]]*\]:?\s*", re.IGNORECASE)
"""How messages of the communication library begin: with a place in its own source."""
ADVICE = re.compile(r"\. This is typically.*", re.DOTALL)


def crash(ranks: Sequence[EvaluationPass], stage: str, case: CaseFacts) -> Finding:
    """A rank with an error of its own comes first: that of a rank that waited for it is noise.

    Where all of them only waited for each other, what they logged up to there tells why: the
    reductions of ``sync_dist`` pair up in their order, not by key.
    """
    rank, error = _telling([(i, done.error) for i, done in enumerate(ranks) if done.error])
    unequal = list(_unequal(ranks)) if _is_noise(error) else []
    said = f"rank {rank} raised {_plain(error)}"
    calls = [f"only rank {i} called self.log({e.name!r}) at {e.location}" for i, e in unequal]
    place = unequal[0][1].location if unequal else error.location
    return Finding(
        code="sync-dist",
        message="; ".join([f"{stage} works in one process and fails on two ranks: {said}", *calls]),
        location=place or Location(case.path, case.line),
        status=Status.PROVED,
        remedy=_EVERYWHERE if unequal else "see the traceback of the rank that failed first",
        subject=case.module,
    )


_EVERYWHERE = (
    "log the same keys on every rank and in the same order, or without sync_dist and with "
    "rank_zero_only=True what one rank alone knows"
)


def _telling(errors: Sequence[tuple[int, RunError | None]]) -> tuple[int, RunError]:
    known = [(rank, error) for rank, error in errors if error is not None]
    return next((pair for pair in known if not _is_noise(pair[1])), known[0])


def _is_noise(error: RunError) -> bool:
    return GLOO.match(error.message) is not None


def _plain(error: RunError) -> str:
    """The error as the user should read it: of the communication library's the first sentence."""
    if not _is_noise(error):
        return str(error)
    first = ADVICE.sub("", GLOO.sub("", error.message)).split("\n")[0]
    return str(replace(error, message=f"{first} (waiting for the other rank)"))


def _unequal(ranks: Sequence[EvaluationPass]) -> Iterator[tuple[int, LogEvent]]:
    """The first call of each key with sync_dist that not every rank logged, with its rank."""
    keys = [{event.name for event in done.events if event.sync_dist} for done in ranks]
    shared = set.intersection(*keys)
    for rank, done in enumerate(ranks):
        first = {event.name: event for event in reversed(done.events) if event.sync_dist}
        mine = [event for name, event in first.items() if name not in shared]
        yield from ((rank, event) for event in reversed(mine))
