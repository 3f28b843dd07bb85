"""Optimization by hand: what Lightning leaves to the module."""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.facts.sites import CallSite, ClassFacts, ProjectFacts, made_of
from pl_lint.facts.values import Known, Made
from pl_lint.findings import Finding, Status
from pl_lint.rules.loops.stepping import (
    BACKWARD,
    SCHEDULERS,
    STEPS,
    may_be_of_scheduler,
    of_callbacks,
    optimizer_steps,
)
from pl_lint.rules.registry import Rule, rule

ZEROING = (".zero_grad", ".optimizer_zero_grad")
EACH_STEP = (
    *("on_train_batch_start", "on_train_batch_end", "on_before_zero_grad"),
    *("on_before_backward", "on_after_backward", "on_before_optimizer_step"),
)
"""Where a callback is asked as often as an optimizer steps."""
LOOKS = frozenset(
    {"", "get_last_lr", "get_lr", "last_epoch", "base_lrs", "optimizer", "state_dict", "best"}
)
"""Members of a scheduler that step nothing; none where the result is dropped or only compared."""


@rule(
    "LTN707",
    "gradients-never-zeroed",
    rows=("LOOP07",),
    observers="both",
    calls=(*STEPS, *BACKWARD, ".manual_backward", *ZEROING),
)
def never_zeroed(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """Gradients add up from step to step.

    What it does
    ------------
    Finds modules with manual optimization that step their optimizers and never call `zero_grad`,
    where no callback of the project does so either. A run looks at every backward pass and at every
    zero_grad whether the gradients of an optimizer were gone at any time since its last step.
    Accumulation over some batches is no mistake: there they are gone after each step.

    Why is this bad
    ---------------
    Each step is made with the sum of all batches so far: 1, 2, 3, 4 times too large, and in a
    direction that is long out of date.

    Example
    -------
        class Model(LightningModule):
            automatic_optimization = False

            def training_step(self, batch, batch_idx):
                optimizer = self.optimizers()
                self.manual_backward(self.loss(batch))
                optimizer.step()

    Use instead
    -----------
        class Model(LightningModule):
            automatic_optimization = False

            def training_step(self, batch, batch_idx):
                optimizer = self.optimizers()
                optimizer.zero_grad()
                self.manual_backward(self.loss(batch))
                optimizer.step()

    When to ignore
    --------------
    Where code that was not read sets the gradients to zero.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/model/manual_optimization.html
    """
    for owner in facts.modules():
        steps = optimizer_steps(facts, owner)
        goes_back = facts.calls_in(owner, ".backward", ".manual_backward")
        if owner.open or not owner.manual_optimization or not steps or not goes_back:
            continue
        by_callbacks = [one for one in of_callbacks(facts, *ZEROING) if one.hook in EACH_STEP]
        zeroed = [*facts.calls_in(owner, *ZEROING), *by_callbacks]
        by_hand = [reach for reach in facts.reaches if reach.attribute == "grad"]
        if not zeroed and owner.name not in {reach.owner for reach in by_hand}:
            yield self.finding(
                steps[0].location,
                "no gradient is ever set to zero: each step is made with the sum of all batches",
                remedy="call optimizer.zero_grad() before manual_backward",
                subject=owner.short_name,
            )


@rule(
    "LTN709",
    "optimizer-steps-counted-twice",
    rows=("LOOP09",),
    status=Status.SUSPECTED,
    default=False,
    condition="if the limit is meant in batches",
    calls=STEPS,
)
def counted_twice(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """Several optimizers step for each batch, and a Trainer limits the number of steps.

    What it does
    ------------
    Finds Trainers with `max_steps` in projects whose modules step two optimizers by hand, and that
    have no other modules.

    Why is this bad
    ---------------
    `global_step` counts every step of every optimizer. `max_steps=1000` with two optimizers stops
    after 500 batches, and checkpoints and the x-axis of loggers count in the same way.

    Example
    -------
        class GAN(LightningModule):
            automatic_optimization = False

            def training_step(self, batch, batch_idx):
                first, second = self.optimizers()
                first.step()
                second.step()

        Trainer(max_steps=1000)

    Use instead
    -----------
        class GAN(LightningModule):
            automatic_optimization = False

            def training_step(self, batch, batch_idx):
                first, second = self.optimizers()
                first.step()
                second.step()

        Trainer(max_epochs=10)

    When to ignore
    --------------
    Where the limit already counts every optimizer.

    References
    ----------
    - https://github.com/Lightning-AI/pytorch-lightning/issues/17958
    - https://github.com/Lightning-AI/pytorch-lightning/issues/12643
    """
    modules = facts.modules()
    if not modules or not all(_steps_several(facts, owner) for owner in modules):
        return
    for trainer in facts.trainers:
        limit = trainer.argument("max_steps")
        if isinstance(limit, Known) and isinstance(limit.value, int) and limit.value > 0:
            yield self.finding(
                trainer.location,
                f"max_steps={limit.value} counts the steps of every optimizer: training stops "
                "after fewer batches",
                remedy="multiply it by the number of optimizers, or limit epochs",
            )


def _steps_several(facts: ProjectFacts, owner: ClassFacts) -> bool:
    sites = [site for site in optimizer_steps(facts, owner) if site.hook == "training_step"]
    return owner.manual_optimization and len({site.receiver for site in sites}) > 1


@rule("LTN732", "trainer-clips-by-hand-optimized", rows=("LOOP32",))
def clips_manual(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A Trainer clips or accumulates gradients of a module that is optimized by hand.

    What it does
    ------------
    Finds `gradient_clip_val` and `accumulate_grad_batches` of a Trainer that fits a module with
    `automatic_optimization = False`.

    Why is this bad
    ---------------
    Lightning can do neither there, and refuses to train.

    Example
    -------
        class Model(LightningModule):
            automatic_optimization = False

        trainer = Trainer(gradient_clip_val=1.0)
        trainer.fit(Model())

    Use instead
    -----------
        class Model(LightningModule):
            automatic_optimization = False

        trainer = Trainer()
        trainer.fit(Model())

    When to ignore
    --------------
    Never: call `self.clip_gradients` in `training_step`.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/model/manual_optimization.html
    """
    by_hand = {owner.name for owner in facts.modules() if owner.manual_optimization}
    for call in facts.trainer_calls:
        made = facts.trainers_of(call)
        if call.method != "fit" or call.model not in by_hand or len(made) != 1:
            continue
        trainer = made[0]
        if any(map(_accumulates, made_of(trainer.argument("callbacks")))):
            yield self.finding(
                trainer.location,
                "Lightning refuses GradientAccumulationScheduler for a module that is optimized by "
                "hand",
                remedy="drop the callback and accumulate in training_step",
                subject=call.model.rpartition(".")[2],
            )
        for name, nothing in NOT_BY_HAND.items():
            value = trainer.argument(name)
            if isinstance(value, Known) and value.value not in nothing:
                yield self.finding(
                    trainer.location,
                    f"Lightning refuses {name} for a module that is optimized by hand",
                    remedy=f"drop {name} and do it in training_step",
                    subject=call.model.rpartition(".")[2],
                )


def _accumulates(callback: Made) -> bool:
    return callback.name.endswith(".callbacks.GradientAccumulationScheduler")


NOT_BY_HAND: dict[str, tuple[object, ...]] = {
    "gradient_clip_val": (None, 0),
    "accumulate_grad_batches": (None, 1),
}
"""What a Trainer refuses to do under manual optimization, and the values that ask for nothing."""


@rule(
    "LTN708",
    "scheduler-never-stepped",
    rows=("LOOP08",),
    observers="both",
    calls=(*STEPS, SCHEDULERS, "self.lr_scheduler_step"),
)
def scheduler_never_stepped(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """Under manual optimization nobody steps the scheduler.

    What it does
    ------------
    Finds modules with manual optimization that return a scheduler and step none: nothing that may
    be one by any name (`for one in self.kept: one.step()`), and no callback of the project does. A
    run counts the steps of every scheduler that `configure_optimizers` returns.

    Why is this bad
    ---------------
    Lightning steps schedulers under automatic optimization only. The learning rate stays what it
    was, and nothing says so.

    Example
    -------
        class Model(LightningModule):
            automatic_optimization = False

            def configure_optimizers(self):
                optimizer = torch.optim.SGD(self.parameters(), lr=0.1)
                return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, 10)]

    Use instead
    -----------
        class Model(LightningModule):
            automatic_optimization = False

            def on_train_epoch_end(self):
                self.lr_schedulers().step()

            def configure_optimizers(self):
                optimizer = torch.optim.SGD(self.parameters(), lr=0.1)
                return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, 10)]

    When to ignore
    --------------
    Where code that was not read steps it.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/model/manual_optimization.html
    """
    for owner in facts.modules():
        if owner.open or not owner.manual_optimization or not owner.schedulers:
            continue
        if _is_base(facts, owner):
            continue
        asked = facts.calls_in(owner, SCHEDULERS, "self.lr_scheduler_step")
        steps = [*facts.calls_in(owner, *STEPS), *of_callbacks(facts, *STEPS)]
        if all(map(_only_looks, asked)) and not any(map(may_be_of_scheduler, steps)):
            yield self.finding(
                owner.schedulers[0].location,
                "Lightning steps no scheduler under manual optimization: the rate stays constant",
                remedy="call self.lr_schedulers().step() in training_step or at the epoch's end",
                subject=owner.short_name,
            )


def _only_looks(asked: CallSite) -> bool:
    """Whether nothing that may step it is done with a scheduler that Lightning hands out."""
    looks = asked.members is not None and LOOKS.issuperset(asked.members)
    return asked.name == SCHEDULERS and looks


def _is_base(facts: ProjectFacts, owner: ClassFacts) -> bool:
    """Whether a class leaves the step to those that inherit from it, which are judged as well."""
    trains = any(site.hook == "training_step" for site in owner.returns)
    return not trains and any(owner.name in one.ancestors for one in facts.all_modules())
