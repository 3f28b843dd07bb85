"""What a run saw: the vocabulary of the runner. Plain, serialisable data.

Events are what was logged, by which line, with which weight; beside them stand the numbers that
need torch to compute and are therefore computed where torch is: replayed metrics, digests of
weights, values read back from files. ``records.py`` makes records of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pl_lint.facts.building import Building
from pl_lint.findings import Location


@dataclass(frozen=True)
class LogEvent:
    """One call of ``self.log`` (each key of a ``self.log_dict`` is one).

    ``name`` is the key as Lightning's ``callback_metrics`` has it (with the dataloader suffix,
    without the ``_step``/``_epoch`` fork). ``value`` is None for a metric object. ``weight`` is the
    batch size that Lightning used, ``samples`` the one counted by the kit's own loader (None
    outside of batches). ``origin`` says what made the value: ``object:val_f1``, ``forward:val_f1``,
    ``compute:val_f1`` or nothing. ``normalisers`` maps a place in the code to the number by which
    the value was divided there (tokens, pixels, summed class weights); ``reductions`` are the
    operations that made one number of many (``sum``, ``max``, ``mean``, ``other``). Both are known
    of a followed run only. ``dtype`` is that of a tensor in half precision, empty for all others.
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
    dtype: str = ""
    reductions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Replay:
    """A logged epoch value that comes from a torchmetrics metric, and what it should have been.

    ``true`` is the metric of this epoch's own inputs: a fresh, reset clone updated with them once.
    ``formulas`` holds what known mistakes would have logged on the same inputs, by code.
    ``mixed_scores``: some of its batches hold probabilities only, others scores beyond [0, 1].
    ``sizes`` are the samples of the batches that it was given, where they are counted.
    ``left_over`` is what a best-so-far tracker that still holds the score of the sanity check would
    say, had that been the best.
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
    finite_inputs: bool = True
    mixed_scores: bool = False
    left_over: float | None = None
    sizes: tuple[int, ...] = ()


@dataclass(frozen=True)
class Accumulator:
    """A number or a list of a module that changed while it evaluated: what it held after each
    batch, or what each batch appended. ``dtype`` as torch calls it, empty for Python's own."""

    name: str
    dtype: str
    values: tuple[float, ...]
    is_list: bool = False

    @property
    def given(self) -> tuple[float, ...]:
        """What each batch added."""
        if self.is_list:
            return self.values
        before = (0.0, *self.values)
        return tuple(now - then for then, now in zip(before, self.values, strict=False))


@dataclass(frozen=True)
class MonitorLook:
    """A callback or scheduler that looked at a monitored key, when, and what it saw there."""

    watcher: str
    key: str
    value: float
    stage: str
    epoch: int
    batch: int


@dataclass(frozen=True)
class NotFinite:
    """The first NaN or Inf that was logged under a key, and the operation that made it.

    ``operation`` is in words ("log of 0") and empty where no operation made it out of finite
    numbers; ``in_metric``: the operation was torchmetrics' own. ``broken`` names a parameter that
    was no longer finite.
    """

    name: str
    stage: str
    operation: str = ""
    location: Location | None = None
    in_metric: bool = False
    broken: str = ""


@dataclass(frozen=True)
class EpochValues:
    """The epoch-level values of one pass over the data, as ``trainer.callback_metrics`` has
    them. ``seen`` is a fingerprint of the samples that were served, whatever their order, and
    ``sizes`` how many of them each batch had, where the kit cut them."""

    stage: str
    epoch: int
    values: Mapping[str, float]
    seen: str = ""
    sizes: tuple[int, ...] = ()


# The ways in which the same samples are cut into batches, by label.
WHOLE = "whole"  # all in one batch: the truth
USUAL = "usual"  # a batch size that people use, the last batch uneven
ALL_BUT_ONE = "all but one"  # the most uneven cut: one sample weighs as much as all the others
ONES = "ones"
SHUFFLED = "shuffled"
AGAIN = "again"  # the usual cut with other seeds: what moves is random
REPEATED = "repeated"  # the usual cut after half of it: what moves was not reset
HALF = "half"  # half of the samples: what does not move has nothing to show
ALONE = "alone"  # one of several dataloaders, the others empty; its number follows


@dataclass(frozen=True)
class Batching:
    """How the samples were cut into batches: counted by the kit, never taken from Lightning."""

    label: str
    sizes: tuple[int, ...]
    shuffled: bool = False


