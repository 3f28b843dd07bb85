"""Which call made two runs differ? Held still, it makes them equal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pl_lint.checks.registry import Runs
from pl_lint.checks.reproducible.divergence import Divergence, first_divergence, logged_apart
from pl_lint.checks.reproducible.reporting import found
from pl_lint.facts.events import CaseFacts
from pl_lint.facts.records import FitRecord
from pl_lint.facts.repetition import Source
from pl_lint.findings import Finding

CANDIDATES = 6
"""Each costs two more fits, and only where a difference has been found already."""
REMEDY = (
    "draw from torch's, numpy's or random's global generators, or seed your own: "
    "np.random.default_rng(seed)"
)


@dataclass(frozen=True)
class Setting:
    """Fits that ought to be equal: in words, with how many workers at most, and what to say of them
    and to advise where a call explains their difference, or where none does (``otherwise``).
    ``clocks`` are the keys under which they log times."""

    words: str = "two runs with the same seed"
    workers: int = 0
    unexplained: str = (
        "no clock and no generator without a seed that could be held still explains it"
    )
    remedy: str = REMEDY
    otherwise: str = REMEDY
    clocks: frozenset[str] = frozenset()


def times_logged(first: FitRecord, second: FitRecord, runs: Runs) -> frozenset[str]:
    """The keys by which two fits differ, if only these do and nothing but clocks makes them: a
    duration that is logged as a tensor is no more than one that is logged as a number."""
    apart = logged_apart(first, second)
    if not apart:
        return apart
    traced = runs.traced()
    clocks = [source for source in traced.sources if _is_clock(source)]
    # Also under the hash seed of the first, or the order of a set might be what differs.
    moves = traced.fit is not None and logged_apart(first, traced.fit) == apart
    explained = moves and clocks and _equal_with(clocks, runs, Setting())
    return apart if explained else frozenset()


def cause_of(
    divergence: Divergence, runs: Runs, case: CaseFacts, setting: Setting = Setting()
) -> Finding:
    """The finding for two processes that differ, with the call that did it where one can be
    proved."""
    guilty = _guilty(runs, setting)
    text = f"{setting.words} are not equal: first to differ is {divergence.text}"
    if not guilty:
        said, place = f"{text}; {setting.unexplained}", divergence.location
        return found("reproducible", said, place, setting.otherwise, case, divergence.evidence)
    calls = " and ".join(dict.fromkeys(f"{s.call} at {s.location}" for s in guilty))
    return found(
        "LTN401",
        f"{text}; with {calls} held still they are equal",
        guilty[0].location,
        setting.remedy,
        case,
        divergence.evidence,
    )


def _guilty(runs: Runs, setting: Setting) -> Sequence[Source]:
    """The one call that makes two fits equal when it is held still; all of them if it takes all."""
    sources = runs.traced(workers=setting.workers).sources
    candidates = sorted(sources, key=_is_clock)[:CANDIDATES]
    if len(candidates) > 1 and not _equal_with(candidates, runs, setting):
        return ()
    for source in candidates:
        if _equal_with([source], runs, setting):
            return [source]
    return candidates if len(candidates) > 1 else ()


def _is_clock(source: Source) -> bool:
    """Generators are there to decide something; clocks are looked at for many reasons."""
    return source.call.startswith(("time.", "datetime."))


def _equal_with(held: Sequence[Source], runs: Runs, setting: Setting) -> bool:
    keys = tuple(sorted(source.key for source in held))
    one, other = (runs.traced(keys, attempt, setting.workers).fit for attempt in (1, 2))
    if one is None or other is None or one.error is not None or other.error is not None:
        return False
    return first_divergence(one, other, setting.clocks) is None
