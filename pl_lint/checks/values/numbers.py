"""When are two logged numbers the same? Tolerances, weighted means, and words for differences."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

RELATIVE = 2e-5
"""Right values move by at most 1.2e-7 under re-batching in fp32, wrong ones by 1e-3 and more
(measured on 50 samples); this leaves room for large models on both sides."""
ABSOLUTE = 1e-6
FLOAT32 = (
    f"{RELATIVE:g} of the largest value averaged, and {ABSOLUTE:g}: what float32 sums may be off"
)
"""Why a tolerance is as large as it is."""
POWER = 10.0
"""A mistake could have shown if its own formula is this many tolerances away from the truth."""


def tolerance(true: float, values: Iterable[float] = (), relative: float = RELATIVE) -> float:
    """The absolute difference up to which a value counts as the truth. ``values`` are the numbers
    that it was averaged from: their size decides how much float32 sums may be off."""
    scale = max([abs(true), *(abs(value) for value in values if math.isfinite(value))])
    return relative * scale + ABSOLUTE


def same(one: float, other: float, within: float) -> bool:
    """Equal within a tolerance. NaN is equal to NaN, and infinities to themselves."""
    if math.isnan(one) or math.isnan(other):
        return math.isnan(one) and math.isnan(other)
    return one == other or abs(one - other) <= within


def far(one: float, other: float, within: float) -> bool:
    """Different by so much that no rounding explains it."""
    return not same(one, other, POWER * within)


def weighted_mean(values: Sequence[float], weights: Sequence[float]) -> float:
    """Σ wᵢvᵢ / Σ wᵢ, NaN where the weights sum to nothing."""
    total = sum(weights)
    if not total:
        return math.nan
    return sum(v * w for v, w in zip(values, weights, strict=True)) / total


def shown(value: float) -> str:
    return f"{value:.6g}"


def sizes_in_words(sizes: Sequence[int]) -> str:
    """``(16, 16, 15)`` as "47 samples in batches of 16, 16, 15"; long lists are cut short."""
    if len(sizes) == 1:
        return f"{sizes[0]} sample{'s' * (sizes[0] != 1)} in one batch"
    listed = [str(size) for size in sizes]
    if len(listed) > 5:
        listed = [*listed[:3], "…", listed[-1]]
    return f"{sum(sizes)} samples in batches of {', '.join(listed)}"


def in_batches(sizes: Sequence[int]) -> str:
    """The same to go on a sentence with; nothing where they were not counted."""
    return f", {sizes_in_words(sizes)}" if sizes else ""
