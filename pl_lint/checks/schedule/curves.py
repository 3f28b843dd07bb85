"""What a schedule's curve follows, where no number says it: it is measured in two fits."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

SHAPE = 3
"""So many different rates, at the same shares of two fits, are a curve and no coincidence."""


def alike(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether two curves are the same, as far as both of them go: no fit's length is in them."""
    return all(map(_close, one, other))


def end_together(one: Sequence[float], other: Sequence[float], lengths: tuple[int, int]) -> bool:
    """Whether each curve ends where its fit does, or a step beside it: some count to ``n - 1``."""
    first, second = lengths
    early = {end - first for end in _ends(one)}
    late = {end - second for end in _ends(other)}
    return first != second and bool(early & late & {-1, 0, 1})


def are_stretched(one: Sequence[float], other: Sequence[float], lengths: tuple[int, int]) -> bool:
    """Whether they are one curve, stretched from one length to the other."""
    common = math.gcd(*lengths)
    here, there = (length // common for length in lengths)
    pairs = list(zip(one[::here], other[::there], strict=False))
    shape = {round(rate, 9) for rate, _ in pairs}
    return here != there and len(shape) >= SHAPE and all(_close(a, b) for a, b in pairs)


def _ends(rates: Sequence[float]) -> Iterator[int]:
    """Where a curve becomes constant, and where it first rises again after it fell."""
    if settled := _settled(rates):
        yield settled
    moves = enumerate(itertools.pairwise(itertools.pairwise(rates)), 1)
    yield from itertools.islice((at for at, ((a, b), (_, c)) in moves if a > b < c), 1)


def _settled(rates: Sequence[float]) -> int:
    """The first step of its constant end, if that is a third of it; else 0."""
    start = len(rates)
    while start and _close(rates[start - 1], rates[-1]):
        start -= 1
    return start if 3 * (len(rates) - start) >= len(rates) else 0


def _close(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=1e-6, abs_tol=1e-12)
