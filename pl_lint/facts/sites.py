"""What may happen, and where: the vocabulary of the reader. Plain data, no syntax trees.

Rules see nothing else, so each field says as much as reading can know and no more: a ``Value`` is
Known, OneOf, Pattern or Unknown, and an origin names what a logged value was made of.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from pl_lint.facts.behaviour import (
    ContainerSite,
    ImportSite,
    ReadSite,
    RemovedNameSite,
    ReturnSite,
    TrainerReadSite,
)
from pl_lint.facts.data import LoaderSite, StreamSite
from pl_lint.facts.origins import NO_ORIGIN, UNPACKED, Origin, Pairs
from pl_lint.facts.stages import Stage
from pl_lint.facts.values import UNKNOWN, Known, Value, may_be
from pl_lint.findings import Location

ABSENT, YES, NO, MEAN = Known(None), Known(True), Known(False), Known("mean")

# --- logging --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class LogSite:
    """One way to reach one ``self.log`` or ``self.log_dict`` call.

    A call that two hooks reach, or that a helper makes with two bound constants, is several sites
    with the same location. ``on_step`` and ``on_epoch`` are resolved: where the call leaves them
    out they are the defaults of ``hook``. ``hook`` is empty where no hook was seen to reach the
    call. ``sampled``: a condition on the batch index stands before the call. ``guards`` are the
    names in the conditions and decorators around it, ``function`` is the one it stands in.
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
    guards: tuple[str, ...] = ()
    function: str = ""
    prog_bar: Value = NO
    enable_graph: Value = NO

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


# --- calls and assignments ------------------------------------------------------------------------


@dataclass(frozen=True)
class CallSite:
    """One way to reach one call that some rule asked for (``calls=`` of its decorator).

    ``name`` is spelled as the library spells it, Lightning's things by their canonical name;
    ``self.x`` is a method of the class, ``.x`` one of an object that nothing is known of.
    ``receiver`` is the text before the last dot (``""`` where it is no plain name). ``guards``: the
    identifiers in the conditions that the call stands under, in the decorators of its functions,
    and in conditions that left the function before. ``within``: the context managers around it.
    ``assigned`` is what the result is assigned to (``self.x``), ``then`` the methods that are
    called on it, or on what it is an argument of, in the same expression. ``bound``: the receiver
    is surely an object, no class. ``dropped``: nothing is done with what the call returns.
    """

    name: str
    location: Location
    owner: str = ""
    hook: str = ""
    stage: Stage | None = None
    function: str = ""
    arguments: Pairs = ()
    origins: tuple[tuple[str, Origin], ...] = ()
    receiver: str = ""
    receiver_origin: Origin = NO_ORIGIN
    guards: tuple[str, ...] = ()
    within: tuple[str, ...] = ()
    assigned: str = ""
    then: tuple[str, ...] = ()
    bound: bool = False
    dropped: bool = False

    @property
    def complete(self) -> bool:
        """Whether every argument is seen: no ``*`` or ``**`` hides some."""
        return UNPACKED not in dict(self.arguments)

    def argument(self, name: str, position: int = -1) -> Value:
        """What is given for a parameter: Known(None) where it is surely left out."""
        given = dict(self.arguments)
        value = given.get(name, given.get(str(position)))
        return value if value is not None else (ABSENT if self.complete else UNKNOWN)

    def gives(self, name: str, position: int = -1) -> bool:
        """Whether a parameter is seen to be given."""
        given = dict(self.arguments)
        return name in given or str(position) in given

    def origin(self, name: str, position: int = -1) -> Origin:
        """What a parameter is made of."""
        given = dict(self.origins)
        return given.get(name, given.get(str(position), NO_ORIGIN))


@dataclass(frozen=True)
class AssignmentSite:
    """``self.attribute = value`` in a Lightning class, or ``+=`` where ``augmented``."""

    attribute: str
    value: Value
    origin: Origin
    location: Location
    augmented: bool = False
    hook: str = ""
    stage: Stage | None = None
    function: str = ""
    guards: tuple[str, ...] = ()


@dataclass(frozen=True)
class ReachSite:
    """``owner.attribute = value`` on something that is not the class itself, in a class that
    Lightning calls: ``self.trainer.datamodule.dataset.level = 3``. ``receiver`` is the text before
    the last dot."""

    receiver: str
    attribute: str
    owner: str
    hook: str
    stage: Stage | None
    location: Location


@dataclass(frozen=True)
class GlobalSite:
    """A ``global`` statement in a method of a class that Lightning calls."""

    names: tuple[str, ...]
    owner: str
    hook: str
    stage: Stage | None
    location: Location


# --- metrics --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class MetricSite:
    """A torchmetrics object that a class makes.

    ``path`` is how the class reaches it: ``val_f1``, ``metrics[val]``; ``name`` its class as
    imported, ``arguments`` what it is built with, ``hook`` where it is made (``""``: it is not
    known to be a hook). ``members`` are the paths of what a collection holds.
    """

    path: str
    name: str
    arguments: Pairs
    location: Location
    container: str = ""
    hook: str = ""
    members: tuple[str, ...] = ()

    @property
    def class_name(self) -> str:
        return self.name.rpartition(".")[2]


