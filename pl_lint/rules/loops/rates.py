"""What is read of the learning rate."""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.facts.branches import apart
from pl_lint.facts.rates import OF_TORCH, is_recursive
from pl_lint.facts.sites import CallSite, ClassFacts, ProjectFacts
from pl_lint.facts.values import Made
from pl_lint.findings import Finding
from pl_lint.fixes import Applicability, Callee, Fix, Receiver, Replace
from pl_lint.rules.loops.stepping import of_scheduler
from pl_lint.rules.registry import Rule, rule

READING = ".get_lr"
IN_USE = ".get_last_lr"
OLD_TORCH = frozenset({"'get_last_lr'", "hasattr", "__version__", "version", "TORCH_VERSION"})
"""Words of a condition that asks which torch there is: before 1.4 there was no other name."""
AT_FIRST = ("configure_optimizers", "setup", "on_fit_start")
"""Hooks in which nothing has stepped yet."""
IN_STEPS = (f"{OF_TORCH}StepLR", f"{OF_TORCH}MultiStepLR")
"""Those whose next rate is the present one but for a few epochs, of which the first is none."""


@rule("LTN746", "rate-of-the-next-step", rows=("LGR09",), calls=(READING, IN_USE), fixable=True)
def rate_of_the_next_step(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """`get_lr()` of a scheduler is taken for the learning rate in use.

    What it does
    ------------
    Finds `get_lr()` on the schedulers of a class that are StepLR, MultiStepLR, ExponentialLR,
    MultiplicativeLR, PolynomialLR, ConstantLR, LinearLR or CosineAnnealingLR: as Lightning hands
    them out (`self.lr_schedulers()`, `self.trainer.lr_scheduler_configs`), or in an attribute that
    holds one. It is silent about schedulers whose `get_lr()` gives the rate in use (LambdaLR,
    OneCycleLR, CyclicLR, those of transformers), which only warns, and about those that are not
    known, may be others, or are the project's own; where another branch takes `get_last_lr()`, or a
    condition asks for the version of torch; and about StepLR and MultiStepLR before the first step,
    in `configure_optimizers`, `setup` and `on_fit_start`.

    Why is this bad
    ---------------
    `get_lr()` is there for `scheduler.step()` and makes the next rate of the present one: after the
    epoch in which StepLR divides the rate by ten it gives a hundredth of it until the next epoch,
    and ExponentialLR is one factor ahead all the time. What is logged was never used.

    Example
    -------
        class Model(LightningModule):
            def training_step(self, batch, batch_idx):
                self.log("lr", self.lr_schedulers().get_lr()[0])
                return self.loss(batch)

            def configure_optimizers(self):
                optimizer = torch.optim.SGD(self.parameters(), lr=0.1)
                return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, 30)]

    Use instead
    -----------
        class Model(LightningModule):
            def training_step(self, batch, batch_idx):
                self.log("lr", self.lr_schedulers().get_last_lr()[0])
                return self.loss(batch)

            def configure_optimizers(self):
                optimizer = torch.optim.SGD(self.parameters(), lr=0.1)
                return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, 30)]

    When to ignore
    --------------
    Never: `get_last_lr()` is the rate in use, and LearningRateMonitor logs it.

    References
    ----------
    - https://docs.pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.StepLR.html
    - https://github.com/pytorch/pytorch/issues/20527
    - https://github.com/pytorch/pytorch/issues/31871
    """
    for owner in facts.classes:
        for call in facts.calls_in(owner, READING):
            names = () if _is_for_old_torch(facts, owner, call) else _schedulers(owner, call)
            same = call.hook in AT_FIRST and set(names) <= set(IN_STEPS)
            if names and all(map(is_recursive, names)) and not same:
                kind = names[0].rpartition(".")[2]
                yield self.finding(
                    call.location,
                    f"get_lr() of {kind} works out another rate from the one in use",
                    remedy="use get_last_lr()",
                    subject=owner.short_name,
                    fix=_last_one(call),
                )


def _is_for_old_torch(facts: ProjectFacts, owner: ClassFacts, call: CallSite) -> bool:
    """Whether a condition asks which torch there is, or another branch, or what an ``except``
    belongs to, takes the rate in use."""
    beside = (one for one in facts.calls_in(owner, IN_USE) if one.function == call.function)
    asked = not OLD_TORCH.isdisjoint(call.guards)
    return asked or any(apart(one.arms, call.arms) for one in beside)


def _schedulers(owner: ClassFacts, call: CallSite) -> tuple[str, ...]:
    """The classes that a scheduler may be of: what its attribute holds, or those that the class
    returns; none where it is no scheduler, or the class's own method."""
    kind, _, _ = call.name.rpartition(".")
    if kind:
        return (kind,) if kind != "self" else ()
    of, _, attribute = call.receiver.rpartition(".")
    kept = [one.value for one in owner.assignments if (of, one.attribute) == ("self", attribute)]
    if kept:
        return tuple(one.name if isinstance(one, Made) else "" for one in kept)
    returned = tuple("" if one.others else one.name for one in owner.schedulers)
    return returned if of_scheduler(call) else ()


def _last_one(call: CallSite) -> Fix:
    change = Replace(Callee(call.location), (Receiver(call.location), ".get_last_lr"))
    return Fix("use get_last_lr()", (change,), Applicability.SAFE)
