"""Tensors and layers that a module keeps where Lightning and torch do not see them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pl_lint.facts import lightning
from pl_lint.facts.sites import ClassFacts, ContainerSite, LayersSite, ProjectFacts
from pl_lint.findings import Finding, Status
from pl_lint.fixes import Assigned, Fix, Replace, Statement
from pl_lint.places import Location
from pl_lint.rules.containers import registered_container
from pl_lint.rules.devices.made import MOVING, worked_out
from pl_lint.rules.judging import defines
from pl_lint.rules.registry import Rule, rule


@rule(
    "LTN654",
    "tensor-that-is-no-buffer",
    rows=("DEV04",),
    calls=MOVING,
    status=Status.SUSPECTED,
    condition="if the tensor takes part in what the module computes",
    default=False,
    observers="both",
    fixable=True,
)
def no_buffer(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A tensor is a plain attribute of a LightningModule, or of a network.

    What it does
    ------------
    Finds `self.x = torch.zeros(...)` and the like in `__init__`, and what is worked out from such
    tensors (`self.roots = torch.cumprod(1 - betas, 0).sqrt()`), where a method computes with it and
    its batch, and nothing moves it; in the networks of the project that are plain `nn.Module`s as
    well. Silent where it is made on a device, where a hook replaces it, where only its numbers are
    used, where a method brings what it meets to the CPU, and where a loss that the module keeps has
    it as weights, which is a buffer then.

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

            def forward(self, x):
                return x * self.weights

    Use instead
    -----------
        class Model(LightningModule):
            def __init__(self):
                super().__init__()
                self.register_buffer("weights", torch.ones(10))

            def forward(self, x):
                return x * self.weights

    When to ignore
    --------------
    Where the batch is on the CPU, too.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/accelerators/accelerator_prepare.html
    """
    for owner in facts.modules():
        moved = {site.receiver for site in facts.calls_in(owner, *MOVING)}
        for one in worked_out(owner, "cpu"):
            name = one.attribute
            if f"self.{name}" not in moved and not lightning.is_member("LightningModule", name):
                fix = _registered(one.location, name)
                yield _on_the_cpu(self, one.location, name, owner.short_name, fix)
    for site in facts.kept if facts.modules() else ():
        if not facts.in_tests(site.location):
            subject = site.name.rpartition(".")[2]
            yield _on_the_cpu(self, site.location, site.attribute, subject, None)


def _on_the_cpu(self: Rule, place: Location, name: str, subject: str, fix: Fix | None) -> Finding:
    return self.finding(
        place,
        f"self.{name} stays on the CPU, and is in no checkpoint",
        remedy=f'write self.register_buffer("{name}", ...)',
        subject=subject,
        fix=fix,
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
    calls=REGISTERING,
    fixable=True,
)
def plain_list(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """Layers are kept in a plain list or dict, where Lightning and torch do not see them.

    What it does
    ------------
    Finds attributes of LightningModules, and of the networks of the project that are plain
    `nn.Module`s, that are Python lists, tuples or dicts of layers, written out or filled in
    `__init__`, and that nothing else is given. A container of one is how a network is hidden on
    purpose, and is left alone; so is one whose layers are frozen one by one, or used under
    `torch.no_grad()` alone. A run looks for parameters in lists, dicts and plain objects of a
    module that `parameters()` does not name and that training gives gradients to. What is hidden
    and gets none, such as a teacher that no checkpoint should hold, is left alone.

    Why is this bad
    ---------------
    They are not among the parameters: unless an optimizer is given them one by one, nobody trains
    them, and in any case nothing moves them to the GPU, or saves them. On a CPU nothing shows it.

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
        if facts.calls_in(owner, *REGISTERING) or _only_loads(facts, owner):
            continue
        kept = {held.attribute for held in owner.containers if held.maker}  # became a ModuleDict
        for held in owner.containers:
            registered = held.handed_on or held.attribute in kept
            layers = _trained(held.attribute, held.modules)
            meant = registered or held.meant
            if layers and held.sure and not meant and not held.maker:
                told.add((owner.name, held.attribute))
                fix = registered_container(held)
                yield _hidden(self, held, layers, owner.short_name, fix)
    for site in facts.layers:
        layers = _trained(site.attribute, site.modules)
        if layers and (site.name, site.attribute) not in told and not facts.in_tests(site.location):
            yield _hidden(self, site, layers, site.name.rpartition(".")[2], None)


TRAINING = ("training_step", "validation_step")
USING = ("test_step", "predict_step")


def _only_loads(facts: ProjectFacts, owner: ClassFacts) -> bool:
    """Whether a class uses what was trained elsewhere: it loads something, and has no training."""
    loads = any("load" in word for method in owner.own_methods for word in method.words)
    trains = owner.open or any(defines(facts, owner, name) for name in TRAINING)
    return loads and not trains and any(defines(facts, owner, name) for name in USING)


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
        f"self.{held.attribute} holds {text} in a plain container, where torch does not see it: "
        "nothing moves or saves it",
        remedy="use torch.nn.ModuleList or torch.nn.ModuleDict",
        subject=subject,
        fix=fix,
    )
