"""A fit that does not end on every rank: who failed first, and for which of the known reasons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pl_lint.checks.distributed.fits import Fits
from pl_lint.checks.distributed.keys import EVERYWHERE, crossings, lacking
from pl_lint.checks.registry import Gathering
from pl_lint.checks.sync_dist.crashed_ranks import (
    Ended,
    crash,
    is_noise,
    refusal,
    telling,
    whereabouts,
)
from pl_lint.checks.sync_dist.pairing import crossing_finding
from pl_lint.facts.events import RunError, sentence
from pl_lint.facts.ranks import Assigned
from pl_lint.findings import Finding

SKIPPED = "Skipping the `training_step` by returning None in distributed training"
"""What Lightning says of it (``loops/optimization/automatic.py``, 2.6.6)."""
NOT_MONITORED = ("could not find the monitored key", "conditioned on metric")
"""What ModelCheckpoint, EarlyStopping and the loop that steps schedulers say of a key that they
miss."""

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
        into.undecided.append(sentence(reason))
        return True
    if _in_other_batches(fits):
        reason = f"the few samples of each rank make smaller batches, on which it raised {error}"
        into.undecided.append(sentence(reason))
        return True
    found = crash(ended, "fit", fits.case)
    into.findings.append(
        _prepared(fits, rank, error, found)
        or _monitored(fits, error, found)
        or _crossed(fits, error, found)
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
        message=f"{found.message}; prepare_data assigned {lost[0].name!r} ({lost[0].left}) on rank "
        "0 only",
        location=lost[0].location,
        remedy=in_setup(lost[0]),
    )


def in_setup(cause: Assigned) -> str:
    return f"assign {cause.name!r} in setup, which runs on every rank"


def _monitored(fits: Fits, error: RunError, found: Finding) -> Finding | None:
    """LTN111: a callback or scheduler misses a key that other ranks have, and says so; or it goes
    on, and those who found it wait for what it does not do."""
    if not is_noise(error) and not any(said in error.message for said in NOT_MONITORED):
        return None
    missing = [one for one in lacking(fits) if is_noise(error) or one.key in error.message]
    if not missing:
        return None
    return replace(
        found,
        code="LTN111",
        message=f"{found.message}; {missing[0]}",
        location=missing[0].event.location,
        remedy=EVERYWHERE,
    )


def _crossed(fits: Fits, error: RunError, found: Finding) -> Finding | None:
    """LTN110: a reduction met that of another key, and from there on the ranks are not together."""
    calls = next(crossings(fits), None)
    if calls is None or not is_noise(error) or found.code == "LTN110":
        return None
    crossed = crossing_finding(calls, fits.case)
    return replace(crossed, message=f"{found.message}; {crossed.message}")


def _skipped(fits: Fits, error: RunError, found: Finding) -> Finding | None:
    if SKIPPED not in error.message or is_noise(error):
        return None
    remedy = "return a loss of zero that hangs on the parameters, such as loss * 0.0"
    return replace(found, code="LTN505", location=fits.place("training_step"), remedy=remedy)
