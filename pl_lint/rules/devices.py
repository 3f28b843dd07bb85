"""Where tensors are, and who decides it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from pl_lint.facts import lightning
from pl_lint.facts.sites import (
    AssignmentSite,
    CallSite,
    ClassFacts,
    ContainerSite,
    DeviceSite,
    LayersSite,
    ProjectFacts,
    in_tests,
)
from pl_lint.facts.values import UNKNOWN, Known, Named
from pl_lint.findings import Finding, Status
from pl_lint.fixes import Assigned, Callee, Change, Fix, Receiver, Replace, SetArgument, Statement
from pl_lint.places import Location
from pl_lint.rules.containers import registered_container
from pl_lint.rules.registry import Rule, rule

ASKED = frozenset({"is_available", "on_gpu", "'cuda'", "'gpu'", "use_cuda", "use_gpu"})
"""Words of a condition that asks for the device before it is used."""


@rule(
    "LTN651",
    "device-written-into-module",
    rows=("DEV01",),
    default=False,
    observers="both",
    calls=(".cuda", ".to"),
)
def device_in_module(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A Lightning class moves tensors to a device that is written into the code.

    What it does
    ------------
    Finds `.cuda()`, `.to("cuda")` and `device="cuda"` in LightningModules, DataModules and
    callbacks, and the first two in the `forward` of plain networks, but for those under a condition
    that asks for the device. Of a device that is chosen (`"cuda:0" if torch.cuda.is_available()
    else "cpu"`) only the number counts: `cuda` alone is the device of the process.

    Why is this bad
    ---------------
    The code fails on a machine without that device, and with several devices everything lands on
    the first one.

    Example
    -------
        def training_step(self, batch, batch_idx):
            noise = torch.randn(batch.shape).cuda()

    Use instead
    -----------
        def training_step(self, batch, batch_idx):
            noise = torch.randn(batch.shape, device=self.device)

    When to ignore
    --------------
    Where the code is for one machine with one device.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/accelerators/accelerator_prepare.html
    """
    for owner in facts.classes:
        for site in owner.devices:
            if ASKED.intersection(site.guards):
                continue
            yield self.finding(
                site.location,
                f"{site.text} ties {owner.short_name} to one kind of device",
                remedy="use self.device, or register the tensor with self.register_buffer",
                subject=owner.short_name,
                fix=_on_own_device(owner, site),
            )
    for call in _in_networks(facts, ".cuda", ".to") if facts.modules() else ():
        text = _written_device(call)
        if text and not ASKED.intersection(call.guards):
            yield self.finding(
                call.location,
                f"{text} ties {call.home} to one kind of device",
                remedy="take the device of what forward is given, or register a buffer",
                subject=call.home,
            )


def _written_device(call: CallSite) -> str:
    """The device that a tensor is surely moved to, as ``forward`` says it."""
    if call.name.endswith(".cuda"):
        return ".cuda()" if not call.arguments else ""
    given = call.argument("device", 0)
    text = given.value if isinstance(given, Known) and isinstance(given.value, str) else ""
    return f'"{text}"' if text.startswith(("cuda", "mps")) else ""


def _on_own_device(owner: ClassFacts, site: DeviceSite) -> Fix | None:
    """The module's device, which is known once it has been moved."""
    if owner.kind != "module" or not site.hook or site.hook == "__init__":
        return None
    call = site.location
    changes: tuple[Change, ...] = (SetArgument(call, "device", "self.device", 0),)
    if site.text == ".cuda()":
        changes = (Replace(Callee(call), (Receiver(call), ".to")), *changes)
    return Fix("use self.device", changes)


FACTORIES = tuple(
    f"torch.{name}"
    for name in ("zeros", "ones", "randn", "rand", "eye", "linspace", "full", "empty", "normal")
)
INDICES = ("torch.arange", "torch.randint", "torch.randperm")
DEVICE, INIT = "self.device", "__init__"
MOVING = (".to", ".cuda", ".type_as", ".cpu")
LISTED = frozenset({"item", "tolist", "numpy", "numel", "size"})
MOVED = frozenset(word.lstrip(".") for word in MOVING) | {"item", "tolist", "numpy"}


