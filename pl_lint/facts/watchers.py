"""Who watches which key: checkpoint callbacks, early stopping, schedulers on a plateau; and what
they do with scores that were planted."""

from __future__ import annotations

from dataclasses import dataclass

from pl_lint.findings import Location

CHECKPOINT = "ModelCheckpoint"
STOPPER = "EarlyStopping"
PLATEAU = "ReduceLROnPlateau"
_OF_LOADER = "/dataloader_idx_"
_FORKS = ("", "_step", "_epoch")


@dataclass(frozen=True)
class Reaction:
    """What early stopping or a scheduler on a plateau did about planted ``scores``: it stopped, or
    cut the rate (``rates``, before and after), ``after`` so many of them, and held ``best`` for the
    best of them."""

    scores: tuple[float, ...]
    after: int
    best: float
    rates: tuple[float, float] | None = None


@dataclass(frozen=True)
class Watcher:
    """One of the user's own, as it stood at the end of a fit.

    ``kind`` is Lightning's or torch's class, ``name`` the user's. ``missing`` says that the key was
    never there when it was looked for, ``raises`` that Lightning would have ended the fit for it,
    ``available`` which keys were there. ``by_steps`` is set where it saves by steps or time,
    ``keeps_all`` where it keeps every checkpoint. ``sites`` are the calls in the user's code that
    could log a missing key. ``rising`` and ``falling`` are what it does about scores that do.
    """

    kind: str
    name: str
    key: str | None
    mode: str
    location: Location | None = None
    missing: bool = False
    raises: bool = False
    available: tuple[str, ...] = ()
    by_steps: bool = False
    weights_only: bool = False
    sites: tuple[Location, ...] = ()
    keeps_all: bool = False
    rising: Reaction | None = None
    falling: Reaction | None = None


@dataclass(frozen=True)
class PlantedKey:
    """A key that is logged with planted scores, as ``self.log`` is given it: in which stage, with
    which flags, and for which of several loaders of validation."""

    name: str
    stage: str
    on_step: bool
    on_epoch: bool
    dataloader: int | None = None

    @classmethod
    def of_metric(cls, metric: str, stage: str, on_step: bool, on_epoch: bool) -> PlantedKey:
        """By its name in ``callback_metrics``, where Lightning has added the loader's number."""
        name, _, index = metric.partition(_OF_LOADER)
        if not index.isdecimal() or stage != "validate":
            return cls(metric, stage, on_step, on_epoch)
        return cls(name, stage, on_step, on_epoch, int(index))

    @property
    def metrics(self) -> tuple[str, ...]:
        """Its names in ``callback_metrics`` (``_ResultMetric.forked_name``)."""
        number = "" if self.dataloader is None else f"{_OF_LOADER}{self.dataloader}"
        return tuple(f"{self.name}{fork}{number}" for fork in _FORKS)


@dataclass(frozen=True)
class PlantedOffer:
    """A score that a checkpoint callback judged weights by: those of ``step``, which are worth
    ``true``."""

    step: int
    score: float
    true: float


@dataclass(frozen=True)
class PlantedFile:
    """A checkpoint of a fit with planted scores.

    ``path`` is relative to the directory that the callback was given, ``step`` that of the weights
    in it. ``score`` is what the callback believed, ``true`` what those weights score. ``absent``
    are the fields of the file name that no value was there for.
    """

    path: str
    step: int
    score: float | None
    true: float
    absent: tuple[str, ...] = ()
    over: str = ""
    """The callback whose file this one took the place of."""


@dataclass(frozen=True)
class PlantedKeeper:
    """What one checkpoint callback made of planted scores.

    ``offers`` are in their order, ``best`` is the file that it holds to be the best.
    """

    watcher: Watcher
    offers: tuple[PlantedOffer, ...] = ()
    files: tuple[PlantedFile, ...] = ()
    best: PlantedFile | None = None
    template: str = ""
