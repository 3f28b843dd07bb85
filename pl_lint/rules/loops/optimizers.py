"""Who steps the optimizers, and with which gradients."""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.facts.lightning import TRAINER
from pl_lint.facts.origins import FunctionCall, parts
from pl_lint.facts.sites import (
    ABSENT,
    CallSite,
    ClassFacts,
    ProjectFacts,
    ReturnSite,
    SchedulerSite,
)
from pl_lint.facts.values import UNKNOWN, Known, Made, Named, Several, Table, Value
from pl_lint.findings import Finding, Status
from pl_lint.rules.judging import defines, target_version
from pl_lint.rules.loops.stepping import (
    BACKWARD,
    MANUAL,
    STEPS,
    handed_out_scheduler,
    is_own,
    is_reached,
    of_lightning,
    refused,
    returns_a_loss,
)
from pl_lint.rules.registry import Rule, rule

HOOK = "configure_optimizers"
ACCUMULATED = "accumulate_grad_batches"


# --- automatic optimization -----------------------------------------------------------------------


@rule("LTN704", "several-optimizers-automatic", rows=("LOOP04",))
def several_optimizers(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """Several optimizers are returned under automatic optimization.

    What it does
    ------------
    Finds modules that return two or more optimizers, or whose `training_step` asks for
    `optimizer_idx`, and that do not optimize by hand. Projects for Lightning 1.x are left alone.

    Why is this bad
    ---------------
    Lightning 2.0 removed this: it refuses to train, or calls `training_step` without the argument.
    A class with one optimizer only drops `optimizer_idx`.

    Example
    -------
        class GAN(LightningModule):
            def training_step(self, batch, batch_idx, optimizer_idx):
                return self.losses[optimizer_idx](batch)

            def configure_optimizers(self):
                return [Adam(self.generator.parameters()), Adam(self.critic.parameters())], []

    Use instead
    -----------
        class GAN(LightningModule):
            def __init__(self):
                super().__init__()
                self.automatic_optimization = False

            def training_step(self, batch, batch_idx):
                for optimizer, loss in zip(self.optimizers(), self.losses):
                    optimizer.zero_grad()
                    self.manual_backward(loss(batch))
                    optimizer.step()

            def configure_optimizers(self):
                return [Adam(self.generator.parameters()), Adam(self.critic.parameters())], []

    When to ignore
    --------------
    Where the code only runs with Lightning 1.x: then say so with a pin or in the configuration.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/upgrade/from_1_9.html
    - https://lightning.ai/docs/pytorch/stable/model/manual_optimization.html
    """
    for owner in facts.modules():
        if owner.optimization != "automatic" or target_version(owner) < (2, 0):
            continue
        text = "Lightning 2.0 trains with several optimizers under manual optimization only"
        remedy = "set self.automatic_optimization = False and step each optimizer in training_step"
        alone = _has_one(owner)
        for method in owner.own_methods:
            if method.name == "training_step" and "optimizer_idx" in method.parameters:
                told = (_NOT_GIVEN, "drop optimizer_idx") if alone else (text, remedy)
                yield self.finding(
                    method.location, told[0], remedy=told[1], subject=owner.short_name
                )
        for site in owner.returns:
            if site.hook == HOOK and counted(site.value) > 1:
                yield self.finding(site.location, text, remedy=remedy, subject=owner.short_name)


_NOT_GIVEN = (
    "Lightning 2.0 raises where training_step takes optimizer_idx, and the class has one optimizer"
)


def _has_one(owner: ClassFacts) -> bool:
    """Whether all that configure_optimizers returns is surely one optimizer."""
    returned = [site.value for site in owner.returns if site.hook == HOOK]
    return bool(returned) and all(map(_is_one, returned))


def _is_one(returned: Value) -> bool:
    match returned:
        case Several((Several((one,)), Several() | Known(tuple()))) | Several((one,)):
            return _is_optimizer(one)
    return _is_optimizer(returned)


def counted(returned: Value) -> int:
    """How many optimizers a configuration surely holds."""
    match returned:
        case Several((Several(optimizers), _)):
            return len(optimizers)
        case Several(items) if all(map(_is_optimizer, items)):
            return len(items)
    return 1


def _is_optimizer(value: Value) -> bool:
    match value:
        case Made(name):
            return name.startswith("torch.optim.") and ".lr_scheduler." not in name
        case Table():
            return value.get("optimizer") is not None
    return False


EACH_BATCH = ("training_step", "on_train_batch_start", "on_train_batch_end")


EACH_EPOCH = (
    *("on_train_epoch_start", "on_train_epoch_end", "training_epoch_end"),
    *("on_validation_epoch_end", "validation_epoch_end"),
)


@rule(
    "LTN705",
    "optimizer-stepped-by-hand",
    rows=("LOOP05",),
    observers="both",
    calls=(*STEPS, MANUAL),
)
def stepped_by_hand(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """The optimizer is stepped in training_step, and by Lightning as well.

    What it does
    ------------
    Finds `step()` of one of `self.optimizers()` or `self.trainer.optimizers` in `training_step`,
    and in the hooks before and after a batch, under automatic optimization; and `step()` of
    `self.lr_schedulers()` as often as Lightning steps it itself: in a hook at the end of an epoch,
    where `configure_optimizers` returns one scheduler for each epoch, or for each batch where it
    returns one for each step, also behind `isinstance(scheduler, StepLR)`. A run counts the steps
    that an optimizer makes while Lightning is already making one with it, and those beside
    Lightning's that repeat a gradient. Nothing is said of a step below a `manual_backward`, which
    Lightning refuses there (LTN706).

    Why is this bad
    ---------------
    Nothing says so: each batch changes the weights twice, the first time with the gradients of the
    batch before, and `global_step` does not know of it.

    Example
    -------
        def training_step(self, batch, batch_idx):
            loss = self.loss(batch)
            self.optimizers().step()
            return loss

    Use instead
    -----------
        def training_step(self, batch, batch_idx):
            return self.loss(batch)

    When to ignore
    --------------
    Never: set `self.automatic_optimization = False` where you want to step by hand, and do
    zero_grad and backward as well.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/model/manual_optimization.html
    """
    for owner in facts.modules():
        if owner.optimization != "automatic" or not returns_a_loss(owner):
            continue
        refusals = refused(facts, owner)
        for site in filter(of_lightning, facts.calls_in(owner, ".step")):
            by_hand = site.hook in EACH_BATCH and "automatic_optimization" not in site.guards
            if by_hand and is_reached(site, refusals):
                yield self.finding(
                    site.location,
                    "Lightning steps the optimizer for each batch, too: the weights change twice",
                    remedy="return the loss only, or set self.automatic_optimization = False",
                    subject=owner.short_name,
                )
        for site in facts.calls_in(owner, ".step"):
            if _steps_again(facts, owner, site):
                yield self.finding(
                    site.location,
                    "Lightning steps the scheduler, too: the rate changes twice as fast",
                    remedy="leave it to Lightning, or set self.automatic_optimization = False",
                    subject=owner.short_name,
                )


def _steps_again(facts: ProjectFacts, owner: ClassFacts, site: CallSite) -> bool:
    """Whether a class steps a scheduler by hand as often as Lightning, whichever of those that it
    may return this is, and leaves to Lightning what a step is."""
    by_lightning = handed_out_scheduler(site) and not defines(facts, owner, "lr_scheduler_step")
    meant = _meant(owner, site)
    return by_lightning and bool(meant) and all(_is_in_time(one, site) for one in meant)


def _is_in_time(one: SchedulerSite, site: CallSite) -> bool:
    """Whether Lightning steps a scheduler as often as the hook of a call runs."""
    per_epoch = one.interval in (ABSENT, Known("epoch")) and site.hook in EACH_EPOCH
    per_step = one.interval == Known("step") and site.hook in EACH_BATCH
    return one.frequency in (ABSENT, Known(1)) and (per_epoch or per_step)


def _meant(owner: ClassFacts, site: CallSite) -> list[SchedulerSite]:
    """The schedulers that a step under no condition may be of, or under one that asks for nothing
    but their class: ``if isinstance(scheduler, StepLR)``. A plateau alone is told a score; a step
    that does not go with that stands under the opposite."""
    kinds = {one.name.rpartition(".")[2] for one in owner.schedulers}
    about = {"isinstance", *_NAMING, *site.receiver.split(".")}
    asked = set(site.guards) - about
    if not asked <= kinds or bool(site.guards) != bool(asked):
        return []
    meant = [one for one in owner.schedulers if not asked or one.name.rpartition(".")[2] in asked]
    told = [one.name.endswith("ReduceLROnPlateau") for one in meant]
    return meant if not asked or set(told) == {bool(site.arguments)} else []


_NAMING = ("self", "lr_schedulers", "torch", "optim", "lr_scheduler")
"""What stands around the class and the scheduler in the text of such a condition."""


@rule(
    "LTN706",
    "backward-by-hand",
    rows=("LOOP06",),
    calls=(*BACKWARD, *STEPS, ".requires_grad_", MANUAL),
)
def backward_by_hand(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """training_step calls backward, and Lightning does so again.

    What it does
    ------------
    Finds `.backward()` in a `training_step` that also returns a loss under automatic optimization,
    and `self.manual_backward(...)`, which Lightning refuses there. Steps that ask for gradients of
    their inputs (`requires_grad_`), that step an optimizer of their own, or that make the loss that
    they return afterwards, and classes with a `backward` hook of their own are left alone.

    Why is this bad
    ---------------
    Lightning's own backward raises "Trying to backward through the graph a second time". With
    `retain_graph=True` it does not: Lightning throws the first gradients away (`zero_grad` comes
    between the step and its backward), at the price of a second backward, and counts them twice
    where batches are accumulated.

    Example
    -------
        def training_step(self, batch, batch_idx):
            loss = self.loss(batch)
            loss.backward()
            return loss

    Use instead
    -----------
        def training_step(self, batch, batch_idx):
            return self.loss(batch)

    When to ignore
    --------------
    Where the loss is another one than the one that is returned, and its gradients are meant to be
    added.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/common/optimization.html
    """
    for owner in facts.modules():
        if owner.optimization != "automatic" or not returns_a_loss(owner):
            continue
        if defines(facts, owner, "backward"):
            continue
        for site in refused(facts, owner):
            yield self.finding(
                site.location,
                "Lightning refuses manual_backward under automatic optimization",
                remedy="return the loss only, or set self.automatic_optimization = False",
                subject=owner.short_name,
            )
        asks_for_inputs = facts.calls_in(owner, ".requires_grad_")
        steps_its_own = any(map(_of_its_own, facts.calls_in(owner, ".step")))
        for site in facts.calls_in(owner, ".backward"):
            by_choice = "automatic_optimization" in site.guards or asks_for_inputs or steps_its_own
            mine = site.hook == "training_step" and site.receiver != "super()"
            if mine and not by_choice and not _returns_another(owner, site):
                yield self.finding(
                    site.location,
                    _HARM[site.gives("retain_graph")],
                    remedy="return the loss only, or set self.automatic_optimization = False",
                    subject=owner.short_name,
                )


_HARM = {
    False: "Lightning calls backward on the returned loss, and raises: the graph is gone by then",
    True: "Lightning throws these gradients away before its own backward on the returned loss, or "
    "counts them twice where batches are accumulated",
}
"""By whether the graph is retained."""


def _returns_another(owner: ClassFacts, backward: CallSite) -> bool:
    """Whether the step makes what it returns after it has called backward, and not of the same."""
    returns = [one for one in owner.returns if one.hook == "training_step"]
    return all(_is_made_apart(one, backward) for one in returns)


def _is_made_apart(returned: ReturnSite, backward: CallSite) -> bool:
    """What a helper gives that has called backward on the way may be what it called it on."""
    if returned.function != backward.function:
        return returned.made_on > 0 and backward.function not in returned.made_of
    after = returned.made_on > backward.location.line
    return after and backward.receiver not in returned.made_of


def _of_its_own(site: CallSite) -> bool:
    """Whether training_step steps an optimizer that the class keeps for itself."""
    named = site.receiver.startswith("self.") and "optim" in site.receiver.lower()
    return is_own(site) or (named and site.hook == "training_step" and not of_lightning(site))


# --- gradients ------------------------------------------------------------------------------------


@rule(
    "LTN724",
    "divided-by-accumulated-batches",
    rows=("LOOP24",),
    observers="both",
    status=Status.SUSPECTED,
    condition="if the Trainer accumulates as many batches",
    calls=(TRAINER,),
)
def divided_by_hand(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """The loss is divided by `accumulate_grad_batches` by hand.

    What it does
    ------------
    Finds losses that `training_step` divides by `accumulate_grad_batches`, by what a Trainer is
    given for it under another name, or by a name of accumulation that is the same number. A run
    compares a training epoch with and without accumulation, on the same batches and with the
    weights held: the logged value is the true one divided by that number.

    Why is this bad
    ---------------
    Lightning divides the loss, too. The gradients are smaller than they should be by that number,
    and so is the loss that is logged; nothing else shows it.

    Example
    -------
        def training_step(self, batch, batch_idx):
            loss = self.loss(batch) / self.trainer.accumulate_grad_batches
            return loss

    Use instead
    -----------
        def training_step(self, batch, batch_idx):
            return self.loss(batch)

    When to ignore
    --------------
    Where the Trainer does not accumulate, and the module does.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/advanced/training_tricks.html
    """
    for owner in facts.modules():
        for site in owner.returns if owner.optimization == "automatic" else ():
            divided = any(_is_divided(facts, owner, part) for part in parts(site.origin))
            if site.hook == "training_step" and divided:
                yield self.finding(
                    site.location,
                    "Lightning divides the loss by accumulate_grad_batches, too: gradients come "
                    "out too small",
                    remedy="return the loss of the batch as it is",
                    subject=owner.short_name,
                )


def _is_divided(facts: ProjectFacts, owner: ClassFacts, part: object) -> bool:
    """Whether something is divided by the Trainer's own argument: by its name, by the name of what
    a Trainer is given for it, or by the same number. Others may be called alike:
    ``accum_norm``."""
    if not isinstance(part, FunctionCall) or part.name != "operator.truediv":
        return False
    given = dict(part.arguments)
    divisor = given["1"].name.rpartition(".")[2] if isinstance(given["1"], Named) else ""
    written = (dict(call.written).get(ACCUMULATED, "") for call in facts.calls_of(TRAINER))
    values = [trainer.argument(ACCUMULATED) for trainer in facts.trainers]
    named = divisor in (ACCUMULATED, *(text.rpartition(".")[2] for text in written))
    told = _left_at(owner, divisor) if "accum" in divisor else UNKNOWN
    number = given["2"] if isinstance(given["2"], Known) else told
    same = isinstance(number, Known) and number.value is not None and number in values
    return bool(divisor) and (named or same)


def _left_at(owner: ClassFacts, name: str) -> Value:
    """What the hyper-parameter of this name is, unless somebody gives another."""
    details = owner.hyperparameters.details if owner.hyperparameters else ()
    return next((one.default for one in details if one.name == name), UNKNOWN)
