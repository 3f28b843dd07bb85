"""Measuring linearity: what a metric says of batches against what it says of all samples.

The data is made to expose: class frequencies differ from stretch to stretch of the samples, so that
a batch often lacks a class, and batches are uneven, down to two samples.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

Maker = Callable[[torch.Generator], Sequence[Any]]
Value = Callable[[Sequence[Any]], Tensor]

EXACT = 2e-6
"""Above float32 rounding of these sums (measured: at most 5e-7), far below any real gap."""
CLASSES = 3
SAMPLES = 24
SPLITS = ((10, 10, 4), (2, 9, 13), (5, 5, 5, 5, 4), (16, 8))


def _drifting(generator: torch.Generator, shape: tuple[int, ...]) -> Tensor:
    """Numbers in (0, 1) whose mean drifts along the samples."""
    drift = torch.linspace(0.1, 0.9, SAMPLES).reshape(-1, *[1] * (len(shape) - 1))
    noise = torch.rand(shape, generator=generator)
    return (0.5 * noise + 0.5 * drift).clamp(0.01, 0.99)


def binary(generator: torch.Generator) -> Sequence[Any]:
    target = (_drifting(generator, (SAMPLES,)) > 0.5).long()
    return torch.rand(SAMPLES, generator=generator), target


def multiclass(generator: torch.Generator) -> Sequence[Any]:
    target = (_drifting(generator, (SAMPLES,)) * CLASSES).long()
    logits = torch.randn(SAMPLES, CLASSES, generator=generator)
    logits[torch.arange(SAMPLES), target] += 0.7
    return logits.softmax(1), target


def labels(generator: torch.Generator) -> Sequence[Any]:
    preds, target = multiclass(generator)
    return preds.argmax(1), target


def grids(generator: torch.Generator) -> Sequence[Any]:
    """Class ids of shape (samples, 4): several places to get right in each sample."""
    target = (_drifting(generator, (SAMPLES, 4)) * CLASSES).long()
    wrong = torch.rand(SAMPLES, 4, generator=generator) > 0.8
    return torch.where(wrong, (target + 1) % CLASSES, target), target


def multilabel(generator: torch.Generator) -> Sequence[Any]:
    target = (_drifting(generator, (SAMPLES, CLASSES)) > 0.5).long()
    return torch.rand(SAMPLES, CLASSES, generator=generator), target


def regression(generator: torch.Generator) -> Sequence[Any]:
    target = _drifting(generator, (SAMPLES,)) * 3
    return (target + torch.randn(SAMPLES, generator=generator) * 0.3).clamp(0.05), target


def ensemble(generator: torch.Generator) -> Sequence[Any]:
    preds, target = regression(generator)
    return preds[:, None] + 0.1 * torch.randn(SAMPLES, 4, generator=generator), target


def vectors(generator: torch.Generator) -> Sequence[Any]:
    first, second = _drifting(generator, (SAMPLES, 4)), torch.rand(SAMPLES, 4, generator=generator)
    return first, second


def distributions(generator: torch.Generator) -> Sequence[Any]:
    first, second = vectors(generator)
    return first / first.sum(1, keepdim=True), second / second.sum(1, keepdim=True)


def points(generator: torch.Generator) -> Sequence[Any]:
    return tuple(torch.rand(SAMPLES, 6, 2, generator=generator) for _ in range(2))


def signals(generator: torch.Generator) -> Sequence[Any]:
    target = torch.randn(SAMPLES, 40, generator=generator)
    noise = torch.randn(SAMPLES, 40, generator=generator) * _drifting(generator, (SAMPLES, 1))
    return target + noise, target


def images(generator: torch.Generator) -> Sequence[Any]:
    target = _drifting(generator, (SAMPLES, 3, 16, 16))
    noise = torch.randn(target.shape, generator=generator) * _drifting(
        generator, (SAMPLES, 1, 1, 1)
    )
    return (target + 0.2 * noise).clamp(0, 1), target


def pictures(generator: torch.Generator) -> Sequence[Any]:
    return images(generator)[:1]


def masks(generator: torch.Generator) -> Sequence[Any]:
    """Class ids of shape (samples, 4, 4)."""
    target = (_drifting(generator, (SAMPLES, 4, 4)) * CLASSES).long()
    wrong = torch.rand(target.shape, generator=generator) > 0.7
    return torch.where(wrong, (target + 1) % CLASSES, target), target


def sentences(generator: torch.Generator) -> Sequence[Any]:
    """Pairs of word sequences of very different lengths."""
    choose = random.Random(int(torch.randint(1 << 30, (1,), generator=generator)))
    words = ["a", "cat", "sat", "on", "the", "mat", "today", "again"]
    target = [[choose.choice(words) for _ in range(choose.randint(4, 15))] for _ in range(SAMPLES)]
    preds = [[w if choose.random() > 0.3 else choose.choice(words) for w in one] for one in target]
    return [" ".join(one) for one in preds], [" ".join(one) for one in target]


def references(generator: torch.Generator) -> Sequence[Any]:
    preds, target = sentences(generator)
    return preds, [[one] for one in target]


def tokens(generator: torch.Generator) -> Sequence[Any]:
    logits = torch.randn(SAMPLES, 5, CLASSES, generator=generator)
    return logits, torch.randint(CLASSES, (SAMPLES, 5), generator=generator)


def queries(generator: torch.Generator) -> Sequence[Any]:
    """Scores, relevance and query numbers: queries of different sizes, kept in order."""
    preds, target = binary(generator)
    indexes = torch.randint(5, (SAMPLES,), generator=generator).sort().values
    return preds, target, indexes


def rankings(generator: torch.Generator) -> Sequence[Any]:
    """The same with one query in each row, so that no batch cuts one."""
    candidates = 6
    preds = _drifting(generator, (SAMPLES, candidates))
    target = torch.randint(2, (SAMPLES, candidates), generator=generator)
    return preds, target, torch.arange(SAMPLES).unsqueeze(1).expand(-1, candidates)


def numbers(generator: torch.Generator) -> Sequence[Any]:
    return (_drifting(generator, (SAMPLES,)),)


def batch(data: Sequence[Any], start: int, stop: int) -> list[Any]:
    return [column[start:stop] for column in data]


def gaps(
    value: Callable[[Sequence[Any]], Tensor],
    make: Callable[[torch.Generator], Sequence[Any]],
    seeds: int,
) -> Iterator[float]:
    """The gaps, relative where values are large, between all samples and the mean over batches.

    A gap is NaN where the metric cannot be computed on some batch.
    """
    for seed in range(seeds):
        data = make(torch.Generator().manual_seed(seed))
        whole = value(data)
        for sizes in SPLITS:
            difference = (whole - _weighted_mean(value, data, sizes)).abs()
            yield float((difference / whole.abs().clamp(min=1)).max())


def _weighted_mean(
    value: Callable[[Sequence[Any]], Tensor], data: Sequence[Any], sizes: tuple[int, ...]
) -> Tensor:
    start, total = 0, torch.tensor(0.0)
    for size in sizes:
        total = total + value(batch(data, start, start + size)) * size
        start += size
    return total / start


def nan_if_impossible(value: Value) -> Value:
    """Some metrics raise on a batch that lacks a class. That is no agreement and no difference."""

    def guarded(columns: Sequence[Any]) -> torch.Tensor:
        try:
            return value(columns)
        except (RuntimeError, ValueError):
            return torch.tensor(math.nan)

    return guarded
