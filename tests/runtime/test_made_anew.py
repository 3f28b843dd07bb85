"""Generators that are made for each sample: with one seed for all of them, or not."""

from __future__ import annotations

import functools
import random
from collections.abc import Callable

import numpy
import pytest
import torch

from pl_lint.runtime.watching.repeated.anew import made_anew

SAMPLES = torch.arange(20.0).reshape(4, 5) ** 2


def by_numpy(index: int) -> torch.Tensor:
    return SAMPLES[index] + torch.from_numpy(numpy.random.RandomState(42).normal(size=5))


def by_torch(index: int) -> dict[str, torch.Tensor]:
    noise = torch.randn(5, generator=torch.Generator().manual_seed(3))
    return {"x": SAMPLES[index] + noise, "y": SAMPLES[index].sum()}


def by_python(index: int) -> tuple[torch.Tensor, int]:
    return SAMPLES[index] + random.Random(7).gauss(0, 1), index


def in_numpy(index: int) -> numpy.ndarray:
    numpy.random.seed(seed=5)
    return SAMPLES[index].numpy() + numpy.random.normal()


@pytest.mark.parametrize("fetch", [by_numpy, by_torch, by_python, in_numpy])
def test_noise_that_is_the_same_for_all_samples_is_added(fetch: Callable[[int], object]) -> None:
    [made] = made_anew(fetch, range(4))
    assert made.added
    assert made.location.path == __file__


def permuted(index: int) -> torch.Tensor:
    return SAMPLES[index][numpy.random.default_rng(0).permutation(5)]


def dummy(index: int) -> torch.Tensor:
    return torch.rand(5, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("fetch", [permuted, dummy])
def test_what_may_be_meant_is_told_apart(fetch: Callable[[int], object]) -> None:
    [made] = made_anew(fetch, range(4))
    assert not made.added


def by_index(index: int) -> torch.Tensor:
    return SAMPLES[index] + torch.randn(5, generator=torch.Generator().manual_seed(index))


def unused(index: int) -> torch.Tensor:
    numpy.random.RandomState(42)
    return SAMPLES[index]


def never(index: int) -> torch.Tensor:
    return SAMPLES[index]


@pytest.mark.parametrize("fetch", [by_index, unused, never, functools.cache(by_numpy)])
def test_other_seeds_and_unused_ones_are_nothing(fetch: Callable[[int], object]) -> None:
    assert made_anew(fetch, range(4)) == ()
