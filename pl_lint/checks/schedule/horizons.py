"""One scheduler in two fits of different lengths: what does its horizon, or its curve, follow?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pl_lint.checks.schedule.curves import alike, are_stretched, end_together
from pl_lint.facts.events import SchedulerState
from pl_lint.facts.records import FitRecord
from pl_lint.facts.training import Overfitting

STEPPED_EACH = {"step": "steps", "epoch": "epochs"}


@dataclass(frozen=True)
class Horizons:
    """One scheduler in two fits of different lengths."""

    state: SchedulerState
    fit: FitRecord
    longer: Overfitting
    index: int

    @property
    def counts(self) -> str:
        """What the horizon follows, the steps of a fit or its epochs; nothing where it is the same
        in both, or was not seen in the other.

        In proportion, since a warm restart may come every fifth epoch: then to the steps or to the
        batches of an epoch; or with what is left of the steps after a warm-up."""
        here, there = self.state.horizon, self._there()
        if here is None:
            return next(iter(self._followed()), "")
        if not here or there is None or here == there:
            return ""
        steps, batches = self.fit.estimated_steps or 0, self._batches()
        if here == there * self.fit.epochs_planned:
            return "epochs"
        if here == self.fit.training.batches != steps and there == self.longer.steps:
            return "batches"  # that fit makes a step of every batch
        proportional = any(here * self.longer.steps == there * each for each in (steps, batches))
        return "steps" if proportional or there - here == self.longer.steps - steps else ""

    @property
    def measured(self) -> SchedulerState:
        """The scheduler with the horizon that its curve has, where no number says it."""
        if self.state.horizon is not None or not self.counts:
            return self.state
        return replace(self.state, horizon=self._followed()[self.counts])

    @property
    def is_free(self) -> bool:
        """Whether its curve is the same in both fits, whatever their length."""
        curve = self._curve_there()
        return bool(self.state.curve and curve) and alike(self.state.curve, curve)

    def _followed(self) -> dict[str, int]:
        """What its curve is as long as, and how many of those this fit has; nothing where more
        than one would do."""
        if not self.state.curve or self.is_free:
            return {}
        steps, batches = int(self.fit.estimated_steps or 0), self.fit.training.batches
        found = {"steps": steps} if self._is_as_long_as(steps) else {}
        if not found and self._is_as_long_as(self._batches()):
            found["steps"] = self._batches()
        if batches != steps and self._is_as_long_as(batches):
            found["batches"] = batches
        # Two epochs and one are too few for an end to be no coincidence.
        lengths = (self.fit.epochs_planned, 1)
        if are_stretched(self.state.curve, self._curve_there(), lengths):
            found["epochs"] = self.fit.epochs_planned
        return found if len(found) == 1 else {}

    def _is_as_long_as(self, length: int) -> bool:
        curves, lengths = (self.state.curve, self._curve_there()), (length, self.longer.steps)
        return length > 0 and (end_together(*curves, lengths) or are_stretched(*curves, lengths))

    def _curve_there(self) -> Sequence[float]:
        known = self.longer.curves[self.index : self.index + 1]
        return next((curve for name, curve in known if name == self.state.name), ())

    @property
    def stepped(self) -> str:
        """What it was stepped after."""
        if self.state.stepped == self.fit.epochs_planned:
            return "epochs"
        return "steps" if self.state.stepped == self.fit.estimated_steps else ""

    @property
    def skips(self) -> bool:
        """Whether it was made for every one of the intervals that it follows, and Lightning steps
        it after some of them only (``frequency``)."""
        length = {"steps": self.fit.estimated_steps, "epochs": self.fit.epochs_planned}
        interval = STEPPED_EACH.get(self.state.interval, "")
        stepped = self.state.stepped == self.state.by_lightning
        exact = self.measured.horizon == length.get(interval)
        return self.state.frequency > 1 and interval == self.counts and exact and stepped

    def _there(self) -> int | None:
        known = self.longer.horizons[self.index : self.index + 1]
        return next((length for name, length in known if name == self.state.name), None)

    def _batches(self) -> int:
        return self.fit.training.batches // max(1, self.fit.epochs_run)
