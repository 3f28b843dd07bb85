"""Which call made two runs differ? Held still, it makes them equal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pl_lint.checks.registry import Runs
from pl_lint.checks.reproducible.divergence import Divergence, first_divergence
from pl_lint.checks.reproducible.reporting import found
from pl_lint.facts.events import CaseFacts
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
    and to advise where a call explains their difference, or where none does (``otherwise``)."""

    words: str = "two runs with the same seed"
    workers: int = 0
    unexplained: str = (
        "no clock and no generator without a seed that could be held still explains it"
    )
    remedy: str = REMEDY
    otherwise: str = REMEDY


def cause_of(
    divergence: Divergence, runs: Runs, case: CaseFacts, setting: Setting = Setting()
) -> Finding:
    """The finding for two processes that differ, with the call that did it where one can be
    proved."""
    guilty = _guilty(runs, setting.workers)
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


def _guilty(runs: Runs, workers: int) -> Sequence[Source]:
    """The one call that makes two fits equal when it is held still; all of them if it takes all."""
    sources = runs.traced(workers=workers).sources
    candidates = sorted(sources, key=_suspicion)[:CANDIDATES]
    if len(candidates) > 1 and not _equal_with(candidates, runs, workers):
        return ()
    for source in candidates:
        if _equal_with([source], runs, workers):
            return [source]
    return candidates if len(candidates) > 1 else ()


def _suspicion(source: Source) -> int:
    """Generators are there to decide something; clocks are looked at for many reasons."""
    return 1 if source.call.startswith(("time.", "datetime.")) else 0


def _equal_with(held: Sequence[Source], runs: Runs, workers: int) -> bool:
    keys = tuple(sorted(source.key for source in held))
    one, other = (runs.traced(keys, attempt, workers).fit for attempt in (1, 2))
    if one is None or other is None or one.error is not None or other.error is not None:
        return False
    return first_divergence(one, other) is None
