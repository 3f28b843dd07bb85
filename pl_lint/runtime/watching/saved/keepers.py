"""The user's own callbacks and schedulers that watch a key: where they were made, and what they
looked for in vain.

A key that is never logged ends a fit at the end of its first epoch, and with it everything else
that could be judged. Here the one who looks is told that there is nothing to do this time, what
Lightning would have raised is noted, and the fit goes on. The places are private
(``ModelCheckpoint._save_topk_checkpoint``, ``EarlyStopping._validate_condition_metric``,
``_TrainingEpochLoop._get_monitor_value``, 2.6.6); where one is missing, Lightning does as it does.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch
from weakref import WeakKeyDictionary

from torch.optim.lr_scheduler import ReduceLROnPlateau

from pl_lint.facts.watchers import CHECKPOINT, PLATEAU, STOPPER, Watcher
from pl_lint.findings import Location
from pl_lint.runtime.namespace import NAMES, Namespace
from pl_lint.runtime.watching.callsite import caller
from pl_lint.runtime.watching.saved.mentions import log_calls
from pl_lint.runtime.watching.saved.reactions import reactions

Places = WeakKeyDictionary[Any, Location]
Missed = WeakKeyDictionary[Any, bool]
"""Callbacks that looked in vain; whether Lightning would have raised."""


@contextmanager
def placed_watchers(places: Places) -> Iterator[None]:
    """Remember the line of the user's code that made each callback or scheduler."""
    kinds = [ReduceLROnPlateau]
    for name in NAMES:
        callbacks = sys.modules.get(f"{name}.callbacks")
        kinds += [getattr(callbacks, kind) for kind in (CHECKPOINT, STOPPER) if callbacks]
    with ExitStack() as stack:
        for kind in kinds:
            stack.enter_context(patch.object(kind, "__init__", _placing(kind.__init__, places)))
        yield


def _placing(original: Any, places: Places) -> Any:
    @functools.wraps(original)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        places.setdefault(self, caller())
        original(self, *args, **kwargs)

    return __init__


@contextmanager
def forgiven(namespace: Namespace, trainer: Any, missed: Missed) -> Iterator[None]:
    """Let the fit go on where a monitored key is not there."""
    with ExitStack() as stack:
        for path, method, change in _LOOKS:
            owner = namespace.part(path)
            original = getattr(owner, method, None)
            if original is not None:
                changed = change(original, trainer, missed)
                stack.enter_context(patch.object(owner, method, changed))
        yield


def _saving(original: Any, trainer: Any, missed: Missed) -> Any:
    @functools.wraps(original)
    def save(callback: Any, run: Any, candidates: Any) -> None:
        if callback.monitor is None or callback.monitor in candidates:
            original(callback, run, candidates)
        else:
            ran = run.fit_loop.epoch_loop.val_loop._has_run
            missed[callback] = missed.get(callback, False) or bool(ran)

    return save


def _stopping(original: Any, trainer: Any, missed: Missed) -> Any:
    @functools.wraps(original)
    def validate(callback: Any, logs: Any) -> bool:
        if callback.monitor in logs:
            return bool(original(callback, logs))
        missed[callback] = missed.get(callback, False) or bool(callback.strict)
        return False

    return validate


def _scheduling(original: Any, trainer: Any, missed: Missed) -> Any:
    @functools.wraps(original)
    def value(loop: Any, key: str) -> Any:
        found = original(loop, key)
        for config in trainer.lr_scheduler_configs if found is None else ():
            if config.reduce_on_plateau and config.monitor == key:
                missed[config.scheduler] = missed.get(config.scheduler, False) or config.strict
                config.strict = False
        return found

    return value


_LOOKS: tuple[tuple[str, str, Callable[[Any, Any, Missed], Any]], ...] = (
    (f"callbacks.{CHECKPOINT}", "_save_topk_checkpoint", _saving),
    (f"callbacks.{STOPPER}", "_validate_condition_metric", _stopping),
    ("loops.training_epoch_loop._TrainingEpochLoop", "_get_monitor_value", _scheduling),
)


@dataclass(frozen=True)
class _Run:
    """What a run has shown: where watchers were made and which of them looked in vain, which keys
    were there, and who may log others."""

    places: Places
    missed: Missed
    available: tuple[str, ...]
    loggers: list[Any]

    def watcher(self, kind: str, holder: Any, key: str | None, mode: str) -> Watcher:
        missing = key is not None and key not in self.available
        by_time = getattr(holder, "_train_time_interval", None) is not None
        rising, falling = (None, None) if kind == CHECKPOINT else reactions(holder)
        return Watcher(
            kind=kind,
            name=type(holder).__name__,
            key=key,
            mode=mode,
            location=self.places.get(holder),
            missing=missing,
            raises=self.missed.get(holder, False),
            available=self.available,
            by_steps=by_time or getattr(holder, "_every_n_train_steps", 0) > 0,
            weights_only=getattr(holder, "save_weights_only", False),
            sites=log_calls(str(key), self.loggers) if missing else (),
            keeps_all=getattr(holder, "save_top_k", 1) == -1,
            rising=rising,
            falling=falling,
        )


def watchers_of(
    trainer: Any, namespace: Namespace, places: Places, missed: Missed, seen: set[str]
) -> tuple[Watcher, ...]:
    """The user's own, in the order of the Trainer; ``seen`` are the keys that were there at some
    time."""
    loggers = [trainer.lightning_module, *own_callbacks(trainer.callbacks, object)]
    done = _Run(places, missed, tuple(sorted(seen)), loggers)
    return (
        *(
            done.watcher(kind, callback, callback.monitor, callback.mode)
            for kind in (CHECKPOINT, STOPPER)
            for callback in own_callbacks(trainer.callbacks, namespace.part(f"callbacks.{kind}"))
        ),
        *(
            done.watcher(PLATEAU, each.scheduler, each.monitor, each.scheduler.mode)
            for each in getattr(trainer, "lr_scheduler_configs", ())
            if isinstance(each.scheduler, ReduceLROnPlateau)
        ),
    )


def own_callbacks(callbacks: Any, kind: type) -> list[Any]:
    """The user's callbacks of a kind: none of the kit's, nor the one that Lightning adds itself."""
    return [
        callback
        for callback in callbacks
        if isinstance(callback, kind) and not type(callback).__module__.startswith("pl_lint.")
    ]
