"""Learning rate schedulers as Lightning runs them: who steps them, and how long they think it
takes."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch
from weakref import WeakKeyDictionary

from torch.optim.lr_scheduler import LRScheduler, OneCycleLR

from pl_lint.facts.events import SchedulerState
from pl_lint.facts.training import quarters
from pl_lint.findings import Location
from pl_lint.runtime.namespace import Namespace
from pl_lint.runtime.watching.callsite import caller
from pl_lint.runtime.watching.trained.methods import mentioning
from pl_lint.runtime.watching.trained.traces import Twin, turns, twin_of

# Where schedulers keep the number of steps after which they are done (torch.optim.lr_scheduler).
_HORIZONS = ("total_steps", "T_max", "total_iters", "T_0")
# Where those of other libraries and of users do. They count what they are stepped after, whatever
# they are called: LightningBolts and lightly say max_epochs.
_OWN_HORIZONS = ("num_training_steps", "max_steps", "max_iters", "max_epochs", "num_epochs")
# Where the closures of LambdaLR schedules keep it (transformers.optimization).
_CLOSURE_HORIZONS = ("num_training_steps", "total_steps", "max_steps", "t_total")
# What Lightning reads of the dict that configure_optimizers returns (core/optimizer.py).
_KNOWN_KEYS = ("optimizer", "lr_scheduler", "monitor")
_LEAST_BATCHES = 8
"""So many batches in the user's own epoch tell a number of steps from one of epochs."""


