"""A Lightning class, and what it does beside logging."""

from __future__ import annotations

from typing import Literal

from pl_lint.facts.origins import Pairs
from pl_lint.facts.sites.behaviour import (
    ContainerSite,
    GivenReadSite,
    LoggedReadSite,
    MemberReadSite,
    ReadSite,
    ReturnSite,
)
from pl_lint.facts.sites.calls import AssignmentSite, ItemSite
from pl_lint.facts.sites.logged import (
    HeldSite,
    LogSite,
    MeterUse,
    MetricItemSite,
    MetricSite,
    MetricUse,
    within,
)
from pl_lint.facts.stages import Stage
from pl_lint.facts.values import UNKNOWN, Value
from pl_lint.findings import Location
from pl_lint.plain import frozen


@frozen
class MethodSite:
    """A method as the class body defines it.

    ``called``: its class calls it, or some code of the project names it (``model.on_something``).
    ``keywords``: it takes any (``**kwargs``). ``unused``: the parameters that its body never names.
    ``picked``: the attributes of which it only takes single numbers (``self.bounds[0]``), which are
    good on any device. ``refuses``: it does nothing but raise;
    ``hands_up``: nothing but call what it overrides.
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
    picked: frozenset[str] = frozenset()
    refuses: bool = False
    hands_up: bool = False


@frozen
class ListSite:
    """Something done to a Python list attribute. ``clear`` without a name is of any: what
    ``setattr(self, name, [])`` is given as the name is not known. ``methods`` are those that what
    is added ends with: ``("item",)`` of ``loss.item()``; ``added`` is what ``append`` was given, as
    it is written; ``guards`` are the names in the conditions around it. ``kept``: what that holds,
    each as it is written: the items of a dict or tuple, else the whole; a local name that is
    assigned once is what it was assigned. Nothing where no graph is recorded. ``cut``: its file
    takes a part of the list that does not begin with its first entry (``losses[1:]``).
    ``written``: the list behind ``self.``, as it is written: ``losses``, or ``losses['val']`` of a
    dict of lists. ``read``: the same function looks at what the list holds."""

    attribute: str
    action: Literal["append", "clear"]
    hook: str
    stage: Stage | None
    location: Location
    methods: tuple[str, ...] = ()
    added: str = ""
    guards: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    cut: bool = False
    written: str = ""
    read: bool = False


@frozen
class CheckpointKeySite:
    """A key of the checkpoint's own dict that ``on_save_checkpoint`` writes or
    ``on_load_checkpoint`` reads, or of the dict that ``state_dict`` returns and
    ``load_state_dict`` takes apart. ``named_again``: the project writes it as a text elsewhere
    too."""

    key: str
    hook: str
    location: Location
    named_again: bool = False


@frozen
class DeviceSite:
    """A device written into the code of a Lightning class."""

    text: str
    hook: str
    location: Location
    guards: tuple[str, ...] = ()


@frozen
class SchedulerSite:
    """A learning-rate scheduler as ``configure_optimizers`` returns it.

    ``interval`` is Known(None) where the configuration leaves it out. ``per_step``: it is built
    with a number of optimizer steps (``total_steps``, ``estimated_stepping_batches``);
    ``per_epoch``: its length is a number of epochs (``total_steps=max_epochs``). ``length``: what
    says how long it is, as it is written, where that is a name (``self.trainer.max_epochs``), or a
    local name for one; one or a few more or less left out. ``monitor`` is
    Known(None) where no key is given, and so are ``frequency`` and ``strict`` beside it.
    ``others``: in another branch something unknown may stand in its place.
    """

    name: str
    arguments: Pairs
    interval: Value
    form: Literal["list", "dict", "bare"]
    per_step: bool
    location: Location
    per_epoch: bool = False
    length: str = ""
    monitor: Value = UNKNOWN
    frequency: Value = UNKNOWN
    strict: Value = UNKNOWN
    others: bool = False


@frozen
class ParameterSite:
    """A parameter of ``__init__``: its annotation as written, what it is left at, and the
    attributes that it is stored under as it is (``self.net = net``).

    ``holds`` is what it surely holds, by an annotation that names a class of the project, or by its
    default: an Enum member, an object, a class or a function; ``of`` is the class of the project
    that the annotation names, ``told`` what says so (``mode: Mode``, ``act=nn.ReLU``, or that the
    class calls it: ``self.hparams.optimizer(...)``).
    ``rebound``: ``__init__`` gives its name to something else. ``used``: the methods that read such
    an attribute, and ``__init__`` where it gives the parameter to something.
    """

    name: str
    annotation: str = ""
    default: Value = UNKNOWN
    attributes: tuple[str, ...] = ()
    required: bool = False
    holds: Literal["", "enum", "object", "class", "function"] = ""
    of: str = ""
    told: str = ""
    rebound: bool = False
    used: tuple[str, ...] = ()


@frozen
class NetworkSite:
    """A network of the project that Lightning does not call, and that takes pretrained weights:
    its methods with those that it inherits from the files read, and the parameters of its
    ``__init__``. ``rebound``: the attributes that are given more than one value."""

    name: str
    location: Location
    methods: tuple[MethodSite, ...] = ()
    parameters: tuple[ParameterSite, ...] = ()
    rebound: frozenset[str] = frozenset()

    @property
    def short_name(self) -> str:
        return self.name.rpartition(".")[2]


@frozen
class HyperparameterSite:
    """The parameters of ``__init__`` and whether they are saved."""

    parameters: tuple[str, ...]
    saved: bool
    location: Location
    details: tuple[ParameterSite, ...] = ()


@frozen
class ClassFacts:
    """A Lightning class with everything it inherits from the files read.

    ``open``: some base is neither among the files read nor a class whose hooks are known, so it
    may hold anything. ``lightning`` is the newest Lightning version that the code around the class
    admits (``""``: any). ``optimization`` says who steps the optimizers (``unknown`` where a
    base that was not read, or a condition, decides). ``handed``: each method with an attribute that
    it gives as it is to a function, a container or another name; ``self`` is the whole object.
    ``written``: what its hooks give at the end of an epoch to a logger itself.
    ``given``: the names that its body assigns, and those of its bases (``test_step =
    validation_step``), and the steps that code of the project may give it by their names.
    """

    name: str
    kind: Literal["module", "datamodule", "callback"]
    location: Location
    ancestors: tuple[str, ...] = ()
    open: bool = False
    lightning: str = ""
    own_methods: tuple[MethodSite, ...] = ()
    logs: tuple[LogSite, ...] = ()
    written: tuple[LogSite, ...] = ()
    metrics: tuple[MetricSite, ...] = ()
    uses: tuple[MetricUse, ...] = ()
    lists: tuple[ListSite, ...] = ()
    held: tuple[HeldSite, ...] = ()
    meters: tuple[MeterUse, ...] = ()
    assignments: tuple[AssignmentSite, ...] = ()
    items: tuple[ItemSite, ...] = ()
    devices: tuple[DeviceSite, ...] = ()
    checkpoint_keys: tuple[CheckpointKeySite, ...] = ()
    schedulers: tuple[SchedulerSite, ...] = ()
    hyperparameters: HyperparameterSite | None = None
    optimization: Literal["automatic", "manual", "unknown"] = "automatic"
    returns: tuple[ReturnSite, ...] = ()
    containers: tuple[ContainerSite, ...] = ()
    reads: tuple[ReadSite, ...] = ()
    member_reads: tuple[MemberReadSite, ...] = ()
    handed: frozenset[tuple[str, str]] = frozenset()
    given: frozenset[str] = frozenset()
    logged_reads: tuple[LoggedReadSite, ...] = ()
    given_reads: tuple[GivenReadSite, ...] = ()
    metric_items: tuple[MetricItemSite, ...] = ()

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
