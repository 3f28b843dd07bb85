"""What repeated runs are compared by: what each step began with, what drew without a seed, what
loader workers drew, what one fit left behind for the next. Plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pl_lint.findings import Location

WORKERS = 2
"""The most that a loader gets of the workers that it asks for: what differs between workers differs
between two of them, and each is a process."""


@dataclass(frozen=True)
class TrainingBatch:
    """What stood ready when a training batch began, as fingerprints.

    ``parts`` are the tensors of the batch by their place in it (``[0]``, ``['image']``),
    ``generators`` the states of the global random generators, ``step`` the number of optimizer
    steps made before.
    """

    epoch: int
    batch: int
    step: int
    parts: Mapping[str, str] = field(default_factory=dict)
    generators: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Leftover:
    """State of a module or a class that one fit changed and the next one found changed."""

    name: str
    before: str
    after: str
    location: Location


@dataclass(frozen=True)
class Source:
    """A call that no seed governs: a clock, the system's entropy, a generator made without a
    seed."""

    call: str
    location: Location

    @property
    def key(self) -> str:
        """Names it across processes."""
        return f"{self.call}@{self.location.path}:{self.location.line}"


@dataclass(frozen=True)
class HeldGenerator:
    """A random generator that a dataset carries with it into each worker."""

    name: str
    kind: str
    location: Location


@dataclass(frozen=True)
class ActiveDropout:
    """A functional dropout that dropped while validating, and was not told to."""

    call: str
    location: Location


@dataclass(frozen=True)
class MadeAnew:
    """A generator that is seeded while a sample is fetched, in each fetch by the same number, and
    without which the samples would be others. ``added``: what it draws is added to the samples,
    to all of them the same."""

    call: str
    location: Location
    added: bool = False


@dataclass(frozen=True)
class WorkerDraws:
    """One sample of a training data set, asked for again and again, as fingerprints.

    ``here`` are the draws of one process, ``epochs`` those of each worker in two epochs of one
    loader with ``workers`` workers; both are empty where the sample is always the same.
    ``generators`` are those that a sample draws from and that the data set holds, ``anew`` those
    that are made for each sample. ``own_workers``
    is how many the user's loader has. ``skipped`` says why there is nothing.
    """

    dataset: str
    own_workers: int = 0
    workers: int = 0
    here: tuple[str, ...] = ()
    epochs: tuple[tuple[tuple[str, ...], ...], ...] = ()
    generators: tuple[HeldGenerator, ...] = ()
    anew: tuple[MadeAnew, ...] = ()
    worker_init: Location | None = None
    location: Location | None = None
    skipped: str = ""
