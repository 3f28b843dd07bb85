"""Which schedulers make the next rate of the one in use, asked of the installed torch."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator

import pytest
import torch
from torch.optim import SGD, Optimizer
from torch.optim import lr_scheduler as schedulers

from pl_lint.facts.rates import OF_TORCH, RECURSIVE, is_recursive

MADE: dict[str, Callable[[Optimizer], schedulers.LRScheduler]] = {
    "StepLR": lambda optimizer: schedulers.StepLR(optimizer, 3),
    "MultiStepLR": lambda optimizer: schedulers.MultiStepLR(optimizer, [3, 6]),
    "MultiplicativeLR": lambda optimizer: schedulers.MultiplicativeLR(optimizer, lambda _: 0.9),
    "ExponentialLR": lambda optimizer: schedulers.ExponentialLR(optimizer, 0.9),
    "PolynomialLR": lambda optimizer: schedulers.PolynomialLR(optimizer, 10, 2),
    "ConstantLR": lambda optimizer: schedulers.ConstantLR(optimizer, 0.3, 5),
    "LinearLR": lambda optimizer: schedulers.LinearLR(optimizer, 0.3, 1, 5),
    "CosineAnnealingLR": lambda optimizer: schedulers.CosineAnnealingLR(optimizer, 10),
    "LambdaLR": lambda optimizer: schedulers.LambdaLR(optimizer, lambda epoch: 0.9**epoch),
    "OneCycleLR": lambda optimizer: schedulers.OneCycleLR(optimizer, 1.0, total_steps=30),
    "CyclicLR": lambda optimizer: schedulers.CyclicLR(optimizer, 0.1, 1, cycle_momentum=False),
    "CosineAnnealingWarmRestarts": lambda optimizer: schedulers.CosineAnnealingWarmRestarts(
        optimizer, 5
    ),
}


@pytest.mark.parametrize("name", MADE)
def test_what_get_lr_gives_between_steps(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        apart = any(asked != used for asked, used in _rates(MADE[name]))
    assert apart is is_recursive(f"{OF_TORCH}{name}")


def test_all_are_tried() -> None:
    assert MADE.keys() >= RECURSIVE


def _rates(
    make: Callable[[Optimizer], schedulers.LRScheduler],
) -> Iterator[tuple[object, object]]:
    optimizer = SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = make(optimizer)
    for _ in range(8):
        optimizer.step()
        scheduler.step()
        used = optimizer.param_groups[0]["lr"]
        yield pytest.approx(scheduler.get_lr()[0]), used
