"""What a run leaves: one record for each rank, of the kind that its program fills. Plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from pl_lint.facts.devices import Stranger, WrittenDevice
from pl_lint.facts.events import (
    Accumulator,
    CaseFacts,
    EpochValues,
    EvaluationPass,
    LogEvent,
    LoggerPoint,
    MonitorLook,
    Note,
    NotFinite,
    OptimizerStep,
    Replay,
    RunError,
    SchedulerState,
)
from pl_lint.facts.loggers import LoggedRun
from pl_lint.facts.ranks import RankFit, SharedPass
from pl_lint.facts.repetition import ActiveDropout, Leftover, Source, TrainingBatch, WorkerDraws
from pl_lint.facts.searches import Recipe, Searched
from pl_lint.facts.training import (
    Company,
    CutGraph,
    HookLike,
    ModeChange,
    Overfitting,
    TrainingStory,
)
from pl_lint.facts.watchers import PlantedKeeper, Watcher
from pl_lint.findings import Location


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """What every record says. ``directory`` is where the run left its files."""

    program: ClassVar[str]
    rank: int = 0
    case: CaseFacts | None = None
    error: RunError | None = None
    notes: tuple[Note, ...] = ()
    directory: str = ""


@dataclass(frozen=True, kw_only=True)
class SmokeRecord(RunRecord):
    """The Trainer methods that were tried, and what each of them raised."""

    program = "smoke"
    ran: tuple[str, ...] = ()
    errors: Mapping[str, RunError] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class DeviceRecord(RunRecord):
    """The Trainer methods that were tried on a GPU, emulated or real, and what each raised there.

    ``strangers`` are the tensors that CUDA would have refused, ``written`` the devices that the
    code names, ``made`` the user's lines that made CPU tensors.
    """

    program = "on-device"
    ran: tuple[str, ...] = ()
    errors: Mapping[str, RunError] = field(default_factory=dict)
    strangers: tuple[Stranger, ...] = ()
    written: tuple[WrittenDevice, ...] = ()
    made: tuple[Location, ...] = ()


@dataclass(frozen=True, kw_only=True)
class GpusRecord(RunRecord):
    """The names of the GPUs that torch sees, and its version, which tells whether it could."""

    program = "gpus"
    names: tuple[str, ...] = ()
    torch: str = ""


@dataclass(frozen=True, kw_only=True)
class LoggersRecord(RunRecord):
    """The same few batches under several loggers, the first run being the one that is read back.

    ``asked``: a line of the user's asks for its logger. ``broken``: the first run failed, and so it
    does with a logger that takes anything. ``missing`` are packages that are not installed, and
    ``origins`` what a record of the origin of this run would say.
    """

    program = "loggers"
    runs: tuple[LoggedRun, ...] = ()
    asked: bool = False
    broken: bool = False
    missing: tuple[str, ...] = ()
    origins: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class EvaluationRecord(RunRecord):
    """The same samples, evaluated in several ways."""

    program = "evaluate"
    passes: tuple[EvaluationPass, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """What a module says of some samples: predictions as numbers, or logged values, by name.

    ``stage`` is empty where it has no stage that says anything. ``state`` is what ``state_dict``
    leaves out of the module, as text by name, after that. ``seen`` is a fingerprint of the samples
    that were served, where that was noted.
    """

    stage: str = ""
    values: Mapping[str, float] = field(default_factory=dict)
    error: RunError | None = None
    state: Mapping[str, str] = field(default_factory=dict)
    seen: str = ""


def unsaved(buffer: str) -> str:
    """What a buffer that no checkpoint has is called among the ``states`` of a fit."""
    return f"buffer {buffer} (persistent=False)"


@dataclass(frozen=True, kw_only=True)
class FitRecord(RunRecord):
    """A small fit: what it logged, what each optimizer step changed, what was left at its end.

    ``estimated_steps`` is Lightning's own estimate, ``states`` what a training holds beside its
    weights, as text by moment and name, ``places`` the line that sets each of them. ``watchers``
    are the user's own callbacks and schedulers that watch a key, ``batches`` how many of them the
    user's own epoch has, ``workers`` how many its loader would have. ``unpaired`` says which of the
    module's two checkpoint hooks stands alone. ``digests`` are those of the trained weights,
    ``unsaved`` those of buffers that no checkpoint has, at the ``start`` and the ``end``;
    ``outputs`` what the module of the last checkpoint says, ``validated`` are the digests of the
    weights that the first validation after the sanity check was made with; ``tested`` what
    ``trainer.test`` says of the last weights, of the best by each kept monitor, and of the last
    ones again. ``initial`` are the digests before the first step, ``begun`` what each training
    batch began with.
    ``last_losses`` are the attributes that held the loss of each training batch of the last epoch,
    and of no other.
    """

    program = "fit"
    events: tuple[LogEvent, ...] = ()
    epochs: tuple[EpochValues, ...] = ()
    replays: tuple[Replay, ...] = ()
    initial: Mapping[str, str] = field(default_factory=dict)
    begun: tuple[TrainingBatch, ...] = ()
    steps: tuple[OptimizerStep, ...] = ()
    schedulers: tuple[SchedulerState, ...] = ()
    handed_to_logger: tuple[LoggerPoint, ...] = ()
    read_back: tuple[LoggerPoint, ...] = ()
    digests: Mapping[str, str] = field(default_factory=dict)
    unsaved: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    validated: Mapping[str, str] = field(default_factory=dict)
    estimated_steps: float | None = None
    epochs_planned: int = 0
    epochs_run: int = 0
    parameters: tuple[str, ...] = ()
    states: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    places: Mapping[str, Location] = field(default_factory=dict)
    unpaired: str = ""
    watchers: tuple[Watcher, ...] = ()
    batches: int | None = None
    workers: int = 0
    outputs: Outputs = field(default_factory=Outputs)
    tested: tuple[EvaluationPass, ...] = ()
    looks: tuple[MonitorLook, ...] = ()
    not_finite: tuple[NotFinite, ...] = ()
    training: TrainingStory = field(default_factory=TrainingStory)
    last_losses: tuple[Accumulator, ...] = ()


@dataclass(frozen=True)
class PlainFitRecord(FitRecord):
    """A fit of which nothing was replayed: ``replays``, ``tested`` and ``outputs`` are empty."""

    program = "plain-fit"


@dataclass(frozen=True, kw_only=True)
class ResumeRecord(RunRecord):
    """``fit(ckpt_path=...)``: from the end of the first epoch, and from inside the last one where
    that was saved. ``refused`` is what loading with ``weights_only`` said; then it was loaded
    without. ``starts_anew``: this Lightning begins an interrupted epoch once more, and nothing was
    resumed inside one."""

    program = "resume"
    refused: RunError | None = None
    from_epoch: FitRecord | None = None
    from_middle: FitRecord | None = None
    starts_anew: bool = False


@dataclass(frozen=True, kw_only=True)
class RestoredRecord(RunRecord):
    """What became of a fit that was resumed, or of a module that was loaded, with some of the state
    put back that it had lost; one for each way in which that was asked for."""

    program = "restored"
    fits: tuple[FitRecord, ...] = ()
    outputs: tuple[Outputs, ...] = ()


@dataclass(frozen=True, kw_only=True)
class TrainingRecord(RunRecord):
    """One batch learnt by heart, and where the graph of its first step ended (``cuts``); what the
    samples of a batch do to each other; methods that look like hooks. ``given`` are the submodules
    that the module did not make itself, ``step_place`` is where ``training_step`` begins.
    ``mode_changes`` are those of test and prediction: the fit has those of validation."""

    program = "training"
    step_place: Location | None = None
    overfitting: Overfitting = field(default_factory=Overfitting)
    cuts: tuple[CutGraph, ...] = ()
    company: tuple[Company, ...] = ()
    hook_likes: tuple[HookLike, ...] = ()
    given: tuple[str, ...] = ()
    mode_changes: tuple[ModeChange, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PlantedRecord(RunRecord):
    """What the user's checkpoint callbacks made of planted scores. ``restored`` is the score of the
    weights that ``test(ckpt_path="best")`` then loads, where there is a best."""

    program = "planted"
    keepers: tuple[PlantedKeeper, ...] = ()
    restored: float | None = None


@dataclass(frozen=True, kw_only=True)
class ReloadRecord(RunRecord):
    """``load_from_checkpoint``: ``arguments`` that came back as something else (as built, as
    loaded), those ``ignored``, ``weights`` that differ, and what the loaded module says, twice, to
    see what chance decides. ``refused`` is what loading with ``weights_only`` said; then it was
    loaded without. ``refused_in`` are the entries of the checkpoint that are refused by themselves
    ("hyper_parameters", "optimizer_states"). ``first`` is what the first epoch's checkpoint scores
    on the validation data of the fit, with two seeds; ``first_restored`` the same with the
    callbacks of that checkpoint, ``first_digests`` its weights. ``built`` is the state of a module
    that was just built, as ``Outputs`` has it."""

    program = "reload"
    refused: RunError | None = None
    refused_in: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    arguments: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    weights: tuple[str, ...] = ()
    outputs: Outputs = field(default_factory=Outputs)
    again: Outputs = field(default_factory=Outputs)
    first: Outputs = field(default_factory=Outputs)
    first_again: Outputs = field(default_factory=Outputs)
    first_restored: Outputs = field(default_factory=Outputs)
    first_digests: Mapping[str, str] = field(default_factory=dict)
    built: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class UntrainedRecord(RunRecord):
    """What ``trainer.test`` says of the module as it is ``built``, twice, of one with the trainable
    weights of ``other`` seed, and of the ``trained`` one. ``drawn`` of the ``weights`` tensors that
    a fit would train are others under another seed."""

    program = "untrained"
    weights: int = 0
    drawn: int = 0
    built: Outputs = field(default_factory=Outputs)
    again: Outputs = field(default_factory=Outputs)
    other: Outputs = field(default_factory=Outputs)
    trained: Outputs = field(default_factory=Outputs)


@dataclass(frozen=True, kw_only=True)
class RepeatRecord(RunRecord):
    """Two seeded fits in one process, one after the other; ``shared`` names what the case gave to
    both (the module, the data), ``leftovers`` what the first fit changed outside of them.
    ``workers`` is the most that a loader of the user's has for training or validation,
    ``unordered`` whether one of those hands on batches in the order in which they are done."""

    program = "repeat"
    fits: tuple[FitRecord, ...] = ()
    shared: tuple[str, ...] = ()
    leftovers: tuple[Leftover, ...] = ()
    draws: tuple[WorkerDraws, ...] = ()
    dropouts: tuple[ActiveDropout, ...] = ()
    workers: int = 0
    unordered: bool = False


@dataclass(frozen=True, kw_only=True)
class WorkersRecord(RunRecord):
    """A fit whose loaders keep the workers that the user gave them, as far as the kit goes."""

    program = "workers"
    fit: FitRecord | None = None


@dataclass(frozen=True, kw_only=True)
class TraceRecord(RunRecord):
    """A fit whose every call of something that no seed governs was noted, from the import of the
    case file on."""

    program = "trace"
    fit: FitRecord | None = None
    sources: tuple[Source, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RanksRecord(RunRecord):
    """What one of several ranks (or one process alone) saw of the samples that ranks share, and of
    a short fit, where one was asked for."""

    program = "ranks"
    passes: tuple[SharedPass, ...] = ()
    fit: RankFit | None = None


@dataclass(frozen=True)
class Overflow:
    """The first operation in half precision that made NaN or Inf out of finite inputs."""

    operation: str
    dtype: str
    location: Location


@dataclass(frozen=True)
class ScaledClip:
    """Gradients whose norm was ``norm``, ``scale`` times what it is. ``by_hand``: by a module that
    makes its steps itself."""

    location: Location
    norm: float
    scale: float
    by_hand: bool


@dataclass(frozen=True, kw_only=True)
class PrecisionRecord(RunRecord):
    """A short fit and an evaluation in half precision; ``half_states`` are those of metrics,
    ``half_sums`` the lines that add each batch to a number of the module's own, by its name.

    ``lost`` counts the training batches whose loss was not finite, of ``batches``; ``clipped`` are
    gradients that were clipped while a GradScaler had them scaled.
    """

    program = "precision"
    batches: int = 0
    lost: int = 0
    clipped: tuple[ScaledClip, ...] = ()
    events: tuple[LogEvent, ...] = ()
    epochs: tuple[EpochValues, ...] = ()
    overflow: Overflow | None = None
    half_states: tuple[str, ...] = ()
    half_sums: Mapping[str, Location] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class SearchRecord(RunRecord):
    """What came of searching for small runs that lie, for each kind of run that there is.

    ``recipe`` is None where a script could not draw the same samples; ``error`` is that of the
    training before the search.
    """

    program = "search"
    recipe: Recipe | None = None
    searched: tuple[Searched, ...] = ()
