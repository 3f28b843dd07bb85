"""Why ranks log another value than one process: the formulas of what is known to go wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pl_lint.checks.logged_values.reporting import STAGE_WORDS
from pl_lint.checks.proving import found
from pl_lint.checks.sync_dist.crashed_ranks import in_words
from pl_lint.checks.sync_dist.script import shared
from pl_lint.checks.values.lines import deciding, line_of
from pl_lint.checks.values.numbers import same, shown, sizes_in_words
from pl_lint.checks.values.randomness import why_tolerance
from pl_lint.facts.events import CaseFacts, LogEvent
from pl_lint.findings import Evidence, Finding


@dataclass(frozen=True)
class RankedValue:
    """One key: what each rank that speaks for it logged, what each rank's samples alone would give,
    and the truth."""

    stage: str
    name: str
    logged: tuple[float | None, ...]
    ranks: int
    parts: tuple[float, ...]
    true: float
    within: float
    world: str
    events: Sequence[LogEvent]
    sizes: tuple[int, ...] = ()
    """Of the batches of each rank."""

    @property
    def right(self) -> bool:
        return self.all_are(self.true)

    def all_are(self, number: float) -> bool:
        return all(v is not None and same(v, number, self.within) for v in self.logged)

    def evidence(self) -> Evidence:
        wrong = (v for v in self.logged if v is not None and not same(v, self.true, self.within))
        first = next(wrong, self.logged[0])
        return Evidence(
            key=self.name,
            logged=self.true if first is None else first,
            true=self.true,
            tolerance=self.within,
            world=self.world,
            how=f"{STAGE_WORDS[self.stage]} on {in_words(self.ranks)} ranks, each with other "
            f"{sizes_in_words(self.sizes)}; the truth is one process with all "
            f"{sum(self.sizes) * self.ranks} of them",
        )


def finding_of(value: RankedValue, case: CaseFacts) -> Finding:
    code, cause, remedy = _cause(value)
    values = " and ".join("nothing" if v is None else shown(v) for v in value.logged)
    several, because = len(value.logged) > 1, why_tolerance(case, value.name)
    where = f"{in_words(value.ranks)} ranks" if several else "rank 0, which logs it for all"
    evidence = value.evidence()
    wrong = not same(evidence.logged, value.true, value.within)
    text = f"{value.name!r} was logged as {values} on {where}, the truth is {shown(value.true)}"
    text, place = f"{text}: {cause}", line_of(value.events, value.name, case)
    proof = (replace(evidence, cause=cause, because=because),) if wrong else ()
    script = shared(case.building, text, value.stage, value.name, value.ranks)
    return found(case, code, text, remedy, place, proof, script=script)


def _cause(value: RankedValue) -> tuple[str, str, str]:
    """The code, the formula in words and the remedy of what the ranks logged."""
    calls = deciding(value.events, value.name)
    at_epoch_end = any(event.batch < 0 for event in calls)
    logged = [number for number in value.logged if number is not None]
    if len(logged) < len(value.logged):
        return _missing(value, logged)
    within, mean = value.within, sum(value.parts) / len(value.parts)
    if len(logged) == 1 and same(logged[0], value.parts[0], within):
        return "LTN106", "the value of that rank's own samples", _GATHER
    if all(same(v, part, within) for v, part in zip(logged, value.parts, strict=False)):
        if at_epoch_end:
            return "LTN211", "each rank logs the value of its own samples", _GATHER
        remedy = _SYNC.format(name=value.name)
        return "LTN106", "each rank logs the mean of its own samples", remedy
    if value.all_are(mean):  # in a step or at an epoch's end, of a list or not: one mistake
        return "LTN109", f"the mean of the ranks' own values is {shown(mean)}", _GATHER
    if value.ranks > 2:
        cause = f"two ranks log the truth, and {in_words(value.ranks)} do not"
        return "sync-dist", cause, "do not count on there being two ranks"
    return "LTN100", "no known mistake reproduces these numbers", _GATHER


def _missing(value: RankedValue, logged: Sequence[float]) -> tuple[str, str, str]:
    """A key that some rank has not; with rank zero's alone, the callbacks of the others miss it."""
    if not logged:
        return "sync-dist", "none of them logs it", "log the same keys on every rank"
    code = "LTN111" if value.logged[0] is not None and len(logged) == 1 else "LTN110"
    remedy = (
        f"log {value.name!r} on every rank, from gathered values; behind a guard and with "
        "rank_zero_only=True only if no checkpoint, early stopping or scheduler asks for it"
    )
    return code, "one rank logs it and another does not", remedy


_SYNC = "self.log({name!r}, ..., sync_dist=True)"
_GATHER = (
    "keep the samples in a torchmetrics object, which gathers them from all ranks, or gather them "
    "with self.all_gather(...).flatten(0, 1) before computing"
)
