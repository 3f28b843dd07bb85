"""What a run saw: the vocabulary of the runner. Plain, serialisable data.

A run of the user's module leaves one :class:`RunRecord` per rank. It is made of events (what was
logged, by which line, with which weight) and of the numbers that need torch to compute and are
therefore computed where torch is: replayed metrics, digests of weights, values read back from
files.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import UnionType
from typing import Any, TypeVar, Union

from pl_lint.findings import Location

T = TypeVar("T")


@dataclass(frozen=True)
class LogEvent:
    """One call of ``self.log`` (each key of a ``self.log_dict`` is one).

    ``name`` is the key as Lightning's ``callback_metrics`` has it (with the dataloader suffix,
    without the ``_step``/``_epoch`` fork). ``value`` is None for a metric object. ``weight`` is the
    batch size that Lightning used, ``samples`` the one counted by the kit's own loader (None
    outside of batches). ``origin`` says what made the value: ``object:val_f1``, ``forward:val_f1``,
    ``compute:val_f1`` or nothing. ``normalisers`` maps a place in the code to the number by which
    the value was divided there (tokens, pixels, summed class weights).
    """

    name: str
    value: float | None
    hook: str
    stage: str
    epoch: int
    batch: int
    location: Location
    on_step: bool
    on_epoch: bool
    reduce_fx: str = "mean"
    sync_dist: bool = False
    rank_zero_only: bool = False
    weight: float | None = None
    samples: int | None = None
    origin: str = ""
    python_number: bool = False
    dataloader: int = 0
    sanity: bool = False
    normalisers: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Replay:
    """A logged epoch value that comes from a torchmetrics metric, and what it should have been.

    ``true`` is the metric of this epoch's own inputs: a fresh, reset clone updated with them once.
    ``formulas`` holds what known mistakes would have logged on the same inputs, by code.
    """

    name: str
    stage: str
    epoch: int
    metric: str
    metric_class: str
    origin: str
    logged: float
    true: float
    formulas: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class EpochValues:
    """The epoch-level values of one pass over the data, as ``trainer.callback_metrics`` has
    them."""

    stage: str
    epoch: int
    values: Mapping[str, float]


# The ways in which the same samples are cut into batches, by label.
WHOLE = "whole"  # all in one batch: the truth
USUAL = "usual"  # a batch size that people use, the last batch uneven
ALL_BUT_ONE = "all but one"  # the most uneven cut: one sample weighs as much as all the others
ONES = "ones"
SHUFFLED = "shuffled"
AGAIN = "again"  # the usual cut with other seeds: what moves is random
REPEATED = "repeated"  # the usual cut after half of it: what moves was not reset
HALF = "half"  # half of the samples: what does not move has nothing to show


@dataclass(frozen=True)
class Batching:
    """How the samples were cut into batches: counted by the kit, never taken from Lightning."""

    label: str
    sizes: tuple[int, ...]
    shuffled: bool = False


@dataclass(frozen=True)
class EvaluationPass:
    """One ``trainer.validate`` or ``trainer.test`` over the same samples, cut in one way."""

    stage: str
    batching: Batching
    values: Mapping[str, float] = field(default_factory=dict)
    events: tuple[LogEvent, ...] = ()
    replays: tuple[Replay, ...] = ()
    training_submodules: tuple[str, ...] = ()
    error: RunError | None = None


@dataclass(frozen=True)
class OptimizerStep:
    """The state of the module after one optimizer step: a digest per parameter, the learning
    rates."""

    step: int
    digests: Mapping[str, str] = field(default_factory=dict)
    rates: tuple[float, ...] = ()


@dataclass(frozen=True)
class SchedulerState:
    """A learning rate scheduler at the end of a fit: for how many of its steps it was made, where
    it says so, and how many were made."""

    name: str
    horizon: int | None
    stepped: int
    location: Location | None = None


@dataclass(frozen=True)
class LoggerPoint:
    """One point of one curve, as it was handed to the logger or as the logger's file holds it."""

    tag: str
    step: int
    value: float


TIME_LIMIT = "TimeLimit"
"""The kind of the error of a run that was not done in time, where that proves nothing."""


@dataclass(frozen=True)
class RunError:
    """An exception that ended a run. ``location`` is the last line of the user's own code in it."""

    kind: str
    message: str
    during: str = ""
    location: Location | None = None
    traceback: str = ""

    def __str__(self) -> str:
        place = f" at {self.location}" if self.location else ""
        return f"{self.kind}: {self.message}{place}"


@dataclass(frozen=True)
class CaseFacts:
    """What the case turned out to be when it was built, and what its author declared about it."""

    module: str
    path: str
    line: int
    namespace: str
    stages: tuple[str, ...]
    expected_failures: Mapping[str, str] = field(default_factory=dict)
    batch_dependent: Mapping[str, str] = field(default_factory=dict)
    tolerances: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Note:
    """A remark of the run itself, for the check to pass on ('the loader could not be rebuilt:
    …')."""

    about: str
    text: str


@dataclass(frozen=True)
class RunRecord:
    """All that one rank of one run saw. Fields that the program did not fill stay empty."""

    program: str
    rank: int = 0
    case: CaseFacts | None = None
    error: RunError | None = None
    events: tuple[LogEvent, ...] = ()
    epochs: tuple[EpochValues, ...] = ()
    replays: tuple[Replay, ...] = ()
    passes: tuple[EvaluationPass, ...] = ()
    steps: tuple[OptimizerStep, ...] = ()
    schedulers: tuple[SchedulerState, ...] = ()
    handed_to_logger: tuple[LoggerPoint, ...] = ()
    read_back: tuple[LoggerPoint, ...] = ()
    digests: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()


def to_json(record: object) -> Any:
    """The record as plain JSON data; non-finite floats are kept by Python's own JSON dialect."""
    return dataclasses.asdict(record)  # type: ignore[call-overload]


def from_json(kind: type[T], data: Any) -> T:
    """The inverse of :func:`to_json` for any dataclass of this module."""
    return _decode(kind, data)


def _decode(kind: Any, data: Any) -> Any:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if data is None or kind is Any:
        return data
    if origin in (Union, UnionType):
        return _decode(next(item for item in arguments if item is not type(None)), data)
    if origin is tuple:
        kinds = arguments[:1] * len(data) if arguments[1:] == (Ellipsis,) else arguments
        return tuple(_decode(item_kind, item) for item_kind, item in zip(kinds, data, strict=True))
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(data)
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        return kind(**{name: _decode(hints[name], value) for name, value in data.items()})
    return data
