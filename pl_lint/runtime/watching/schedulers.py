"""Learning rate schedulers as Lightning runs them: who steps them, and how long they think it
takes."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch
from weakref import WeakKeyDictionary

from torch.optim.lr_scheduler import LRScheduler

from pl_lint.facts.events import SchedulerState
from pl_lint.findings import Location
from pl_lint.runtime.watching.callsite import caller

Places = WeakKeyDictionary[LRScheduler, Location]
# Where schedulers keep the number of steps after which they are done (torch.optim.lr_scheduler).
_HORIZONS = ("total_steps", "T_max", "total_iters")
# Where the closures of LambdaLR schedules keep it (transformers.optimization).
_CLOSURE_HORIZONS = ("num_training_steps", "total_steps", "max_steps", "t_total")


@contextmanager
def placed_schedulers() -> Iterator[Places]:
    """Remember the line of the user's code that made each scheduler.

    Beside the schedulers, not in them: their attributes go into checkpoints.
    """
    places: Places = WeakKeyDictionary()
    original = LRScheduler.__init__

    @functools.wraps(original)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        places.setdefault(self, caller())
        original(self, *args, **kwargs)

    with patch.object(LRScheduler, "__init__", __init__):
        yield places


def scheduler_states(trainer: Any, places: Places) -> tuple[SchedulerState, ...]:
    configs = getattr(trainer.strategy, "lr_scheduler_configs", [])
    return tuple(_state(config, places) for config in configs)


def _state(config: Any, places: Places) -> SchedulerState:
    scheduler = config.scheduler
    return SchedulerState(
        name=type(scheduler).__name__,
        horizon=_horizon(scheduler),
        stepped=int(scheduler.last_epoch),
        location=places.get(scheduler),
    )


def _horizon(scheduler: Any) -> int | None:
    """The number of ``step()`` calls the schedule is made for, where it says so."""
    for name in _HORIZONS:
        value = getattr(scheduler, name, None)
        if isinstance(value, (int, float)):
            return int(value)
    parts = getattr(scheduler, "_schedulers", ())  # SequentialLR, ChainedScheduler
    inner = [horizon for part in parts if (horizon := _horizon(part)) is not None]
    return sum(inner) if inner else _closure_horizon(scheduler)


def _closure_horizon(scheduler: Any) -> int | None:
    for function in getattr(scheduler, "lr_lambdas", ()):
        names = dict(getattr(function, "keywords", None) or {})
        code, cells = getattr(function, "__code__", None), getattr(function, "__closure__", None)
        if code is not None and cells:
            names.update(zip(code.co_freevars, (cell.cell_contents for cell in cells), strict=True))
        for name in _CLOSURE_HORIZONS:
            if isinstance(names.get(name), (int, float)):
                return int(names[name])
    return None
