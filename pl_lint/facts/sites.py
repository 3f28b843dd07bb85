"""What may happen, and where: the vocabulary of the reader. Plain data, no syntax trees.

Rules see nothing else, so each field says as much as reading can know and no more: a ``Value`` is
Known, OneOf, Pattern or Unknown, and an origin names what a logged value was made of.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pl_lint.facts.origins import Origin, Pairs
from pl_lint.facts.values import UNKNOWN, Known, Value, may_be
from pl_lint.findings import Location

Stage = Literal["train", "validate", "test", "predict"]


ABSENT, YES, NO, MEAN = Known(None), Known(True), Known(False), Known("mean")

# --- logging --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class LogSite:
    """One way to reach one ``self.log`` or ``self.log_dict`` call.

    A call that two hooks reach, or that a helper makes with two bound constants, is several sites
    with the same location. ``on_step`` and ``on_epoch`` are resolved: where the call leaves them
    out they are the defaults of ``hook``. ``hook`` is empty where no hook was seen to reach the
    call. ``sampled``: a condition on the batch index stands before the call.
    """

    owner: str
    call: Literal["log", "log_dict"]
    key: Value
    origin: Origin
    hook: str
    stage: Stage | None
    location: Location
    on_step: Value = UNKNOWN
    on_epoch: Value = UNKNOWN
    reduce_fx: Value = MEAN
    sync_dist: Value = NO
    batch_size: Value = ABSENT
    rank_zero_only: Value = NO
    add_dataloader_idx: Value = YES
    logger: Value = ABSENT
    via: tuple[str, ...] = ()
    sampled: bool = False

    @property
    def in_step(self) -> bool:
        """Whether Lightning calls the hook once per batch with the batch."""
        return self.hook.endswith("_step") and self.stage is not None

    def feeds(self, key: str) -> bool:
        """Whether callbacks may find this value under ``key``."""
        base = key.split("/dataloader_idx_")[0]
        if may_be(self.key, base) or may_be(self.key, key):
            return True
        for suffix, flag in (("_step", self.on_step), ("_epoch", self.on_epoch)):
            stem = base.removesuffix(suffix)
            if stem != base and may_be(flag, True) and may_be(self.key, stem):
                return may_be(self.on_step, True) and may_be(self.on_epoch, True)
        return False


# --- metrics --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class MetricSite:
    """A torchmetrics object that a class makes.

    ``path`` is how the class reaches it: ``val_f1``, ``metrics[val]``; ``name`` its class as
    imported, ``arguments`` what it is built with, ``hook`` where it is made (``""``: it is not
    known to be a hook).
    """

    path: str
    name: str
    arguments: Pairs
    location: Location
    container: str = ""
    hook: str = ""

    @property
    def class_name(self) -> str:
        return self.name.rpartition(".")[2]


@dataclass(frozen=True)
class MetricUse:
    """One thing done to a metric; ``certain`` unless it may be another metric that is meant."""

    metric: str
    use: Literal["forward", "update", "compute", "reset", "log"]
    hook: str
    stage: Stage | None
    location: Location
    certain: bool = True


# --- what else a class does -----------------------------------------------------------------------


@dataclass(frozen=True)
class MethodSite:
    """A method as the class body defines it.

    ``called``: its class calls it, or some code of the project names it (``model.on_something``).
    """

    name: str
    parameters: tuple[str, ...]
    required: tuple[str, ...]
    star_arguments: bool
    location: Location
    called: bool = False
    decorators: tuple[str, ...] = ()


@dataclass(frozen=True)
class ListSite:
    """Something done to a Python list attribute."""

    attribute: str
    action: Literal["append", "clear"]
    hook: str
    stage: Stage | None
    location: Location


@dataclass(frozen=True)
class DeviceSite:
    """A device written into the code of a Lightning class."""

    text: str
    hook: str
    location: Location


@dataclass(frozen=True)
class SchedulerSite:
    """A learning-rate scheduler as ``configure_optimizers`` returns it.

    ``interval`` is Known(None) where the configuration leaves it out. ``per_step``: it is built
    with a number of optimizer steps (``total_steps``, ``estimated_stepping_batches``);
    ``per_epoch``: its length is a number of epochs (``total_steps=max_epochs``).
    """

    name: str
    arguments: Pairs
    interval: Value
    form: Literal["list", "dict", "bare"]
    per_step: bool
    location: Location
    per_epoch: bool = False


@dataclass(frozen=True)
class HyperparameterSite:
    """The parameters of ``__init__`` and whether they are saved."""

    parameters: tuple[str, ...]
    saved: bool
    location: Location


@dataclass(frozen=True)
class ClassFacts:
    """A Lightning class with everything it inherits from the files read.

    ``open``: some base is neither among the files read nor a class whose hooks are known, so it
    may hold anything. ``lightning`` is the newest Lightning version that the code around the class
    admits (``""``: any).
    """

    name: str
    kind: Literal["module", "datamodule", "callback"]
    location: Location
    ancestors: tuple[str, ...] = ()
    open: bool = False
    lightning: str = ""
    own_methods: tuple[MethodSite, ...] = ()
    logs: tuple[LogSite, ...] = ()
    metrics: tuple[MetricSite, ...] = ()
    uses: tuple[MetricUse, ...] = ()
    lists: tuple[ListSite, ...] = ()
    devices: tuple[DeviceSite, ...] = ()
    schedulers: tuple[SchedulerSite, ...] = ()
    hyperparameters: HyperparameterSite | None = None
    manual_optimization: bool = False

    @property
    def short_name(self) -> str:
        return self.name.rpartition(".")[2]

    def metric(self, path: str) -> MetricSite | None:
        return next((metric for metric in self.metrics if metric.path == path), None)

    def uses_of(self, path: str) -> tuple[MetricUse, ...]:
        """What is done to a metric; what is done to its collection is done to each member."""
        return tuple(use for use in self.uses if path == use.metric or within(path, use.metric))


def within(path: str, container: str) -> bool:
    """Whether ``metrics[val]`` lies in ``metrics``."""
    return path.startswith(f"{container}[")


# --- scripts --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class MonitorSite:
    """Something that watches a logged key: a callback, or a scheduler's configuration.

    ``modules`` are the classes that are trained with it, or else those that its file knows; empty
    where there are none.
    """

    watcher: str
    key: Value
    location: Location
    mode: Value = UNKNOWN
    filename: Value = ABSENT
    auto_insert_metric_name: Value = YES
    every_n_train_steps: Value = ABSENT
    modules: tuple[str, ...] = ()


@dataclass(frozen=True)
class StrayLog:
    """A key that reaches the monitors by another way than ``self.log`` in a class of ``classes``:
    a callback's ``pl_module.log``, an assignment to ``trainer.callback_metrics``."""

    key: Value
    location: Location