@dataclass
class OwnPlan:
    """How long the user's own training is, as far as the case says so, or a script (``place``)."""

    epochs: int | None = None
    place: str = ""
    accumulated: int = 1
    batches: int | None = None

    def note(self, loaders: Any) -> Any:
        """Pass the training loader through, and note how long it is before it is shortened."""
        try:
            self.batches = len(loaders)
        except TypeError:  # several loaders, or a stream
            self.batches = None
        return loaders

    def steps(self, epochs: int) -> int | None:
        if self.batches is None or self.batches < _LEAST_BATCHES:
            return None
        return epochs * -(-self.batches // self.accumulated)

    def calls(self, interval: str, frequency: int) -> int | None:
        """How often the user's own training steps a scheduler."""
        if self.epochs is None or interval not in ("step", "epoch"):
            return None
        intervals = self.steps(self.epochs) if interval == "step" else self.epochs
        return None if intervals is None else intervals // frequency


@dataclass
class ScheduleDiary:
    """The schedulers of one fit: where each was made, what was returned, who stepped it."""

    namespace: Namespace
    module: Any
    plan: OwnPlan = field(default_factory=OwnPlan)
    places: WeakKeyDictionary[LRScheduler, Location] = field(default_factory=WeakKeyDictionary)
    in_steps: WeakKeyDictionary[LRScheduler, str] = field(default_factory=WeakKeyDictionary)
    returned: list[LRScheduler] = field(default_factory=list)
    dropped_keys: tuple[str, ...] = ()
    calls: dict[int, int] = field(default_factory=dict)
    alone: dict[int, Twin | None] = field(default_factory=dict)

    @contextmanager
    def watching(self) -> Iterator[None]:
        house = self.namespace.part("trainer.call")
        name = "_call_lightning_module_hook"
        with ExitStack() as stack:
            for kind, watched in ((LRScheduler, self._placing), (OneCycleLR, self._counting)):
                made = watched(kind.__init__)
                stack.enter_context(patch.object(kind, "__init__", made))
            hook = self._watched_hook(getattr(house, name))
            stack.enter_context(patch.object(house, name, hook))
            yield

    def _placing(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Remember the line of the user's code that made each scheduler.

        Beside the schedulers, not in them: their attributes go into checkpoints.
        """

        @functools.wraps(original)
        def __init__(scheduler: Any, *args: Any, **kwargs: Any) -> None:
            self.places.setdefault(scheduler, caller())
            original(scheduler, *args, **kwargs)

        return __init__

    def _counting(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """A cycle that was given the steps of an epoch counts steps."""
        signature = inspect.signature(original)

        @functools.wraps(original)
        def __init__(scheduler: Any, *args: Any, **kwargs: Any) -> None:
            given = signature.bind(scheduler, *args, **kwargs).arguments
            if given.get("epochs") and given.get("steps_per_epoch"):
                self.in_steps[scheduler] = "it was made with steps_per_epoch"
            original(scheduler, *args, **kwargs)

        return __init__

    def _watched_hook(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def call(trainer: Any, hook_name: str, *args: Any, **kwargs: Any) -> Any:
            if hook_name == "lr_scheduler_step" and args:
                self.calls[id(args[0])] = self.calls.get(id(args[0]), 0) + 1
            answer = original(trainer, hook_name, *args, **kwargs)
            if hook_name == "configure_optimizers":
                self._note_returned(answer)
            return answer

        return call

    def _note_returned(self, answer: Any) -> None:
        self.returned = list(_schedulers_in(answer))
        dicts = [answer] if isinstance(answer, dict) else answer
        dicts = dicts if isinstance(dicts, (list, tuple)) else []
        keys = [key for each in dicts if isinstance(each, dict) for key in each]
        lists = any(isinstance(each, (list, tuple)) for each in dicts)
        if not lists and "optimizer" in keys:
            self.dropped_keys = tuple(str(key) for key in keys if key not in _KNOWN_KEYS)
        for scheduler in self.returned:
            self.alone[id(scheduler)] = twin_of(scheduler)

    # --- what came of it --------------------------------------------------------------------------

    def states(self, trainer: Any) -> tuple[SchedulerState, ...]:
        """Of what ``configure_optimizers`` returned: a callback (SWA) may bring a schedule of its
        own and drop the module's, and that is its business."""
        every = getattr(trainer.strategy, "lr_scheduler_configs", [])
        configs = [each for each in every if any(each.scheduler is own for own in self.returned)]
        lost = [
            each
            for each in self.returned
            if self.dropped_keys and not any(each is config.scheduler for config in configs)
        ]
        return (
            *(self._state(each.scheduler, each.interval, each, trainer) for each in configs),
            *(self._state(each, "") for each in lost),
        )

    def _state(
        self, scheduler: Any, interval: str, config: Any = None, trainer: Any = None
    ) -> SchedulerState:
        horizon = horizon_of(scheduler)
        unit, because, by_name = self._unit(scheduler, horizon)
        frequency = getattr(config, "frequency", 1)
        planned = self.plan.calls(interval, frequency)
        own = self._rates(scheduler, planned)
        steps = _planned_steps(trainer)
        return SchedulerState(
            name=type(scheduler).__name__,
            horizon=horizon,
            stepped=int(scheduler.last_epoch),
            location=self.places.get(scheduler),
            by_lightning=self.calls.get(id(scheduler), 0),
            interval=interval,
            unit=unit,
            because=because,
            by_name=by_name,
            dropped_keys=self.dropped_keys,
            frequency=frequency,
            optimizer=_number_of(scheduler, trainer),
            alone=quarters(self._rates(scheduler, horizon or steps)),
            curve=curve_of(scheduler, self.alone.get(id(scheduler)), steps),
            planned=planned,
            place=self.plan.place,
            own=_shape(own),
            turns=turns(own),
            mentioned=tuple(sorted(self._steppers())),
        )

    def _rates(self, scheduler: Any, steps: int | None) -> Sequence[float]:
        twin = self.alone.get(id(scheduler))
        return twin.rates(steps) if twin is not None and steps else ()

    def _steppers(self) -> Iterator[str]:
        """The user's methods that could step a scheduler by hand."""
        kept = [name for name, value in vars(self.module).items() if _is_scheduler(value)]
        for name in ("lr_schedulers", "lr_scheduler_configs", *kept):
            yield from mentioning(type(self.module), name)

    def _unit(self, scheduler: Any, horizon: int | None) -> tuple[str, str, bool]:
        """What a horizon counts, where the code says so, how, and whether by a name only."""
        if scheduler in self.in_steps:
            return "steps", self.in_steps[scheduler], False
        if horizon is None or hasattr(scheduler, "T_0"):  # a period may be as short as it likes
            return "", "", False
        named = {name for name, value in self._hyper_parameters().items() if value == horizon}
        epochs = {name: value for name, value in self._hyper_parameters().items() if _epochs(name)}
        if self.plan.epochs is not None:
            epochs["max_epochs"] = self.plan.epochs
        for name, value in epochs.items():
            if horizon == self.plan.steps(value):
                text = f"{name}={value} times {self.plan.batches} batches are {horizon}"
                return "steps", text, False
        if self.plan.epochs == horizon:
            whose = f" in {self.plan.place}" if self.plan.place else ""
            return "epochs", f"the Trainer's max_epochs{whose} is {horizon}", False
        if named and all(map(_epochs, named)):
            return "epochs", f"{min(named)} is {horizon}", True
        if named and all("step" in name or "iter" in name for name in named):
            return "steps", f"{min(named)} is {horizon}", True
        return "", "", False

    def _hyper_parameters(self) -> dict[str, int]:
        """Whole numbers among what the module saved, by lower-case name."""
        saved = getattr(self.module, "hparams", {})
        pairs = saved.items() if isinstance(saved, Mapping) else ()
        return {str(k).lower(): v for k, v in pairs if isinstance(v, int) and v > 1}


def _epochs(name: str) -> bool:
    return "epoch" in name and "step" not in name


def _is_scheduler(value: Any) -> bool:
    return isinstance(value, LRScheduler)


def _schedulers_in(value: Any) -> Iterator[LRScheduler]:
    if isinstance(value, LRScheduler):
        yield value
    elif isinstance(value, dict):
        yield from (each for item in value.values() for each in _schedulers_in(item))
    elif isinstance(value, (list, tuple)):
        yield from (each for item in value for each in _schedulers_in(item))
    elif hasattr(value, "scheduler"):  # Lightning's own LRSchedulerConfig may be returned
        yield from _schedulers_in(value.scheduler)


def _number_of(scheduler: Any, trainer: Any) -> int:
    """Which of the Trainer's optimizers it steers."""
    optimizers = getattr(trainer, "optimizers", ())
    steered = (n for n, each in enumerate(optimizers) if each is scheduler.optimizer)
    return next(steered, 0)


def _planned_steps(trainer: Any) -> int:
    """The optimizer steps of a fit, as Lightning estimates them; 0 where it cannot."""
    try:
        steps = float(trainer.estimated_stepping_batches)
    except Exception:  # no Trainer, or a loader that cannot be made again
        return 0
    return int(steps) if math.isfinite(steps) and steps > 0 else 0


def curve_of(scheduler: Any, twin: Twin | None, steps: int) -> tuple[float, ...]:
    """The rates of a schedule that names no horizon, far enough beyond a fit to see their end.

    Those of torch's own that have none (StepLR, ExponentialLR) are the same in every fit; what a
    function of the user's makes of a step is not known before it is tried."""
    return twin.curve(2 * steps + 2) if twin is not None and is_measured(scheduler) else ()


def is_measured(scheduler: Any) -> bool:
    return horizon_of(scheduler) is None and _is_own(scheduler)


def _is_own(scheduler: Any) -> bool:
    """Whether a function or a class of the user's own decides the rate."""
    parts = getattr(scheduler, "_schedulers", ())
    is_torchs = type(scheduler).__module__.startswith("torch.")
    return not is_torchs or hasattr(scheduler, "lr_lambdas") or any(map(_is_own, parts))


def _shape(rates: Sequence[float]) -> tuple[float, ...]:
    """The first, the highest and the last."""
    return (rates[0], max(rates), rates[-1]) if rates else ()


def horizon_of(scheduler: Any) -> int | None:
    """The number of ``step()`` calls the schedule is made for, where it says so."""
    is_torchs = type(scheduler).__module__.startswith("torch.")
    for name in _HORIZONS if is_torchs else (*_HORIZONS, *_OWN_HORIZONS):
        value = getattr(scheduler, name, None)
        if isinstance(value, (int, float)):
            return int(value)
    parts = getattr(scheduler, "_schedulers", ())  # SequentialLR, ChainedScheduler
    inner = [horizon for part in parts if (horizon := horizon_of(part)) is not None]
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
