"""What a search draws and finds: runs in words that both the child and pytest's process know.

A search tries many small runs and keeps the smallest of those in which a key lies. Which runs there
are is one dataclass; whether a run lies is decided by a function over ``EpochValues`` alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pl_lint.facts.building import Building
from pl_lint.facts.events import EpochValues, EvaluationPass, LogEvent, Replay, RunError

VALIDATE, TEST, FIT, ACCUMULATE = "validate", "test", "fit", "accumulate"
"""What a drawn run does: evaluate, train and validate, or train one epoch with weights held."""
RETURNED = "the loss of training_step"
"""Stands beside the keys where batches are accumulated: what is returned, whether it is logged or
not, is divided by their number by Lightning."""


@dataclass(frozen=True)
class DrawnRun:
    """One run that a search may try; the fields that its ``program`` does not ask for stay as
    they are.

    ``samples`` in batches of ``batch_size`` are evaluated, or trained on where the weights are
    held. A fit trains ``training_batches`` of that size in each of ``epochs`` and validates every
    ``interval`` of them.
    """

    program: str
    samples: int
    batch_size: int
    shuffled: bool = False
    accumulate: int = 1
    training_batches: int = 1
    interval: int = 1
    sanity_steps: int = 0
    epochs: int = 1
    ranks: int = 1

    @property
    def sizes(self) -> tuple[int, ...]:
        """The batches of an evaluation, as the kit cuts them."""
        whole, rest = divmod(self.samples, self.batch_size)
        return (self.batch_size,) * whole + ((rest,) if rest else ())

    @property
    def validations(self) -> int:
        """How often a fit of this run validates in an epoch."""
        return self.training_batches // self.interval if self.interval else 1


@dataclass(frozen=True)
class Observation:
    """What one run logged for whole epochs, in turn, and for each batch of training, by key.

    ``weights`` is a fingerprint of those that it ended with, ``seen`` one of the batches of its
    last validation. ``spacing`` is that of the numbers of keys that are logged in half precision.
    """

    epochs: tuple[EpochValues, ...] = ()
    steps: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    weights: str = ""
    seen: str = ""
    spacing: Mapping[str, float] = field(default_factory=dict)
    error: RunError | None = None


@dataclass(frozen=True)
class Lie:
    """A key that a run logged wrongly: what it said, what is true, how far it may be off.

    ``carried`` says that it is what the validation before logged as well: right if it is the best
    so far, which other runs may show that it is not."""

    stage: str
    key: str
    logged: float
    true: float
    tolerance: float
    carried: bool = False


@dataclass(frozen=True, kw_only=True)
class Recipe(Building):
    """How a script of one's own builds and trains what was searched.

    ``trained`` holds the samples of each stage in training, with the batch size; ``late`` says that
    the weights fit the module only once Lightning has set it up.
    """

    trained: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    late: bool = False


@dataclass(frozen=True)
class SmallestRun:
    """The smallest run in which a key lies, watched in full.

    ``cut`` and ``whole`` are its passes where it evaluates; ``events`` and ``replays`` are those of
    a fit. ``counts`` is how many samples each stage had: a small data set has fewer than were
    drawn. ``ones`` is what the same samples log in batches of one, ``apart`` says that ranks
    disagreed, and ``by_rank`` is what each of them logged.
    """

    run: DrawnRun
    lie: Lie | None = None
    cut: EvaluationPass | None = None
    whole: EvaluationPass | None = None
    events: tuple[LogEvent, ...] = ()
    replays: tuple[Replay, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    ones: float | None = None
    apart: bool = False
    by_rank: tuple[tuple[LogEvent, ...], ...] = ()

    @property
    def key(self) -> str:
        """The key that lies; empty as long as nobody has looked."""
        return self.lie.key if self.lie is not None else ""


@dataclass(frozen=True)
class Spread:
    """The least and the greatest truth that the drawn runs had of a key; or the least and the
    greatest value of one epoch's validations."""

    stage: str
    key: str
    least: float
    most: float


@dataclass(frozen=True)
class Searched:
    """One kind of run and what the search of it came to.

    ``examples`` were drawn, ``runs`` were made for them (the references and the shrinking
    included), which took so many ``seconds``; ``spreads`` say how much each key moved with the
    samples, ``shifts`` how much at most between validations of one epoch; ``unsteady`` are keys
    that chance decides; ``set_aside`` are examples that could not be made or held against anything,
    with the first reason.
    """

    program: str
    examples: int
    runs: int
    smallest: tuple[SmallestRun, ...] = ()
    spreads: tuple[Spread, ...] = ()
    shifts: tuple[Spread, ...] = ()
    unsteady: tuple[str, ...] = ()
    set_aside: int = 0
    reason: str = ""
    cut_short: bool = False
    seconds: float = 0.0