@dataclass(frozen=True)
class MetricUse:
    """One thing done to a metric; ``certain`` unless it may be another metric that is meant.

    ``given`` are the arguments by name or position, as they are written and by what they are made
    of; ``guards`` the names in the conditions and decorators around it.
    """

    metric: str
    use: Literal["forward", "update", "compute", "reset", "log"]
    hook: str
    stage: Stage | None
    location: Location
    certain: bool = True
    given: tuple[tuple[str, str, Origin], ...] = ()
    guards: tuple[str, ...] = ()


# --- what else a class does -----------------------------------------------------------------------


@dataclass(frozen=True)
class MethodSite:
    """A method as the class body defines it.

    ``called``: its class calls it, or some code of the project names it (``model.on_something``).
    ``keywords``: it takes any (``**kwargs``). ``unused``: the parameters that its body never names.
    """

    name: str
    parameters: tuple[str, ...]
    required: tuple[str, ...]
    star_arguments: bool
    location: Location
    called: bool = False
    decorators: tuple[str, ...] = ()
    keywords: bool = False
    words: frozenset[str] = frozenset()
    unused: tuple[str, ...] = ()


@dataclass(frozen=True)
class ListSite:
    """Something done to a Python list attribute; ``methods`` are those that what is added ends
    with: ``("item",)`` of ``loss.item()``; ``added`` is what ``append`` was given, as it is
    written."""

    attribute: str
    action: Literal["append", "clear"]
    hook: str
    stage: Stage | None
    location: Location
    methods: tuple[str, ...] = ()
    added: str = ""


@dataclass(frozen=True)
class CheckpointKeySite:
    """A key of the checkpoint's own dict that ``on_save_checkpoint`` writes or
    ``on_load_checkpoint`` reads. ``named_again``: the project writes it as a text elsewhere too."""

    key: str
    hook: str
    location: Location
    named_again: bool = False


@dataclass(frozen=True)
class DeviceSite:
    """A device written into the code of a Lightning class."""

    text: str
    hook: str
    location: Location
    guards: tuple[str, ...] = ()


@dataclass(frozen=True)
class SchedulerSite:
    """A learning-rate scheduler as ``configure_optimizers`` returns it.

    ``interval`` is Known(None) where the configuration leaves it out. ``per_step``: it is built
    with a number of optimizer steps (``total_steps``, ``estimated_stepping_batches``);
    ``per_epoch``: its length is a number of epochs (``total_steps=max_epochs``). ``monitor`` is
    Known(None) where no key is given.
    """

    name: str
    arguments: Pairs
    interval: Value
    form: Literal["list", "dict", "bare"]
    per_step: bool
    location: Location
    per_epoch: bool = False
    monitor: Value = UNKNOWN


@dataclass(frozen=True)
class ParameterSite:
    """A parameter of ``__init__``: its annotation as written, what it is left at, and the
    attributes that it is stored under as it is (``self.net = net``)."""

    name: str
    annotation: str = ""
    default: Value = UNKNOWN
    attributes: tuple[str, ...] = ()
    required: bool = False


@dataclass(frozen=True)
class HyperparameterSite:
    """The parameters of ``__init__`` and whether they are saved."""

    parameters: tuple[str, ...]
    saved: bool
    location: Location
    details: tuple[ParameterSite, ...] = ()


@dataclass(frozen=True)
class ClassFacts:
    """A Lightning class with everything it inherits from the files read.

    ``open``: some base is neither among the files read nor a class whose hooks are known, so it
    may hold anything. ``lightning`` is the newest Lightning version that the code around the class
    admits (``""``: any). ``optimization`` says who steps the optimizers (``unknown`` where a
    base that was not read, or a condition, decides).
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
    assignments: tuple[AssignmentSite, ...] = ()
    devices: tuple[DeviceSite, ...] = ()
    checkpoint_keys: tuple[CheckpointKeySite, ...] = ()
    schedulers: tuple[SchedulerSite, ...] = ()
    hyperparameters: HyperparameterSite | None = None
    optimization: Literal["automatic", "manual", "unknown"] = "automatic"
    returns: tuple[ReturnSite, ...] = ()
    containers: tuple[ContainerSite, ...] = ()
    reads: tuple[ReadSite, ...] = ()
    trainer_reads: tuple[TrainerReadSite, ...] = ()

    @property
    def manual_optimization(self) -> bool:
        return self.optimization == "manual"

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
    where there are none. ``lightning`` is the newest version that the code around it admits.
    """

    watcher: str
    key: Value
    location: Location
    mode: Value = UNKNOWN
    filename: Value = ABSENT
    auto_insert_metric_name: Value = YES
    every_n_train_steps: Value = ABSENT
    modules: tuple[str, ...] = ()
    lightning: str = ""
    arguments: Pairs = ()
    places: tuple[tuple[str, Location], ...] = ()

    def at(self, *names: str) -> Location:
        """Where the first of these arguments stands that has a place of its own (in settings each
        has a line); else the whole."""
        return _first_place(self, names)

    def argument(self, name: str, position: int = -1) -> Value:
        """What is given for a parameter: Known(None) where it is surely left out."""
        given = dict(self.arguments)
        default: Value = UNKNOWN if UNPACKED in given else ABSENT
        return given.get(name, given.get(str(position), default))


