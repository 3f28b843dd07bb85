"""The loggers of the kit's Trainers: TensorBoard's, and one that keeps what Lightning hands over.

Both answer whatever is asked of them, as Lightning's ``DummyLogger`` and ``DummyExperiment`` do
under ``fast_dev_run`` (``loggers/logger.py``, 2.6.6): a module that logs to W&B, MLflow, Comet or
Neptune by hand is not wrong because it runs here with TensorBoard.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pl_lint.facts.events import LoggerPoint
from pl_lint.runtime.namespace import Namespace


class Anything:
    """Whatever another tracker would have answered: called, indexed, entered, it is itself."""

    def __getattr__(self, name: str) -> Any:
        return _anything(self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        """``experiment.config.rate = 0.1``."""

    def __call__(self, *args: Any, **kwargs: Any) -> Anything:
        return self

    def __getitem__(self, key: Any) -> Any:
        return ANYTHING

    def __setitem__(self, key: Any, value: Any) -> None:
        """Neptune's ``experiment["key"] = value``."""

    def __iter__(self) -> Iterator[Any]:
        return iter(())  # or Python would ask for item 0, 1, 2, … for ever

    def __enter__(self) -> Anything:
        return self

    def __exit__(self, *error: object) -> None:
        """Comet's ``with experiment.validate():``."""


def _anything(owner: object, name: str) -> Anything:
    """The answer to an attribute that ``owner`` lacks; pickle and copy must see that it does."""
    if name.startswith("_"):
        raise AttributeError(f"{type(owner).__name__!r} has no attribute {name!r}")
    return ANYTHING


ANYTHING = Anything()


def tensorboard_logger(namespace: Namespace, directory: Path) -> Any:
    """Writes ``directory/events``, and lets what was meant for another logger go by."""
    from torch.utils.tensorboard import SummaryWriter

    rank_zero_only = namespace.part("utilities.rank_zero.rank_zero_only")

    class Writer(SummaryWriter):  # type: ignore[misc]
        __getattr__ = _anything

        def __getitem__(self, key: Any) -> Anything:
            return ANYTHING

        def __setitem__(self, key: Any, value: Any) -> None:
            """As above."""

        __iter__ = Anything.__iter__

    class Logger(namespace.part("loggers.TensorBoardLogger")):  # type: ignore[misc]
        __getattr__ = _anything

        @property
        def experiment(self) -> Any:
            if getattr(rank_zero_only, "rank", 0) > 0:
                return ANYTHING  # one rank writes, as with Lightning's rank_zero_experiment
            if self._experiment is None:
                self._experiment = Writer(log_dir=self.log_dir)
            return self._experiment

    return Logger(directory, name="", version="events")


def points_logger(namespace: Namespace, points: list[LoggerPoint]) -> Any:
    """A logger that keeps what Lightning hands to loggers, in the order it came."""
    base = namespace.part("loggers.logger.Logger")

    class PointsLogger(base):  # type: ignore[misc, valid-type]
        name = "points"
        version = "0"
        experiment = ANYTHING
        __getattr__ = _anything

        def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
            points.extend(LoggerPoint(tag, step or 0, float(v)) for tag, v in metrics.items())

        def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
            """Hyper-parameters are no points."""

    return PointsLogger()