@rule(
    "LTN652",
    "tensor-made-on-the-cpu",
    rows=("DEV02",),
    status=Status.SUSPECTED,
    condition="on a GPU, if the tensor meets one of the batch",
    default=False,
    observers="both",
    calls=(*FACTORIES, *INDICES, *MOVING),
)
def made_on_cpu(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A step makes a tensor without saying on which device.

    What it does
    ------------
    Finds `torch.zeros`, `torch.randn` and the like without `device=` in the steps and the `forward`
    of a LightningModule, where nothing moves the result, and in the `forward` of plain networks
    that move nothing at all. Indices (`torch.randint`, `torch.arange`) only where an embedding, or
    `forward`, is given them: they may pick from anywhere.

    Why is this bad
    ---------------
    The tensor is on the CPU and the batch on the GPU: "expected all tensors to be on the same
    device", on the first machine that has one.

    Example
    -------
        def training_step(self, batch, batch_idx):
            noise = torch.randn(batch.shape)
            return self.loss(batch + noise)

    Use instead
    -----------
        def training_step(self, batch, batch_idx):
            noise = torch.randn(batch.shape, device=self.device)
            return self.loss(batch + noise)

    When to ignore
    --------------
    Where the tensor is used as a Python number, or as an index.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/accelerators/accelerator_prepare.html
    """
    for owner in facts.modules():
        moved = {(site.function, site.receiver) for site in facts.calls_in(owner, *MOVING)}
        fed = [site for site in facts.calls_in(owner, *INDICES) if site.fed]
        for site in (*facts.calls_in(owner, *FACTORIES), *fed):
            in_step = site.hook.endswith("_step") or site.function == "forward"
            placed = site.gives("device") or not site.complete or MOVED.intersection(site.then)
            if in_step and not placed and (site.function, site.assigned) not in moved:
                yield self.finding(
                    site.location,
                    f"{site.name} makes a tensor on the CPU, wherever the batch is",
                    remedy="add device=self.device",
                    subject=owner.short_name,
                    fix=Fix("add device=self.device", (_here(site),)),
                )
    moves = {(one.home, one.location.path) for one in _in_networks(facts, *MOVING)}
    for site in _in_networks(facts, *FACTORIES) if facts.modules() else ():
        beside = (site.home, site.location.path)
        number = isinstance(site.argument("size", 0), Known) and not site.gives("", 1)
        if not (site.gives("device") or number or beside in moves or not site.complete):
            yield self.finding(
                site.location,
                f"{site.name} makes a tensor on the CPU, wherever the batch is",
                remedy="add device=... of what forward is given",
                subject=site.home,
            )


def _in_networks(facts: ProjectFacts, *names: str) -> Iterator[CallSite]:
    """The calls in ``forward`` of the project's plain networks."""
    for site in facts.calls_of(*names):
        plain = not site.owner and bool(site.home) and site.function == "forward"
        if plain and not in_tests(site.location):
            yield site


def _here(site: CallSite) -> SetArgument:
    return SetArgument(site.location, "device", "self.device")


@rule(
    "LTN653",
    "trainer-asked-too-early",
    rows=("DEV03",),
    calls=(*FACTORIES, "torch.tensor", "torch.arange", *MOVING),
)
def asked_too_early(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """`__init__` of a LightningModule asks for the Trainer, the logger or the device.

    What it does
    ------------
    Finds `self.trainer` and `self.logger` in `__init__` and in what it calls, and attributes that
    are tensors made with `device=self.device` or `.to(self.device)` there, or worked out from such
    tensors, and used later, where nothing moves them.

    Why is this bad
    ---------------
    There is no Trainer yet: `self.trainer` raises a RuntimeError, and `self.logger` is None. The
    device is the CPU still, and the tensor stays there when Lightning moves the module.

    Example
    -------
        class Model(LightningModule):
            def __init__(self):
                super().__init__()
                self.epochs = self.trainer.max_epochs

    Use instead
    -----------
        class Model(LightningModule):
            def setup(self, stage):
                self.epochs = self.trainer.max_epochs

    When to ignore
    --------------
    Never, unless the code is only reached later.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/common/lightning_module.html#trainer
    """
    for owner in facts.modules():
        told: set[str] = set()
        for read in owner.reads:
            asked = read.hook == INIT and read.attribute in ("trainer", "logger")
            safe = {"_trainer", "trainer", *told}  # `if self.logger:` told for what is in it
            if asked and not owner.open and not read.caught and safe.isdisjoint(read.guards):
                told.add(read.attribute)
                yield self.finding(
                    read.location,
                    f"there is no self.{read.attribute} yet when the module is built",
                    remedy="move it to setup(self, stage) or configure_model(self)",
                    subject=owner.short_name,
                )
        yield from _made_too_early(self, facts, owner)


def _made_too_early(self: Rule, facts: ProjectFacts, owner: ClassFacts) -> Iterator[Finding]:
    """Tensors on the device that a module has before Lightning moves it, which nothing moves."""
    methods = [one for one in owner.own_methods if one.name != INIT]
    later = {word for one in methods for word in one.words}
    whole = {word for one in methods for word in one.words - one.picked}
    later -= {one.attribute for one in owner.assignments if one.hook != INIT}
    moved = {site.receiver for site in facts.calls_in(owner, *MOVING)}
    told: set[str] = set()
    there = {
        site.location.line
        for site in facts.calls_in(owner, ".to")
        if site.argument("device", 0) == Named(DEVICE)
    }
    for site in facts.calls_in(owner, *FACTORIES, "torch.tensor", "torch.arange"):
        name = site.assigned.removeprefix("self.")
        kept = site.hook == INIT and site.assigned.startswith("self.") and name in later
        kept = kept and (name in whole or not _is_flat(site))
        handed = LISTED.isdisjoint(site.then) and site.location.line in there and "to" in site.then
        early = handed or (dict(site.written).get("device") == DEVICE and not site.then)
        if kept and early and site.assigned not in moved:
            told.add(name)
            yield _stays_there(self, owner, site.location, name)
    for one in _worked_out(owner, DEVICE):
        if one.attribute in whole - told and f"self.{one.attribute}" not in moved:
            yield _stays_there(self, owner, one.location, one.attribute)


def _stays_there(self: Rule, owner: ClassFacts, place: Location, name: str) -> Finding:
    return self.finding(
        place,
        f"{DEVICE} is the CPU in __init__, and self.{name} stays there",
        remedy=f'write self.register_buffer("{name}", ...)',
        subject=owner.short_name,
    )


def _worked_out(owner: ClassFacts, where: str) -> Iterator[AssignmentSite]:
    """Attributes that are given one value, a tensor worked out from others that stays there."""
    times = Counter(one.attribute for one in owner.assignments)
    for one in owner.assignments:
        if one.left == where and times[one.attribute] == 1:
            yield one


def _is_flat(site: CallSite) -> bool:
    """Whether a tensor surely has one dimension: its items are numbers, good on any device."""
    first = site.argument("data" if site.name == "torch.tensor" else "size", 0)
    if site.name == "torch.arange":
        return True
    if site.name == "torch.tensor":
        known = isinstance(first, Known) and isinstance(first.value, tuple)
        return known and not any(isinstance(one, tuple) for one in first.value)
    return isinstance(first, Known) and isinstance(first.value, int) and not site.gives("", 1)


@rule(
    "LTN654",
    "tensor-that-is-no-buffer",
    rows=("DEV04",),
    calls=(*FACTORIES, "torch.tensor", "torch.arange", *MOVING, "self.register_buffer"),
    status=Status.SUSPECTED,
    condition="if the tensor takes part in what the module computes",
    default=False,
    observers="both",
)
def no_buffer(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A tensor is a plain attribute of a LightningModule, or of a network.

    What it does
    ------------
    Finds `self.x = torch.zeros(...)` and the like in `__init__`, where nothing moves the tensor;
    also where a local name stood for it first, and what is worked out from such tensors
    (`self.roots = torch.cumprod(1 - betas, 0).sqrt()`) where a method computes with it; in the
    networks of the project that are plain `nn.Module`s as well.

    Why is this bad
    ---------------
    The tensor does not go to the GPU with the module, and is not in its checkpoints: what it learns
    is lost when training resumes.

    Example
    -------
        class Model(LightningModule):
            def __init__(self):
                super().__init__()
                self.weights = torch.ones(10)

    Use instead
    -----------
        class Model(LightningModule):
            def __init__(self):
                super().__init__()
                self.register_buffer("weights", torch.ones(10))

    When to ignore
    --------------
    Where it is only read as a Python number.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/accelerators/accelerator_prepare.html
    """
    for owner in facts.modules():
        moved = {site.receiver for site in facts.calls_in(owner, *MOVING)}
        told: set[str] = set()
        for site in facts.calls_in(owner, *FACTORIES, "torch.tensor", "torch.arange"):
            target = f"self.{site.kept}" if site.kept else site.assigned
            whole = target.startswith("self.") and target.count(".") == 1
            own = whole and site.hook == "__init__"
            name = target.removeprefix("self.")
            data = site.argument("data", 0) if site.name == "torch.tensor" else UNKNOWN
            one = not isinstance(data, Known) or not isinstance(data.value, tuple)
            number = isinstance(data, Known) and (one or not data.value)  # or nothing, to be filled
            moves = moved.intersection((target, site.assigned)) or MOVED.intersection(site.then)
            known = number or lightning.is_member("LightningModule", name)
            kept = own and not moves and not known
            if kept and site.name.startswith("torch."):
                told.add(name)
                yield self.finding(
                    site.location,
                    f"{target} stays on the CPU, and is in no checkpoint",
                    remedy=f'write self.register_buffer("{name}", ...)',
                    subject=owner.short_name,
                    fix=_registered(site.location, name) if not site.kept else None,
                )
        for one in _worked_out(owner, "cpu"):
            known = one.attribute in told or lightning.is_member("LightningModule", one.attribute)
            if not known and f"self.{one.attribute}" not in moved:
                yield self.finding(
                    one.location,
                    f"self.{one.attribute} stays on the CPU, and is in no checkpoint",
                    remedy=f'write self.register_buffer("{one.attribute}", ...)',
                    subject=owner.short_name,
                )
    for site in facts.kept if facts.modules() else ():
        if not in_tests(site.location):
            yield self.finding(
                site.location,
                f"self.{site.attribute} stays on the CPU, and is in no checkpoint",
                remedy=f'write self.register_buffer("{site.attribute}", ...)',
                subject=site.name.rpartition(".")[2],
            )


def _registered(place: Location, name: str) -> Fix:
    text = (f'self.register_buffer("{name}", ', Assigned(place), ")")
    return Fix("register it as a buffer", (Replace(Statement(place), text),))


PLAIN = re.compile(
    r"\.(\w*Loss|\w*ReLU6?|[GSCM]?ELU|GLU|SiLU|\w*[Ss]igmoid|Tanh\w*|Hardtanh|Soft\w+|LogSoftmax|"
    r"Identity|Flatten|Unflatten|\w*Pool\dd|Upsample\w*|Pixel\w+|Fold|Unfold|\w*Pad\dd|Mish|"
    r"Cosine\w*|PairwiseDistance)$"
)
"""Classes of torch.nn without parameters and without a mode: they work wherever they are."""


REGISTERING = ("self.add_module", "self.register_module")
HIDDEN = re.compile(
    r"teacher|ema|target|frozen|reference|perceptual|lpips|pretrained", re.IGNORECASE
)
"""Names of networks that people hide from checkpoints and optimizers on purpose."""


@rule(
    "LTN655",
    "layers-in-a-list",
    rows=("DEV05",),
    observers="both",
    default=False,
    calls=REGISTERING,
)
def plain_list(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """Layers are kept in a plain list or dict, where Lightning and torch do not see them.

    What it does
    ------------
    Finds attributes of LightningModules, and of the networks of the project that are plain
    `nn.Module`s, that are Python lists, tuples or dicts of layers, written out or filled in
    `__init__`, and that nothing else is given. A run
    looks for parameters in lists, dicts and plain objects of a module that `parameters()` does not
    name and that training gives gradients to. What is hidden and gets none, such as a teacher that
    no checkpoint should hold, is left alone.

    Why is this bad
    ---------------
    They are not among the parameters: nobody trains them, moves them to the GPU, or saves them. On
    a CPU nothing shows it.

    Example
    -------
        class Model(LightningModule):
            def __init__(self):
                super().__init__()
                self.layers = [torch.nn.Linear(8, 8), torch.nn.Linear(8, 2)]

    Use instead
    -----------
        class Model(LightningModule):
            def __init__(self):
                super().__init__()
                self.layers = torch.nn.ModuleList([torch.nn.Linear(8, 8), torch.nn.Linear(8, 2)])

    When to ignore
    --------------
    Where the layers are registered under another name as well, or are to be hidden on purpose.

    References
    ----------
    - https://pytorch.org/docs/stable/generated/torch.nn.ModuleList.html
    """
    told: set[tuple[str, str]] = set()
    for owner in facts.modules():
        if facts.calls_in(owner, *REGISTERING):
            continue
        made = [held for held in owner.containers if held.maker]
        seen = {name for held in made for name in held.modules}
        kept = {held.attribute for held in made}  # a plain one became a ModuleDict on the way
        for held in owner.containers:
            registered = held.handed_on or held.attribute in kept or seen.issuperset(held.modules)
            layers = _trained(held.attribute, held.modules)
            if layers and not registered and not held.maker:
                told.add((owner.name, held.attribute))
                fix = registered_container(held)
                yield _hidden(self, held, layers, owner.short_name, fix)
    for site in facts.layers:
        layers = _trained(site.attribute, site.modules)
        if layers and (site.name, site.attribute) not in told and not in_tests(site.location):
            yield _hidden(self, site, layers, site.name.rpartition(".")[2], None)


def _trained(attribute: str, modules: tuple[str, ...]) -> list[str]:
    """The layers with something to train, where nobody hides them on purpose."""
    hidden = HIDDEN.search(attribute)
    return [] if hidden else [name for name in modules if not PLAIN.search(name)]


def _hidden(
    self: Rule, held: ContainerSite | LayersSite, layers: list[str], subject: str, fix: Fix | None
) -> Finding:
    text = layers[0].rpartition(".")[2]
    return self.finding(
        held.location,
        f"self.{held.attribute} holds {text} in a plain container: its parameters are neither "
        "trained nor saved",
        remedy="use torch.nn.ModuleList or torch.nn.ModuleDict",
        subject=subject,
        fix=fix,
    )
