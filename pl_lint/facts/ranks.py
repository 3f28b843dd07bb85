"""What is seen of several ranks at once: the vocabulary of the checks that compare them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pl_lint.facts.events import EpochValues, EvaluationPass, LogEvent, RunError
from pl_lint.facts.watchers import Watcher
from pl_lint.findings import Location


@dataclass(frozen=True)
class SharedPass:
    """One evaluation of the samples that ranks share, and which samples this process was served:
    a fingerprint each, by their content. ``population`` is how many the user's loader has.

    ``placed`` are the fingerprints with the loader and the place in it that was asked for: a data
    set that draws for itself may serve equal samples at other places. Empty where the user's own
    code shares samples out, and so only it knows their places."""

    done: EvaluationPass
    served: tuple[str, ...] = ()
    population: int | None = None
    placed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Listing:
    """What one loader offers on one rank, before anything is shared out: a fingerprint for each
    sample, and what it says when it is asked ``again`` from the same seed. Of a stream (an
    IterableDataset) also what it yields from another seed, and in each of the workers that the
    user's loader has, from either seed; ``ended`` says that it yielded no more than these
    samples."""

    stage: str
    loader: int
    dataset: str
    samples: tuple[str, ...]
    location: Location | None = None
    again: tuple[str, ...] = ()
    stream: bool = False
    reseeded: tuple[str, ...] = ()
    by_worker: tuple[tuple[str, ...], ...] = ()
    reseeded_by_worker: tuple[tuple[str, ...], ...] = ()
    ended: bool = False


@dataclass(frozen=True)
class Split:
    """A call of ``random_split``, a fingerprint of the permutation that it drew, and how that
    begins. ``by_kit`` says that nothing but the seed that pl-lint gives to every rank decided
    it."""

    location: Location
    order: str
    first: tuple[int, ...] = ()
    by_kit: bool = False


@dataclass(frozen=True)
class Touch:
    """Something that a rank did by a line of the user's: it wrote a ``file``, added to the end of
    one (``append``), made one that it had asked for in vain (``create``), added ``points`` to a
    folder of TensorBoard's, made a ``print``, used the ``logger`` as only rank zero's can be used,
    or made a ``call`` that waits for all ranks. ``hook`` is the user's outermost function on the
    stack."""

    kind: str
    what: str
    location: Location
    hook: str


@dataclass(frozen=True)
class Best:
    """The best checkpoint in the eyes of one rank."""

    monitor: str
    mode: str
    path: str
    score: float | None
    exists: bool


@dataclass(frozen=True)
class Assigned:
    """An attribute that ``prepare_data`` assigned: where, where it was read later on, and what it
    was in the end."""

    name: str
    location: Location
    read: Location | None = None
    left: str = ""


@dataclass(frozen=True)
class Gathered:
    """A logged epoch value of a metric object, and what it says of the inputs of all ranks; of
    each rank's own inputs alone in ``parts``."""

    name: str
    stage: str
    epoch: int
    metric_class: str
    logged: float
    true: float
    parts: tuple[float, ...]


@dataclass(frozen=True)
class RankFit:
    """A short fit as one of several ranks lived it, in training ``batches`` of so many samples.

    ``parameters`` and ``buffers`` are digests, by moment (``first step``, ``end``) and name;
    buffers are those of the user's own classes, seen also after the ``last batch`` and when
    ``validation`` begins, whose forward passes make them rank zero's on all; ``unsaved`` those that
    no checkpoint has. ``sums`` are their numbers and those of frozen parameters, added up.
    ``attributes`` are plain ones, as text, at the start and at the end. ``trainable`` are the
    parameters that wanted a gradient at the start, ``unused`` those of them that got none in
    ``backwards`` backward passes; ``unfrozen`` came later, and ``optimized`` are those that an
    optimizer has. ``stepped`` are digests of the gradients that the first steps were made with.
    ``kept`` are the attributes of whoever owns ``prepare_data``, in short; ``places`` the lines
    that set attributes, by ``self.name``; ``splits`` the calls of ``random_split``, ``subsets`` the
    lines that made a ``Subset``, with a fingerprint of its indices; ``watchers`` the user's
    callbacks and schedulers that ask for a key. ``asks_for_ranks`` says that the case's own Trainer
    names a strategy of DDP's kind, or several devices.
    """

    error: RunError | None = None
    events: tuple[LogEvent, ...] = ()
    epochs: tuple[EpochValues, ...] = ()
    batches: tuple[int, ...] = ()
    parameters: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    buffers: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    unsaved: tuple[str, ...] = ()
    sums: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    attributes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    best: tuple[Best, ...] = ()
    listings: tuple[Listing, ...] = ()
    touches: tuple[Touch, ...] = ()
    assigned: tuple[Assigned, ...] = ()
    gathered: tuple[Gathered, ...] = ()
    kept: Mapping[str, str] = field(default_factory=dict)
    places: Mapping[str, Location] = field(default_factory=dict)
    trainable: tuple[str, ...] = ()
    unfrozen: tuple[str, ...] = ()
    optimized: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    backwards: int = 0
    stepped: Mapping[str, str] = field(default_factory=dict)
    tolerates_unused: bool = False
    asks_for_ranks: bool = False
    splits: tuple[Split, ...] = ()
    subsets: tuple[Split, ...] = ()
    watchers: tuple[Watcher, ...] = ()
