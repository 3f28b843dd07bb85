"""What the formulas speak of: a value that moved, and a mistake that explains it."""

from __future__ import annotations

from dataclasses import dataclass

from pl_lint.checks.values.lines import deciding
from pl_lint.checks.values.numbers import tolerance, weighted_mean
from pl_lint.facts.events import EvaluationPass, LogEvent, Replay

DECLARE = '@pl_lint.case(batch_dependent={"KEY": "why"})'
"""How a case says that a value is made inside the batch, as that of a contrastive loss is."""


@dataclass(frozen=True)
class Cause:
    """A mistake that explains a number: its code, the formula in words, what to write instead."""

    code: str
    formula: str
    remedy: str
    counts: bool = True


@dataclass(frozen=True)
class Moved:
    """A value that changed with the way the same samples were cut into batches. ``ones`` is what it
    was in batches of one, ``but_one`` with all samples but the last in the first of two batches."""

    name: str
    logged: float
    true: float
    cut: EvaluationPass
    whole: EvaluationPass
    ones: float | None
    but_one: float | None = None

    @property
    def events(self) -> tuple[LogEvent, ...]:
        return deciding(self.cut.events, self.name)

    @property
    def steps(self) -> list[LogEvent]:
        """The values logged per batch, with the number of samples counted by the kit."""
        return [e for e in self.events if e.batch >= 0 and e.value is not None and e.samples]

    @property
    def close(self) -> float:
        """How close a formula must come: a tenth of what there is to explain, at most."""
        return min(tolerance(self.true) * 5, abs(self.logged - self.true) / 10)

    @property
    def replay(self) -> Replay | None:
        return next((r for r in self.cut.replays if r.name == self.name), None)

    def means(self) -> tuple[float, float]:
        """The mean of the step values by counted samples, and by the weights Lightning used."""
        values = [event.value or 0.0 for event in self.steps]
        counted = weighted_mean(values, [event.samples or 0 for event in self.steps])
        used = weighted_mean(values, [event.weight or 0.0 for event in self.steps])
        return counted, used
