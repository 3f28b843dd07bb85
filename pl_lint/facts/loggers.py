"""What loggers were given in a small run, and what they hold afterwards. Plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pl_lint.facts.events import LoggerPoint, RunError
from pl_lint.findings import Location

TENSORBOARD, CSV, WANDB, MLFLOW = "TensorBoardLogger", "CSVLogger", "WandbLogger", "MLFlowLogger"
NONE = "logger=False"
TOGETHER = " and "
"""Between the names of loggers that are there at once."""
OPTIONAL: Mapping[str, str] = {WANDB: "wandb", MLFLOW: "mlflow"}
"""Loggers whose runs are made only where they are used or asked for, and their packages."""


def classes_of(packages: Sequence[str]) -> tuple[str, ...]:
    """The loggers that write with these packages. Raises ValueError for one that is not known."""
    known = {package: logger for logger, package in OPTIONAL.items()}
    for package in packages:
        if package not in known:
            raise ValueError(f"{package!r} is none of {', '.join(known)}")
    return tuple(known[package] for package in packages)


HYPERPARAMETER = "hyper-parameter"
"""The kind of what is written by hand as one."""
ELSEWHERE = "another run"
"""The kind of what is written by hand to a run of the same tracker's that is not the logger's."""
UNREAD = "<an object>"
"""A hyper-parameter that is there, but not as plain text."""
ORIGINS = ("seed", "versions", "revision")
"""What a case may ask to be recorded among the hyper-parameters."""


@dataclass(frozen=True)
class Written:
    """What a line of the user's wrote to a logger by hand, and when: ``step`` is the step that the
    line gave, ``at`` and ``epoch`` are the Trainer's."""

    kind: str
    tag: str
    step: int | None
    at: int
    epoch: int
    sanity: bool
    location: Location


@dataclass(frozen=True)
class Medium:
    """An image, histogram, text, graph or other thing that a logger holds."""

    kind: str
    tag: str
    step: int


@dataclass(frozen=True)
class Held:
    """One logger's side of a run: the points and hyper-parameters that Lightning handed over, what
    was written by hand, and what its own reader finds afterwards."""

    logger: str
    handed: tuple[LoggerPoint, ...] = ()
    points: tuple[LoggerPoint, ...] = ()
    written: tuple[Written, ...] = ()
    media: tuple[Medium, ...] = ()
    given: Mapping[str, str] = field(default_factory=dict)
    kept: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class LoggedRun:
    """A fit, and a test where there is one, under some loggers. ``first`` is what ``self.logger``
    is, or all of them where only together they fail."""

    first: str
    error: RunError | None = None
    held: tuple[Held, ...] = ()
    lines: Mapping[str, Location] = field(default_factory=dict)
    """Where each key was logged, the first time."""
    changed: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Hyper-parameters that the module changed after they were handed over: logged, and used."""