@dataclass(frozen=True)
class EvaluationPass:
    """One ``trainer.validate`` or ``trainer.test`` over the same samples, cut in one way.

    ``seen`` is a fingerprint of what was served for them: a data set may draw."""

    stage: str
    batching: Batching
    values: Mapping[str, float] = field(default_factory=dict)
    events: tuple[LogEvent, ...] = ()
    replays: tuple[Replay, ...] = ()
    training_submodules: tuple[str, ...] = ()
    error: RunError | None = None
    accumulators: tuple[Accumulator, ...] = ()
    not_finite: tuple[NotFinite, ...] = ()
    seen: str = ""


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
    it says so, and how many were made, by Lightning and by anyone.

    ``unit`` is what its horizon counts ("steps", "epochs"), where the code says so, ``because`` how
    it does, and ``by_name`` that only the name of a hyper-parameter says it.
    ``interval`` is empty for one that ``configure_optimizers`` returned under a key that Lightning
    does not know; ``frequency`` is how many of these intervals pass between two steps, and
    ``optimizer`` the number of the one that it steers. ``alone`` are the learning rates at the
    start, at each quarter and at the end when the scheduler is stepped over its whole horizon, or
    over the steps of the fit where it names none. Then ``curve`` are its rates (those of all groups
    together) over twice as many steps, if a function of the user's own may draw them.
    ``own`` is the rate at the start, at its highest and at the end of the user's own training, in
    which it is stepped ``planned`` times, as far as the case or a script (``place``) says so;
    ``turns`` is how often the rate then rises again after it fell. ``mentioned`` are the user's
    methods that could step it by hand.
    """

    name: str
    horizon: int | None
    stepped: int
    location: Location | None = None
    by_lightning: int = 0
    interval: str = ""
    unit: str = ""
    because: str = ""
    by_name: bool = False
    dropped_keys: tuple[str, ...] = ()
    frequency: int = 1
    optimizer: int = 0
    alone: tuple[float, ...] = ()
    curve: tuple[float, ...] = ()
    planned: int | None = None
    place: str = ""
    own: tuple[float, ...] = ()
    turns: int = 0
    mentioned: tuple[str, ...] = ()


@dataclass(frozen=True)
class LoggerPoint:
    """One point of one curve, as it was handed to the logger or as the logger's file holds it."""

    tag: str
    step: int
    value: float


TIME_LIMIT = "TimeLimit"
"""The kind of the error of a run that was not done in time, where that proves nothing."""


UNCUT = "its data cannot be cut anew"
"""What is said of loaders that the kit could not rebuild."""


@dataclass(frozen=True)
class RunError:
    """An exception that ended a run. ``location`` is the last line of the user's own code in it,
    ``stack`` all of them as text, outermost first, and the call of torch.distributed behind them,
    if one waited there. ``raised_in`` is the module, as Python names it, whose code raised it."""

    kind: str
    message: str
    during: str = ""
    location: Location | None = None
    traceback: str = ""
    stack: tuple[str, ...] = ()
    raised_in: str = ""

    @property
    def is_uncut(self) -> bool:
        """Whether the kit could not rebuild a loader, for the reason that the message is."""
        return self.kind == "NotRebuilt"

    def __str__(self) -> str:
        if self.is_uncut:
            return f"{UNCUT}: {self.message}"
        place = f" at {self.location}" if self.location else ""
        return f"{self.kind}: {self.message}{place}"


@dataclass(frozen=True)
class CaseFacts:
    """What the case turned out to be when it was built, and what its author declared about it.

    ``building`` is how a script builds it; None where nobody has asked. ``precision`` is that of
    its Trainer arguments, and ``loggers`` the classes of its loggers there; None where it names
    none."""

    module: str
    path: str
    line: int
    namespace: str
    stages: tuple[str, ...]
    expected_failures: Mapping[str, str] = field(default_factory=dict)
    batch_dependent: Mapping[str, str] = field(default_factory=dict)
    tolerances: Mapping[str, float] = field(default_factory=dict)
    building: Building | None = None
    precision: str = ""
    loggers: tuple[str, ...] | None = None
    recorded: tuple[str, ...] = ()

    @property
    def home(self) -> Location:
        """Where the module's class stands: the place of what has no line of its own."""
        return Location(self.path, self.line)


@dataclass(frozen=True)
class Note:
    """A remark, by a run or by a check: what it is about (a key, an attribute, a stage), and what
    is said of that. ``about`` is empty where the text is a sentence that names it itself."""

    about: str
    text: str

    @property
    def subject(self) -> str:
        """Two notes with one subject say the same of it; a sentence is about what it says."""
        return self.about or self.text

    def __str__(self) -> str:
        return f"{self.about}: {self.text}" if self.about else self.text


def sentence(text: str) -> Note:
    """A note that says in its own words what it is about."""
    return Note("", text)