@dataclass(frozen=True)
class StrayLog:
    """A key that reaches the monitors by another way than ``self.log`` in a class of ``classes``:
    a callback's ``pl_module.log``, an assignment to ``trainer.callback_metrics``."""

    key: Value
    location: Location


@dataclass(frozen=True)
class TrainerSite:
    """A Trainer and what it is built with. ``places`` are the lines of settings, ``keywords`` the
    places of a call's keyword arguments."""

    arguments: Pairs
    complete: bool
    location: Location
    places: tuple[tuple[str, Location], ...] = ()
    keywords: tuple[tuple[str, Location], ...] = ()

    def at(self, *names: str) -> Location:
        """Where the first of these arguments stands that has a place of its own."""
        return _first_place(self, names)

    def keyword(self, name: str) -> Location:
        """Where an argument stands itself; the whole where it has no place of its own."""
        return dict(self.keywords).get(name, self.at(name))

    def argument(self, name: str) -> Value:
        default: Value = ABSENT if self.complete else UNKNOWN
        return dict(self.arguments).get(name, default)


def _first_place(site: MonitorSite | TrainerSite, names: tuple[str, ...]) -> Location:
    known = dict(site.places)
    return next((known[name] for name in names if name in known), site.location)


@dataclass(frozen=True)
class TrainerCall:
    """``trainer.fit(...)`` and its sisters, in the order of the scope they stand in.

    ``scope`` names the function; ``model`` and ``ckpt_path`` are Known(None) where left out.
    ``monitored``: the trainer has a ModelCheckpoint that watches a key. ``reloaded``: the model
    was given other weights before by ``load_state_dict`` or comes from ``load_from_checkpoint``
    (``from_checkpoint``).
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
    from_checkpoint: bool = False


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
class SuppressionSite:
    """A comment that hides findings with ``codes``, of which ``unused`` hide none.

    ``location`` is the whole comment with the blanks before it, ``named`` where its codes stand.
    """

    location: Location
    named: Location
    codes: tuple[str, ...]
    unused: tuple[str, ...] = ()


@dataclass(frozen=True)
class ProjectFacts:
    """Everything that was read, over all files of the run."""

    classes: tuple[ClassFacts, ...] = ()
    monitors: tuple[MonitorSite, ...] = ()
    stray_logs: tuple[StrayLog, ...] = ()
    trainers: tuple[TrainerSite, ...] = ()
    trainer_calls: tuple[TrainerCall, ...] = ()
    calls: tuple[CallSite, ...] = ()
    seeds: tuple[SeedSite, ...] = ()
    splits: tuple[SplitSite, ...] = ()
    reaches: tuple[ReachSite, ...] = ()
    globals: tuple[GlobalSite, ...] = ()
    cases: tuple[CaseSite, ...] = ()
    suppressions: tuple[SuppressionSite, ...] = ()
    imports: tuple[ImportSite, ...] = ()
    removed_names: tuple[RemovedNameSite, ...] = ()
    lightning: tuple[tuple[str, str], ...] = ()
    loaders: tuple[LoaderSite, ...] = ()
    streams: tuple[StreamSite, ...] = ()

    def lightning_at(self, location: Location) -> str:
        """The newest Lightning that the code around a place admits; empty without a limit."""
        return self._lightning_by_path.get(location.path, "")

    @cached_property
    def _lightning_by_path(self) -> Mapping[str, str]:
        return dict(self.lightning)

    def modules(self) -> tuple[ClassFacts, ...]:
        return tuple(found for found in self.classes if found.kind == "module")

    def calls_of(self, *names: str) -> tuple[CallSite, ...]:
        """The calls of these names, ``.x`` of a method whatever its object is."""
        return tuple(site for name in names for site in self._calls_by_name.get(name, ()))

    def calls_in(self, owner: ClassFacts, *names: str) -> tuple[CallSite, ...]:
        """The same, of one Lightning class with what it inherits."""
        return tuple(site for site in self.calls_of(*names) if site.owner == owner.name)

    @cached_property
    def _calls_by_name(self) -> Mapping[str, list[CallSite]]:
        found: dict[str, list[CallSite]] = {}
        for site in self.calls:
            found.setdefault(site.name, []).append(site)
            found.setdefault(f".{site.name.rpartition('.')[2]}", []).append(site)
            for keyword, _ in site.arguments:
                found.setdefault(f"{keyword}=", []).append(site)
        return found

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
