"""The kit's loggers on other ranks than zero: what Lightning's own would refuse there is noted."""

from __future__ import annotations

from typing import Any

from pl_lint.facts.ranks import Touch
from pl_lint.runtime.programs.loggers import ANYTHING, Anything
from pl_lint.runtime.watching.callsite import caller, entered_from


class OffRankExperiment(Anything):
    """``logger.experiment`` on any rank but zero, as Lightning's ``_DummyExperiment``
    (``fabric/loggers/logger.py``): every attribute is a function that does nothing. What would use
    such a function as something else (``experiment.config.update(...)``) is noted, and goes on."""

    def __init__(self, touches: list[Touch]) -> None:
        vars(self)["_touches"] = touches

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return _Function(name, vars(self)["_touches"])

    def __getitem__(self, key: Any) -> Any:
        return self


class _Function(Anything):
    """A function that does nothing, where the user expects an object."""

    def __init__(self, name: str, touches: list[Touch]) -> None:
        vars(self).update(_name=name, _touches=touches)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return self._used(f".{name}")

    def __setattr__(self, name: str, value: Any) -> None:
        """A function takes attributes, to no effect."""

    def __getitem__(self, key: Any) -> Any:
        return self._used("[...]")

    def __setitem__(self, key: Any, value: Any) -> None:
        self._used("[...] = ...")

    def __enter__(self) -> Any:
        return self._used(" in a with statement")

    def _used(self, how: str) -> Any:
        what, place = f"experiment.{vars(self)['_name']}{how}", caller()
        vars(self)["_touches"].append(Touch("logger", what, place, entered_from()))
        return ANYTHING


def off_rank_zero(loggers: list[Any], touches: list[Touch]) -> None:
    """Let the kit's loggers answer as Lightning's own do on other ranks than zero."""
    for logger in loggers:
        # A class of its own for each logger: see ``programs/loggers.py``.
        type(logger).experiment = OffRankExperiment(touches)
