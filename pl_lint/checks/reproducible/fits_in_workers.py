"""Is a fit whose batches are made in loader workers equal to itself?

Judged where a loader of the case has workers: what these do is seen nowhere else. They run
``worker_init_fn``, have other random generators and a copy of the data set from the beginning of an
epoch (or, if persistent, of the fit), share streams out among themselves, and run ahead of
training, so that what they read of anything shared depends on the moment.
"""

from __future__ import annotations

from pl_lint.checks.registry import Gathering, Runs
from pl_lint.checks.reproducible.divergence import first_divergence, timings
from pl_lint.checks.reproducible.order import set_order
from pl_lint.checks.reproducible.sources import Setting, cause_of
from pl_lint.facts.events import CaseFacts, Note
from pl_lint.facts.records import FitRecord, RepeatRecord
from pl_lint.facts.repetition import WORKERS

_REMEDY = (
    "draw from torch's, numpy's or random's global generators, which the loader seeds for each "
    "worker, or seed your own from torch.initial_seed() in it"
)
_SHARED = "let nothing that changes and that workers share (memory, files) decide what they load"
_ORDERED = "leave in_order=False out"
_UNORDERED = "in_order=False hands batches on as workers are done with them"
_UNEXPLAINED = "no clock and no generator without a seed explains it, and without workers they are"


def judge_fits_in_workers(
    runs: Runs,
    repeated: RepeatRecord,
    clocks: frozenset[str],
    case: CaseFacts,
    into: Gathering,
) -> None:
    """``clocks``: the keys under which the fits without workers logged times."""
    records = runs.fits_in_workers()
    fits = [record.fit for record in records if record.fit is not None]
    errors = [one.error for one in (*records, *fits) if one.error is not None]
    if errors:  # of a machine that has no room for workers, too: no proof
        into.undecided.append(Note("a fit with loader workers", str(errors[0])))
        return
    first, second = fits
    divergence = first_divergence(first, second, clocks)
    if divergence is None:
        into.passed += bool(first.steps)
        into.notes += [_set_aside(name) for name in sorted(timings(first, second))]
        return
    setting = _setting(repeated, clocks)
    if _steady(first, runs, setting):
        into.findings.append(set_order(setting.words, divergence, case))
    else:
        into.findings.append(cause_of(divergence, runs, case, setting))


def _setting(repeated: RepeatRecord, clocks: frozenset[str]) -> Setting:
    count = min(repeated.workers, WORKERS)
    return Setting(
        f"two runs with the same seed and num_workers={count}",
        WORKERS,
        _UNORDERED if repeated.unordered else _UNEXPLAINED,
        _REMEDY,
        _ORDERED if repeated.unordered else _SHARED,
        clocks,
    )


def _steady(first: FitRecord, runs: Runs, setting: Setting) -> bool:
    """Whether others with the hash seed of the first are equal to it."""
    others = [runs.traced(attempt=attempt, workers=setting.workers).fit for attempt in (1, 2)]
    return all(
        fit is not None and first_divergence(first, fit, setting.clocks) is None for fit in others
    )


def _set_aside(name: str) -> Note:
    return Note(name, "a Python number that differs between equal runs is set aside")
