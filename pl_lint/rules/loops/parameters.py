"""Which parameters an optimizer has."""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.facts.sites import ABSENT, AssignmentSite, CallSite, ClassFacts, ProjectFacts
from pl_lint.facts.values import Known, Made, must_be
from pl_lint.findings import Finding, Location, Status
from pl_lint.rules.registry import Rule, rule

HOOK = "configure_optimizers"
GRADIENTS = ".requires_grad_"
PARAMETERS = (".parameters", ".named_parameters", ".children", ".modules", GRADIENTS)
LEARNING = ("torch.nn.Parameter", "torch.nn.parameter.Parameter")
LAYERS = ("Linear", "Conv", "Embedding", "LSTM", "GRU", "RNN", "Transformer", "Norm")


@rule(
    "LTN713",
    "parameter-in-no-optimizer",
    rows=("LOOP13",),
    observers="both",
    status=Status.SUSPECTED,
    condition="if the layer is meant to be trained",
    default=False,
    calls=PARAMETERS,
)
def not_in_optimizer(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A parameter gets gradients, and no optimizer has it.

    What it does
    ------------
    Finds layers of torch.nn that `__init__` makes, and containers of them (`torch.nn.Sequential`),
    that are none of those whose parameters `configure_optimizers`, or a method that it calls, names
    one by one; also a `torch.nn.Parameter`, and an object of a class of the project that holds
    parameters and no layers, as a loss does that learns its weights. A run looks at every parameter
    that requires a gradient over a whole fit: whether one reached it, whether an optimizer holds
    it, whether it moved. Layers that were unfrozen later are among them; reading finds those that
    `__init__` froze and a hook of the training unfreezes, where the optimizer has what required
    gradients before (`[p for p in self.parameters() if p.requires_grad]`) and nothing adds to it.
    Networks from a library, from outside or with loaded weights may be left out to freeze them, so
    a whole one is suspected only, and so is one that no prediction passes through: it may be there
    to measure the others.

    Why is this bad
    ---------------
    The layer stays as it was initialised, and the rest learns to live with it.

    Example
    -------
        class Model(LightningModule):
            def __init__(self):
                super().__init__()
                self.backbone = torch.nn.LSTM(8, 8)
                self.head = torch.nn.Linear(8, 2)

            def configure_optimizers(self):
                return Adam(self.backbone.parameters())

    Use instead
    -----------
        class Model(LightningModule):
            def __init__(self):
                super().__init__()
                self.backbone = torch.nn.LSTM(8, 8)
                self.head = torch.nn.Linear(8, 2)

            def configure_optimizers(self):
                return Adam(self.parameters())

    When to ignore
    --------------
    Where the layer is frozen; say so with `requires_grad_(False)`.

    References
    ----------
    - https://github.com/Lightning-AI/pytorch-lightning/issues/6891
    """
    for owner in facts.modules():
        named = facts.calls_in(owner, *PARAMETERS)
        given = [site.receiver for site in named if site.hook == HOOK]
        all_of = any(text in ("self", "", "super()") for text in given)
        if owner.open or not given or all_of or not all(t.startswith("self.") for t in given):
            continue
        frozen = {site.receiver for site in named}
        spoken = _spoken_of(owner)
        for attribute, location in _parts(facts, owner):
            if f"self.{attribute}" not in frozen and attribute not in spoken:
                yield self.finding(
                    location,
                    f"configure_optimizers names other parts, and leaves self.{attribute} as it is",
                    remedy="give the optimizer self.parameters(), or freeze the layer",
                    subject=owner.short_name,
                )
    for owner in () if _adds_later(facts) else facts.modules():
        for site in _thawed_too_late(facts, owner):
            yield self.finding(
                site.location,
                f"{site.receiver} was frozen when configure_optimizers took what requires "
                "gradients: no optimizer has it",
                remedy="give the optimizer all parameters, or add_param_group here",
                subject=owner.short_name,
            )


BUILDING = ("__init__", "setup", "configure_model")
ADDING = frozenset({"add_param_group", "unfreeze_and_add_param_group", "setup_optimizers"})
"""What gives an optimizer other parameters while it trains, or makes it anew."""


def _adds_later(facts: ProjectFacts) -> bool:
    """Whether a class of the project gives its optimizers more parameters later on, or one that
    Lightning has for it."""
    words = (method.words for one in facts.classes for method in one.own_methods)
    finetuning = any("Finetuning" in name for one in facts.classes for name in one.ancestors)
    return finetuning or not all(map(ADDING.isdisjoint, words))


def _thawed_too_late(facts: ProjectFacts, owner: ClassFacts) -> Iterator[CallSite]:
    """Where a hook of the training unfreezes what was frozen before the optimizers were made, of
    which these have only what required gradients then."""
    hook = [one for one in owner.own_methods if one.name == HOOK]
    sets = any(one.hook == HOOK and one.attribute == "requires_grad" for one in facts.reaches)
    if sets or not any({"requires_grad", "parameters"} <= one.words for one in hook):
        return
    calls = [one for one in facts.calls_in(owner, GRADIENTS) if one.receiver.startswith("self.")]
    asked = [(one, one.argument("requires_grad", 0)) for one in calls]
    frozen = {one.receiver for one, on in asked if one.hook in BUILDING and must_be(on, False)}
    thawed = {one.receiver for one, on in asked if one.hook in BUILDING and not must_be(on, False)}
    for site, on in asked:
        later = site.stage == "train" and site.hook != HOOK
        if later and site.receiver in frozen - thawed and on in (ABSENT, Known(True)):
            yield site


def _parts(facts: ProjectFacts, owner: ClassFacts) -> Iterator[tuple[str, Location]]:
    """The attributes that learn: layers, containers of torch's with layers in them, and what is
    left out easily. A container that is a part of another is trained with that."""
    for site in owner.assignments:
        made = site.value if isinstance(site.value, Made) and site.hook == "__init__" else None
        if made and (_is_layer(made.name) or _is_left_out(facts, owner, site, made)):
            yield site.attribute, site.location
    for held in owner.containers:
        if held.maker and not held.handed_on and any(map(_is_layer, held.modules)):
            yield held.attribute, held.location


def _spoken_of(owner: ClassFacts) -> set[str]:
    """The names in the methods that ``configure_optimizers`` calls, and in those that they call:
    ``[*self.net.parameters(), *self.others()]``."""
    methods = {one.name: one.words for one in owner.own_methods}
    reached, new = set[str](), {HOOK}
    while new:
        reached |= new
        new = {word for name in new for word in methods.get(name, ())} & methods.keys() - reached
    return {word for name in reached for word in methods.get(name, ())}


def _is_left_out(facts: ProjectFacts, owner: ClassFacts, site: AssignmentSite, made: Made) -> bool:
    """Whether it is a parameter, or a measure that learns, which a step uses, and which nothing
    that builds the optimizers names: ``[*self.net.parameters(), self.scale]``."""
    own = made.name in LEARNING and made.argument("requires_grad", 1) is None
    if not own and made.name not in facts.learning_measures:
        return False
    frozen = any(one.receiver == f"self.{site.attribute}" for one in facts.reaches)
    users = {one.name for one in owner.own_methods if site.attribute in one.words}
    return (
        not frozen
        and any("step" in name or name == "forward" for name in users)
        and not any("optim" in name or "param" in name for name in users)
    )


def _is_layer(name: str) -> bool:
    return name.startswith("torch.nn.") and any(word in name for word in LAYERS)
