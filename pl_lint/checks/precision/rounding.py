"""How far a value may move when a module computes in half precision, and no further."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pl_lint.checks.values.lines import deciding
from pl_lint.facts.events import HALF, USUAL, CaseFacts, EvaluationPass

STEPS = 16
"""How many roundings in a row may all go the same way. With bf16 this allows 6 %: a sum over
47 samples and a few layers stays far below, a lost term or a stalled counter is far above."""
SHAKEN = 8
"""How many roundings a weight may be off, up or down. A few layers round their weights, inputs and
outputs a few times each, all by halves and hardly ever the same way: that is well below."""
SQUARED = 4
"""Predictions of the order of one that are a few roundings off make a squared error of as many
roundings, squared (2.4e-4 with bf16, 4e-6 with fp16), however small the error is in fp32."""
DECISIONS = ("Binary", "Multiclass", "Multilabel", "Retrieval")
"""How torchmetrics names the metrics of decisions: one that tips over moves them by a jump."""


@dataclass(frozen=True)
class Truth:
    """A value that fp32 logs, and in which unit half precision may move it.

    ``scale`` is the size of what it was made of, ``jump`` how far a value that counts decisions
    moves when one sample is decided otherwise, and ``declared`` what the case allows.
    """

    value: float
    scale: float
    jump: float = 0.0
    declared: float = 0.0

    def bound(self, epsilon: float) -> float:
        """The widest of what rounding explains: roundings in a row, a squared error, and, for a
        small sum of numbers of the order of one (a bias), one rounding of these, as long as the
        value keeps more than half of its size: a value that is gone was lost, not rounded."""
        cancelled = min(epsilon, self.scale / 2)
        rounded = max(STEPS * epsilon * self.scale, (SQUARED * epsilon) ** 2, cancelled)
        return max(rounded + 2 * self.jump, self.declared * self.scale)


def truth(name: str, passes: Mapping[str, EvaluationPass], case: CaseFacts) -> Truth:
    """What fp32 says of a key, from the evaluations of the same samples in different cuts."""
    usual, half = passes[USUAL], passes.get(HALF)
    value = usual.values[name]
    calls = [(e.value, e.samples) for e in deciding(usual.events, name)]
    parts = [part for part, _ in calls if part is not None and math.isfinite(part)]
    scale = max(abs(value), *map(abs, parts), 0.0)
    if half is not None and math.isfinite(half.values.get(name, math.nan)):
        # A mean that nearly cancels is made of larger numbers: it moves from sample to sample.
        scale = max(scale, abs(half.values[name] - value))
    samples = sum(usual.batching.sizes) or 1
    sized = [(part, size) for part, size in calls if part is not None and size]
    counts = _is_ratio(value, samples) or (
        len(sized) > 1 and all(_is_ratio(part, size) for part, size in sized)
    )
    if _of_decisions(name, usual):
        counts, scale = True, max(scale, 1.0)  # of a rare class, few samples are many per cent
    jump = 1 / samples if counts else 0.0
    return Truth(value, scale, jump, case.tolerances.get(name, 0.0))


def _is_ratio(value: float, samples: int) -> bool:
    """Whether a value counts samples: k/n as an accuracy does, or k/m with m up to 2n as a
    precision (of those predicted) or an F1 (of both predicted and true) does."""
    if value == 0 or not math.isfinite(value):
        return value == 0
    products = (abs(value) * whole for whole in range(1, 2 * samples + 1))
    return any(round(p) and abs(p - round(p)) < 3e-7 * max(1.0, p) for p in products)


def _of_decisions(name: str, done: EvaluationPass) -> bool:
    return any(r.name == name and r.metric_class.startswith(DECISIONS) for r in done.replays)


def not_finite(passes: Sequence[EvaluationPass]) -> set[str]:
    """The keys that some evaluation in fp32 logs as NaN or Inf."""
    values = {name for done in passes for name, v in done.values.items() if not math.isfinite(v)}
    events = (event for done in passes for event in done.events)
    return values | {e.name for e in events if e.value is not None and not math.isfinite(e.value)}
