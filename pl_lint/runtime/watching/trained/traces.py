"""What a schedule makes of a learning rate when it is left alone, over any number of steps."""

from __future__ import annotations

import copy
import itertools
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch.optim.lr_scheduler import LRScheduler

LONGEST = 5000
"""Longer schedules are not simulated."""
_SMALL = 1e-9


@dataclass
class Twin:
    """A copy of a scheduler that steps an optimizer of nothing."""

    scheduler: LRScheduler
    optimizer: torch.optim.Optimizer
    _rates: list[tuple[float, ...]] = field(default_factory=list)
    _broken: bool = False

    def rates(self, count: int) -> Sequence[float]:
        """The learning rate at each of so many steps; nothing where it cannot be told."""
        self._step_to(count)
        return [first for first, *_ in self._rates[:count]] if len(self._rates) >= count else ()

    def curve(self, count: int) -> tuple[float, ...]:
        """The rates of all groups together, as far as they can be told."""
        self._step_to(count)
        return tuple(map(sum, self._rates[:count]))

    def _step_to(self, count: int) -> None:
        if self._broken or not 0 < count <= LONGEST:
            return
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # it is stepped without its optimizer
                while len(self._rates) < count:
                    if self._rates:
                        self.scheduler.step()
                    groups = self.optimizer.param_groups
                    self._rates.append(tuple(float(group["lr"]) for group in groups))
        except Exception:  # a schedule of the user's own may need more than its optimizer
            self._broken = True


def twin_of(scheduler: LRScheduler) -> Twin | None:
    """None where the schedule is bound to something too large to copy, or that cannot be copied."""
    if any(isinstance(value, torch.nn.Module) for value in vars(scheduler).values()):
        return None
    real = scheduler.optimizer
    groups = [{**group, "params": [torch.zeros(1)]} for group in real.param_groups]
    nothing = torch.optim.SGD(groups, lr=0.0, momentum=0.0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return Twin(copy.deepcopy(scheduler, {id(real): nothing}), nothing)
    except Exception:  # it holds a generator, a lock, a file
        return None


def turns(rates: Sequence[float]) -> int:
    """How often a rate that was falling rises again."""
    moves = [b - a for a, b in itertools.pairwise(rates) if abs(b - a) > _SMALL * abs(a)]
    return sum(before < 0 < after for before, after in itertools.pairwise(moves))
