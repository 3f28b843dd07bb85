"""What the kit asks of a logger: to be made in a run's directory, and read back after the run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from enum import Enum
from pathlib import Path
from typing import Any, Protocol

import yaml

from pl_lint.facts.events import LoggerPoint
from pl_lint.facts.loggers import HYPERPARAMETER, UNREAD, Held, Medium, Written
from pl_lint.runtime.namespace import Namespace
from pl_lint.runtime.watching.callsite import UNKNOWN, caller

Noting = Callable[[str, str, "int | None"], None]
"""Takes what a line of the user's writes: its kind, its tag, and the step that it gives."""


class Store(Protocol):
    """A real logger and its reader. ``logger`` is Lightning's own class."""

    name: str
    logger: Any

    def __init__(self, namespace: Namespace, directory: Path) -> None: ...
    def watching(self, noting: Noting) -> AbstractContextManager[None]:
        """Within, what is written by hand is noted."""
        ...

    def close(self) -> None: ...
    def points(self) -> Iterator[LoggerPoint]: ...
    def media(self) -> Iterator[Medium]: ...
    def hyperparameters(self) -> Mapping[str, Any]: ...


class Ledger:
    """Notes what is handed to a store's logger, and what is written to it past Lightning."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.trainer: Any = None
        self._handed: list[LoggerPoint] = []
        self._given: dict[str, str] = {}
        self._written: list[Written] = []
        logger = store.logger
        # On the instance, which is ours: its class stays Lightning's, for code that asks for it.
        logger.log_metrics = self._noting_metrics(logger.log_metrics)
        logger.log_hyperparams = self._noting_hyperparameters(logger.log_hyperparams)

    def _noting_metrics(self, log: Callable[..., None]) -> Callable[..., None]:
        def log_metrics(metrics: Mapping[str, Any], step: int | None = None) -> None:
            points = [LoggerPoint(k, step or 0, float(v)) for k, v in metrics.items() if _number(v)]
            self._handed.extend(points)
            log(metrics, step)

        return log_metrics

    def _noting_hyperparameters(self, log: Callable[..., None]) -> Callable[..., None]:
        def log_hyperparams(params: Any, *args: Any, **kwargs: Any) -> None:
            self._given.update(flat(params))
            for name in flat(params):
                self.note(HYPERPARAMETER, name, None)
            log(params, *args, **kwargs)

        return log_hyperparams

    def note(self, kind: str, tag: str, step: int | None) -> None:
        place, trainer = caller(), self.trainer
        if place.path == UNKNOWN or trainer is None:
            return
        now = (trainer.global_step, trainer.current_epoch, bool(trainer.sanity_checking))
        self._written.append(Written(kind, tag, _whole(step), *now, place))

    def held(self) -> Held:
        """Asked once the run is over and the store is closed."""
        return Held(
            self.store.name,
            handed=tuple(self._handed),
            points=tuple(self.store.points()),
            written=tuple(self._written),
            media=tuple(self.store.media()),
            given=dict(self._given),
            kept=flat(self.store.hyperparameters()),
        )


def flat(params: Any, prefix: str = "") -> dict[str, str]:
    """Plain values by name, ``net/width`` for those of a dict in a dict. What is no number, text or
    truth is left out, and so is one of an enumeration: each logger has its own idea of how to write
    that down."""
    pairs = params if isinstance(params, Mapping) else getattr(params, "__dict__", {})
    found: dict[str, str] = {}
    for key, value in pairs.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{key}/")
        elif isinstance(value, (bool, int, float, str)) and not isinstance(value, Enum):
            found[f"{prefix}{key}"] = str(value)
    return found


def read_hparams(file: Path) -> Mapping[str, Any]:
    """``hparams.yaml`` as TensorBoardLogger and CSVLogger write it. Lightning's own reader refuses
    a file with objects in it, such as the version that torch tells."""
    if not file.exists():
        return {}

    class Loader(yaml.SafeLoader):
        """Builds no objects."""

    Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda *node: UNREAD)
    with file.open(encoding="utf-8") as text:
        return yaml.load(text, Loader) or {}


def _number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def _whole(step: Any) -> int | None:
    try:
        return None if step is None else int(step)
    except (TypeError, ValueError):
        return None