@dataclass(frozen=True)
class TrainerSite:
    """A Trainer and what it is built with."""

    arguments: Pairs
    complete: bool
    location: Location

    def argument(self, name: str) -> Value:
        default: Value = ABSENT if self.complete else UNKNOWN
        return dict(self.arguments).get(name, default)


@dataclass(frozen=True)
class TrainerCall:
    """``trainer.fit(...)`` and its sisters, in the order of the scope they stand in.

    ``scope`` names the function; ``model`` and ``ckpt_path`` are Known(None) where left out.
    ``monitored``: the trainer has a ModelCheckpoint that watches a key. ``reloaded``: the model
    was given other weights before by ``load_state_dict``.
    """

    method: Literal["fit", "validate", "test", "predict"]
    scope: str
    trainer: Location | None
    model: str
    passes_model: bool
    ckpt_path: Value
    monitored: bool
    location: Location
    reloaded: bool = False


@dataclass(frozen=True)
class SeedSite:
    """A call of ``seed_everything``."""

    workers: Value
    location: Location


@dataclass(frozen=True)
class SplitSite:
    """A random split of data; ``seeded`` where a generator or a random state is given."""

    function: str
    seeded: bool
    location: Location


@dataclass(frozen=True)
class CaseSite:
    """A function marked with ``@pl_lint.case``, and the classes that its body builds."""

    path: str
    function: str
    location: Location
    builds: tuple[str, ...] = ()


@dataclass(frozen=True)
class ProjectFacts:
    """Everything that was read, over all files of the run."""

    classes: tuple[ClassFacts, ...] = ()
    monitors: tuple[MonitorSite, ...] = ()
    stray_logs: tuple[StrayLog, ...] = ()
    trainers: tuple[TrainerSite, ...] = ()
    calls: tuple[TrainerCall, ...] = ()
    seeds: tuple[SeedSite, ...] = ()
    splits: tuple[SplitSite, ...] = ()
    cases: tuple[CaseSite, ...] = ()

    def modules(self) -> tuple[ClassFacts, ...]:
        return tuple(found for found in self.classes if found.kind == "module")

    def trained_with(self, monitor: MonitorSite) -> tuple[ClassFacts, ...]:
        """The modules whose values a monitor sees, with what inherits from them.

        None where that is not known: the code that trains may be in a file that was not read.
        """
        names = set(monitor.modules)
        return tuple(
            found
            for found in self.modules()
            if found.name in names or not names.isdisjoint(found.ancestors)
        )
