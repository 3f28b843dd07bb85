"""A fit that does not end on every rank: who failed first, and for which of the known reasons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pl_lint.checks.distributed.fits import Fits
from pl_lint.checks.registry import Gathering
from pl_lint.checks.sync_dist.crashed_ranks import (
    Ended,
    crash,
    is_noise,
    refusal,
    telling,
    whereabouts,
)
from pl_lint.facts.events import RunError
from pl_lint.facts.ranks import Assigned
from pl_lint.findings import Finding

SKIPPED = "Skipping the `training_step` by returning None in distributed training"
"""What Lightning says of it (``loops/optimization/automatic.py``, 2.6.6)."""
NOT_MONITORED = "could not find the monitored key"
"""What ModelCheckpoint and EarlyStopping say of a key that they miss."""

WAITS = ("LTN325", "distributed")
"""Codes of calls that some ranks make and others do not."""


def ended_early(fits: Fits, into: Gathering) -> bool:
    """Whether a rank failed, and then why."""
    errors = [rank.error for rank in fits.ranks]
    if not any(errors):
        return False
    rank, error = telling(errors)
    ended = [Ended(rank.error, rank.events) for rank in fits.ranks]
    if is_noise(error) and any(finding.code in WAITS for finding in into.findings):
        into.findings[:] = [_with_places(finding, ended) for finding in into.findings]
        return True
    if reason := refusal(errors):
        into.undecided.append(reason)
        return True
    if _in_other_batches(fits):
        reason = f"the few samples of each rank make smaller batches, on which it raised {error}"
        into.undecided.append(reason)
        return True
    found = crash(ended, "fit", fits.case)
    into.findings.append(
        _prepared(fits, rank, error, found)
        or _monitored(fits, rank, error, found)
        or _skipped(fits, error, found)
        or found
    )
    return True


def _with_places(finding: Finding, ended: Sequence[Ended]) -> Finding:
    """A call that some ranks lack, and where each of them waited in the end."""
    if finding.code not in WAITS:
        return finding
    return replace(finding, message="; ".join([finding.message, *whereabouts(ended)]))


def _in_other_batches(fits: Fits) -> bool:
    """Whether all ranks failed alike, on batches smaller than those of the fit in one process: a
    module may count on the size of its batches."""
    errors = [rank.error for rank in fits.ranks]
    alike = len({(one.kind, one.location) for one in errors if one is not None}) == 1
    if not all(errors) or not alike or any(one is not None and is_noise(one) for one in errors):
        return False
    alone = [e.samples for e in fits.runs.fit().events if e.stage == "train" and e.samples]
    largest = max((size for rank in fits.ranks for size in rank.batches), default=0)
    return not alone or max(alone) > largest


def _prepared(fits: Fits, rank: int, error: RunError, found: Finding) -> Finding | None:
    """LTN502: the rank that failed lacks what prepare_data assigned on rank zero."""
    kept = fits.ranks[rank].kept
    lost = [
        one
        for one in fits.ranks[0].assigned
        if kept.get(one.name) != one.left and (one.read or f"'{one.name}'" in error.message)
    ]
    if not rank or not lost or is_noise(error):
        return None
    return replace(
        found,
        code="LTN502",
        message=f"{found.message}; prepare_data assigned {lost[0].name!r} on rank 0 only",
        location=lost[0].location,
        remedy=in_setup(lost[0]),
    )


def in_setup(cause: Assigned) -> str:
    return f"assign {cause.name!r} in setup, which runs on every rank"


def _monitored(fits: Fits, rank: int, error: RunError, found: Finding) -> Finding | None:
    """LTN111: a callback on another rank misses a key that rank zero alone has logged."""
    if not rank or NOT_MONITORED not in error.message:
        return None
    mine = {event.name for event in fits.ranks[rank].events if not event.rank_zero_only}
    lonely = [e for e in fits.ranks[0].events if e.name not in mine and e.name in error.message]
    if not lonely:
        return None
    return replace(
        found,
        code="LTN111",
        message=f"{found.message}; {lonely[0].name!r} is logged on rank 0 only",
        location=lonely[0].location,
        remedy="log what a callback monitors on every rank, with sync_dist=True",
    )


def _skipped(fits: Fits, error: RunError, found: Finding) -> Finding | None:
    if SKIPPED not in error.message or is_noise(error):
        return None
    remedy = "return a loss of zero that hangs on the parameters, such as loss * 0.0"
    return replace(found, code="LTN505", location=fits.place("training_step"), remedy=remedy)
