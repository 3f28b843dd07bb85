"""Which parameters an optimizer has."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pl_lint.facts.sites import (
    ABSENT,
    AssignmentSite,
    CallSite,
    ClassFacts,
    ProjectFacts,
    ReachSite,
)
from pl_lint.facts.values import Known, Made, Value, must_be
from pl_lint.findings import Finding, Location, Status
from pl_lint.rules.loops.reaching import (
    TRAINING,
    Methods,
    is_beside,
    methods_of,
    reached_from,
    stops_gradients,
    words_of,
)
from pl_lint.rules.registry import Rule, rule

HOOK = "configure_optimizers"
GRADIENTS = ".requires_grad_"
PARAMETERS = (
    *(".parameters", ".named_parameters", ".children", ".named_children"),
    *(".modules", ".named_modules"),
)
KEEPING = (GRADIENTS, ".freeze", ".load_state_dict", ".load_from_checkpoint")
HANDLING = (*PARAMETERS, *KEEPING, ".eval", ".copy_", ".lerp_")
"""What is called of a part that gets its weights in a way of its own, or keeps them."""
FINETUNING = "lightning.pytorch.callbacks.BackboneFinetuning"
LEARNING = ("torch.nn.Parameter", "torch.nn.parameter.Parameter")
LAYER = re.compile(
    r"torch\.nn\.(Lazy)?(Linear|Bilinear|Conv(Transpose)?[123]d|Embedding(Bag)?|MultiheadAttention"
    r"|(LSTM|GRU|RNN)(Cell)?|Transformer\w*|(Batch|SyncBatch|Layer|Group|RMS)Norm(1d|2d|3d)?)"
)
"""The layers of torch that learn something, unless they are told not to."""


@rule(
    "LTN713",
    "parameter-in-no-optimizer",
    rows=("LOOP13",),
    observers="both",
    status=Status.SUSPECTED,
    condition="if the layer is meant to be trained",
    default=False,
    calls=(*HANDLING, FINETUNING),
)
def not_in_optimizer(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A parameter gets gradients, and no optimizer has it.

    What it does
    ------------
    Finds layers of torch.nn that `__init__` makes, and containers of them (`torch.nn.Sequential`),
    that training uses and that are none of those whose parameters `configure_optimizers`, or a
    method that it calls, names one by one; also a `torch.nn.Parameter`, and an object of a class of
    the project that holds parameters and no layers, as a loss does that learns its weights.
    Left alone is what is handed to something else (`torch.nn.Sequential(self.conv, self.head)`),
    frozen, loaded, or used without gradients, what a callback or script takes the parameters of,
    and what is called as networks are that are there to compare with (`target_head`). Nothing is
    said where the optimizer is given everything: `self.parameters()`, `self.trainer.model`, or a
    function that is given `self`. A class answers for the layers that it makes itself: one that
    inherits it may train a part on purpose.
    A run looks at every parameter that requires a gradient over a whole fit: whether one reached
    it, whether an optimizer holds it, whether it moved. Layers that were unfrozen later are among
    them; reading finds those that `__init__` froze and a hook of the training unfreezes, where the
    optimizer has what required gradients before (`[p for p in self.parameters() if
    p.requires_grad]`) and nothing adds to it.
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
        methods = methods_of(facts, owner)
        if facts.in_tests(owner.location) or _adds_later(facts, methods):
            continue
        for attribute, location in _left_out(facts, owner, methods):
            yield self.finding(
                location,
                f"configure_optimizers names other parts, and leaves self.{attribute} as it is",
                remedy=f"add self.{attribute}.parameters() to an optimizer, or freeze the layer",
                subject=owner.short_name,
            )
        for text, location in _thawed_too_late(facts, owner):
            yield self.finding(
                location,
                f"{text} was frozen when configure_optimizers took what requires "
                "gradients: no optimizer has it",
                remedy="give the optimizer all parameters, or add_param_group here",
                subject=owner.short_name,
            )


def _left_out(
    facts: ProjectFacts, owner: ClassFacts, methods: Methods
) -> Iterator[tuple[str, Location]]:
    """What training uses, and neither the optimizers nor other code take care of."""
    if _takes_all(facts, owner, methods) or any(_handles_all(facts, owner, methods)):
        return
    cared_for = _cared_for(facts, owner, methods)
    for attribute, location in _parts(facts, owner):
        if attribute not in cared_for and _learns(methods, attribute):
            yield attribute, location


def _takes_all(facts: ProjectFacts, owner: ClassFacts, methods: Methods) -> bool:
    """Whether the optimizers may have everything: they are given the module, its Trainer's model,
    which is the module, or what cannot be read."""
    sites = facts.calls_in(owner, *PARAMETERS)
    given = [site.receiver for site in sites if site.hook == HOOK]
    parts = all(text.startswith("self.") and text.split(".")[1] != "trainer" for text in given)
    whole = any((name, "self") in owner.handed for name in reached_from(methods, [HOOK]))
    return owner.open or not given or not parts or whole


def _handles_all(facts: ProjectFacts, owner: ClassFacts, methods: Methods) -> Iterator[bool]:
    """Whether something freezes or loads the whole module, or what a loop goes over, so that only
    what is thawed again is to be trained."""
    training = reached_from(methods, TRAINING)
    for site in facts.calls_of(*KEEPING):
        yield not site.receiver.startswith("self.") and site.owner in ("", owner.name)
    for reach in facts.reaches:
        yield reach.attribute == "requires_grad" and "." not in reach.receiver
    yield any(name == "self" and method not in training for method, name in owner.handed)


def _cared_for(facts: ProjectFacts, owner: ClassFacts, methods: Methods) -> set[str]:
    """The attributes that are named where the optimizers are made, frozen, given weights, or handed
    to something else outside of training, which may be a part that the optimizer has."""
    making = reached_from(methods, [HOOK])
    training = reached_from(methods, TRAINING)
    handled = (
        *facts.calls_of(*HANDLING),
        *(one for one in facts.reaches if one.attribute in KEPT_BY),
    )
    return {
        *making,
        *words_of(methods, making),
        *(name for site in handled for name in _attributes_of(site, owner)),
        *(name for method, name in owner.handed if method not in training),
    }


KEPT_BY = ("requires_grad", "weight", "data")
"""What is assigned to freeze a part, to give a layer the weight of another, or weights from
elsewhere."""


def _attributes_of(site: CallSite | ReachSite, owner: ClassFacts) -> list[str]:
    """``head`` of ``self.head.weight``; of what a callback, a script or another class has, all that
    may be an attribute of the module: ``pl_module.head``, ``self.model.head``."""
    base, *attributes = site.receiver.split(".")
    if site.owner == owner.name and base == "self":
        return attributes[:1]
    return attributes[1:] if base == "self" else attributes


def _learns(methods: Methods, attribute: str) -> bool:
    """Whether training passes through a part with gradients; where no step is seen, it may."""
    reached = reached_from(methods, TRAINING)
    using = [methods[name] for name in reached if attribute in methods[name].words]
    used = bool(using) or "training_step" not in methods
    return used and not is_beside(attribute) and not any(map(stops_gradients, using))


BUILDING = ("__init__", "setup", "configure_model")
ADDING = frozenset({"add_param_group", "unfreeze_and_add_param_group", "setup_optimizers"})
"""What gives an optimizer other parameters while it trains, or makes it anew."""


def _adds_later(facts: ProjectFacts, methods: Methods) -> bool:
    """Whether a class or a callback of the project gives its optimizers more parameters later on,
    or one that Lightning has for it."""
    callbacks = [one for one in facts.classes if one.kind == "callback"]
    theirs = (method for one in callbacks for method in one.own_methods)
    finetuning = any("Finetuning" in name for one in callbacks for name in one.ancestors)
    adding = (one for one in (*methods.values(), *theirs) if not ADDING.isdisjoint(one.words))
    return finetuning or any(adding) or bool(facts.calls_of(FINETUNING))


def _thawed_too_late(facts: ProjectFacts, owner: ClassFacts) -> Iterator[tuple[str, Location]]:
    """Where a hook of the training unfreezes what was frozen before the optimizers were made, of
    which these have only what required gradients then."""
    hook = [one for one in owner.own_methods if one.name == HOOK]
    sets = any(one.hook == HOOK and one.attribute == "requires_grad" for one in facts.reaches)
    if sets or not any({"requires_grad", "parameters"} <= one.words for one in hook):
        return
    asked = [one for one in _asked(facts, owner) if one[0].startswith("self.")]
    building = [(text, on) for text, on, site in asked if site.hook in BUILDING]
    frozen = {text for text, on in building if must_be(on, False)}
    thawed = {text for text, on in building if not must_be(on, False)}
    for text, on, site in asked:
        later = site.stage == "train" and site.hook != HOOK
        if later and text in frozen - thawed and on in (ABSENT, Known(True)):
            yield text, site.location


def _asked(
    facts: ProjectFacts, owner: ClassFacts
) -> Iterator[tuple[str, Value, CallSite | ReachSite]]:
    """Where the parameters of something are told whether they learn, all at once or in a loop."""
    for call in facts.calls_in(owner, GRADIENTS):
        yield call.receiver, call.argument("requires_grad", 0), call
    for reach in facts.reaches:
        if reach.attribute == "requires_grad" and reach.owner == owner.name:
            yield reach.each_of, reach.value, reach


def _parts(facts: ProjectFacts, owner: ClassFacts) -> Iterator[tuple[str, Location]]:
    """The attributes that learn: layers, containers of torch's with layers in them, and what is
    left out easily. A container that is a part of another is trained with that."""
    for site in owner.assignments:
        own = site.hook == "__init__" and not site.given and _is_own(owner, site.location)
        made = site.value if own and isinstance(site.value, Made) else None
        layer = made is not None and _is_layer(made.name) and not _is_fixed(made)
        if made and (layer or _is_left_out(facts, owner, site, made)):
            yield site.attribute, site.location
    for held in owner.containers:
        elsewhere = held.handed_on or held.meant  # a loop over it takes the parameters of each
        learns = held.maker and any(map(_is_layer, held.modules))
        if learns and not elsewhere and _is_own(owner, held.location):
            yield held.attribute, held.location


def _is_own(owner: ClassFacts, location: Location) -> bool:
    """Whether a place is in the body of a class. What another class makes, that one answers for: a
    class that inherits it may train a part on purpose."""
    return location.path == owner.location.path and owner.location.covers(location.line)


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


def _is_fixed(made: Made) -> bool:
    """Whether a layer is made without parameters, or frozen."""
    told = dict(made.arguments)
    without = any(
        must_be(told.get(name, ABSENT), False) for name in ("affine", "elementwise_affine")
    )
    return without or must_be(told.get("_freeze", ABSENT), True)


def _is_layer(name: str) -> bool:
    return LAYER.fullmatch(name) is not None
