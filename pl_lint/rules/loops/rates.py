"""What is read of the learning rate."""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.facts.rates import is_recursive
from pl_lint.facts.sites import CallSite, ClassFacts, ProjectFacts
from pl_lint.facts.values import Made
from pl_lint.findings import Finding
from pl_lint.fixes import Applicability, Callee, Fix, Receiver, Replace
from pl_lint.rules.loops.stepping import of_scheduler
from pl_lint.rules.registry import Rule, rule

READING = ".get_lr"


@rule("LTN746", "rate-of-the-next-step", rows=("LGR09",), calls=(READING,), fixable=True)
def rate_of_the_next_step(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """`get_lr()` of a scheduler is taken for the learning rate in use.

    What it does
    ------------
    Finds `get_lr()` on the schedulers of a class that are StepLR, MultiStepLR, ExponentialLR,
    MultiplicativeLR, PolynomialLR, ConstantLR, LinearLR or CosineAnnealingLR: as Lightning hands
    them out (`self.lr_schedulers()`, `self.trainer.lr_scheduler_configs`), or in an attribute that
    holds one. It is silent about schedulers whose `get_lr()` gives the rate in use (LambdaLR,
    OneCycleLR, CyclicLR, those of transformers), which only warns, and about those that are not
    known or are the project's own.

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
            names = _schedulers(owner, call) if "'get_last_lr'" not in call.guards else ()
            if names and all(map(is_recursive, names)):
                kind = names[0].rpartition(".")[2]
                yield self.finding(
                    call.location,
                    f"get_lr() of {kind} works out another rate from the one in use",
                    remedy="use get_last_lr()",
                    subject=owner.short_name,
                    fix=_last_one(call),
                )


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
    returned = tuple(one.name for one in owner.schedulers)
    return returned if of_scheduler(call) else ()


def _last_one(call: CallSite) -> Fix:
    change = Replace(Callee(call.location), (Receiver(call.location), ".get_last_lr"))
    return Fix("use get_last_lr()", (change,), Applicability.SAFE)
