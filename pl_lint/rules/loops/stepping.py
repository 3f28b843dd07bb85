"""Who steps an optimizer: questions that several rules ask."""

from __future__ import annotations

from pl_lint.facts.branches import comes_along
from pl_lint.facts.origins import FunctionCall, parts
from pl_lint.facts.sites import CallSite, ClassFacts, ProjectFacts, ReturnSite
from pl_lint.facts.values import Known
from pl_lint.rules.judging import defines

OPTIMIZERS = "self.optimizers"
SCHEDULERS = "self.lr_schedulers"
STEPS = (".step",)
BACKWARD = (".backward",)


def of_optimizer(site: CallSite) -> bool:
    """Whether a method is called on an optimizer: one that Lightning hands out, or torch's own."""
    return of_lightning(site) or is_own(site)


def of_lightning(site: CallSite) -> bool:
    """Whether a method is called on an optimizer that Lightning hands out."""
    return _handed_out(site, OPTIMIZERS)


def _handed_out(site: CallSite, by: str) -> bool:
    return any(
        isinstance(part, FunctionCall) and part.name == by for part in parts(site.receiver_origin)
    )


def is_own(site: CallSite) -> bool:
    """Whether a method is called on an optimizer that the code made: Lightning need not have it."""
    return site.name.startswith("torch.optim.") and ".lr_scheduler." not in site.name


def of_scheduler(site: CallSite) -> bool:
    """Whether a method is called on a scheduler: one that Lightning hands out, or by its name or
    its class."""
    named = any(word in site.receiver.lower() for word in ("sched", "lr", "warm"))
    return named or ".lr_scheduler." in site.name or _handed_out(site, SCHEDULERS)


def handed_out_scheduler(site: CallSite) -> bool:
    """Whether a method is called on a scheduler that Lightning hands out."""
    return _handed_out(site, SCHEDULERS)


OTHER_STEPS = ("opt", "scaler", "env", "prof", "ema", "average")
"""Words of what goes steps of its own."""


def may_be_of_scheduler(site: CallSite) -> bool:
    """Whether a method is called on something that may be a scheduler, by another name: what is no
    optimizer, nor called one, nor a scaler, an average of weights or the world of an agent."""
    others = any(word in site.receiver.lower() for word in OTHER_STEPS)
    return of_scheduler(site) or not (others or of_optimizer(site))


def of_callbacks(facts: ProjectFacts, *names: str) -> list[CallSite]:
    """The calls of these names in callbacks of the project, which may be beside any module, on
    anything but what is the callback's own."""
    callbacks = [one for one in facts.classes if one.kind == "callback"]
    found = (site for one in callbacks for site in facts.calls_in(one, *names))
    return [site for site in found if not site.receiver.startswith("self.")]


def optimizer_steps(facts: ProjectFacts, owner: ClassFacts) -> list[CallSite]:
    """Where a class steps its optimizers by hand."""
    return [site for site in facts.calls_in(owner, ".step") if of_optimizer(site)]


MANUAL = "self.manual_backward"


def refused(facts: ProjectFacts, owner: ClassFacts) -> list[CallSite]:
    """The calls of ``manual_backward`` that Lightning refuses, as it optimizes by itself. A class
    with a ``backward`` of its own is left alone."""
    automatic = owner.optimization == "automatic" and returns_a_loss(owner)
    if not automatic or defines(facts, owner, "backward"):
        return []
    return [
        site
        for site in facts.calls_in(owner, MANUAL)
        if site.hook == "training_step" and "automatic_optimization" not in site.guards
    ]


def is_reached(site: CallSite | ReturnSite, refusals: list[CallSite]) -> bool:
    """Whether a run comes to a piece of a function without having been refused something above it,
    which ends the run."""
    return not any(
        (one.hook, one.function, one.location.path)
        == (site.hook, site.function, site.location.path)
        and one.location.order < site.location.order
        and comes_along(one.arms, site.arms)
        for one in refusals
    )


def returns_a_loss(owner: ClassFacts) -> bool:
    """Whether training_step gives Lightning something to train with."""
    return any(site.hook == "training_step" and site.value != Known(None) for site in owner.returns)
