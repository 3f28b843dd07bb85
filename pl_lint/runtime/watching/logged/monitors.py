"""What callbacks and schedulers see at the moment when they look at the key that they monitor.

Which values ``trainer.callback_metrics`` holds depends on when one looks. The places where
Lightning looks are private (``ModelCheckpoint._save_topk_checkpoint``,
``EarlyStopping._run_early_stopping_check``, ``_TrainingEpochLoop._get_monitor_value``, 2.6.6);
where one is missing, nothing is seen.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

from pl_lint.facts.events import MonitorLook
from pl_lint.runtime.namespace import Namespace
from pl_lint.runtime.watching.logged.metrics import Moment, scalar

See = Callable[[str, Any, Any], None]
"""Called with the watcher's name, its key, and the value that it finds there."""


@contextmanager
def watched_looks(
    namespace: Namespace, looks: list[MonitorLook], moment: Callable[[], Moment]
) -> Iterator[None]:
    """Note every look, at whatever moment of the fit it is."""

    def see(watcher: str, key: Any, value: Any) -> None:
        number, now = scalar(value), moment()
        if isinstance(key, str) and number is not None and not now.sanity:
            looks.append(MonitorLook(watcher, key, number, now.stage, now.epoch, now.batch))

    with ExitStack() as stack:
        for path, method, watch in _PLACES:
            owner = namespace.part(path)
            if hasattr(owner, method):
                stack.enter_context(patch.object(owner, method, watch(getattr(owner, method), see)))
        yield


def _checkpoint(original: Any, see: See) -> Any:
    @functools.wraps(original)
    def save(callback: Any, trainer: Any, candidates: Any) -> Any:
        see(type(callback).__name__, callback.monitor, candidates.get(callback.monitor))
        return original(callback, trainer, candidates)

    return save


def _stopper(original: Any, see: See) -> Any:
    @functools.wraps(original)
    def run(callback: Any, trainer: Any) -> Any:
        value = trainer.callback_metrics.get(callback.monitor)
        see(type(callback).__name__, callback.monitor, value)
        return original(callback, trainer)

    return run


def _scheduler(original: Any, see: See) -> Any:
    @functools.wraps(original)
    def look(loop: Any, key: str) -> Any:
        value = original(loop, key)
        see("ReduceLROnPlateau", key, value)
        return value

    return look


_PLACES: tuple[tuple[str, str, Callable[[Any, See], Any]], ...] = (
    ("callbacks.ModelCheckpoint", "_save_topk_checkpoint", _checkpoint),
    ("callbacks.EarlyStopping", "_run_early_stopping_check", _stopper),
    ("loops.training_epoch_loop._TrainingEpochLoop", "_get_monitor_value", _scheduler),
)
