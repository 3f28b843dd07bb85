"""Modules that run the steps of other modules."""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.facts.sites import CallSite, ClassFacts, ProjectFacts
from pl_lint.facts.values import Made
from pl_lint.findings import Finding
from pl_lint.rules.judging import defines, target_version
from pl_lint.rules.registry import Rule, rule

STEPS = (".training_step", ".validation_step", ".test_step", ".predict_step")
LENT = frozenset({"log", "log_dict", "_current_fx_name", "_fabric"})
"""What code sets on a module so that it logs through another one, or of Lightning's own."""


@rule("LTN745", "step-of-a-child-logs", rows=(), calls=STEPS)
def step_of_child_logs(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A step runs the step of a LightningModule inside it, which logs.

    What it does
    ------------
    Finds `self.child.training_step(...)` (and the other steps) in the hooks of a module, where the
    attribute is made of a class of the project whose step calls `self.log` under no condition.
    Silent where code lends the child another `log` (`self.child.log = self.log`), where its class
    has one of its own, and for Lightning 1.x.

    Why is this bad
    ---------------
    Lightning knows of the module that it runs only: "You are trying to `self.log()` but it is not
    managed by the `Trainer` control flow", and the training ends. To give the child the Trainer
    does not help.

    Example
    -------
        class Part(LightningModule):
            def training_step(self, batch, batch_idx):
                loss = self.loss(batch)
                self.log("loss", loss)
                return loss

        class Whole(LightningModule):
            def __init__(self):
                super().__init__()
                self.part = Part()

            def training_step(self, batch, batch_idx):
                return self.part.training_step(batch, batch_idx)

    Use instead
    -----------
        class Part(LightningModule):
            def training_step(self, batch, batch_idx):
                loss = self.loss(batch)
                self.log("loss", loss)
                return loss

        class Whole(LightningModule):
            def __init__(self):
                super().__init__()
                self.part = Part()

            def training_step(self, batch, batch_idx):
                loss = self.part.loss(batch)
                self.log("loss", loss)
                return loss

    When to ignore
    --------------
    Where the line is never reached.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/common/lightning_module.html#log
    """
    if any(reach.attribute in LENT for reach in facts.reaches):
        return
    classes = {one.name: one for one in facts.all_modules()}
    for owner in facts.modules():
        for call in facts.calls_in(owner, *STEPS) if target_version(owner) >= (2, 0) else ():
            child = classes.get(call.name.rpartition(".")[0])
            if child is not None and _is_part(owner, child, call) and _logs(facts, child, call):
                yield self.finding(
                    call.location,
                    f"{child.short_name} logs in its step, and Lightning refuses that here",
                    remedy=f"log in {owner.short_name} what the part returns",
                    subject=owner.short_name,
                )


def _is_part(owner: ClassFacts, child: ClassFacts, call: CallSite) -> bool:
    """Whether something that a Trainer runs calls the step of an attribute that is such a module;
    what stands in a list is none of its parts, and has no Trainer."""
    of_parts = (
        isinstance(one.value, Made) and one.value.name == child.name
        for one in owner.assignments
        if f"self.{one.attribute}" == call.receiver
    )
    return bool(call.hook) and any(of_parts)


def _logs(facts: ProjectFacts, child: ClassFacts, call: CallSite) -> bool:
    step = call.name.rpartition(".")[2]
    own = any(defines(facts, child, name) for name in ("log", "log_dict"))
    sites = (one for one in child.logs if one.hook == step)
    return not own and any(not one.guards and not one.sampled and not one.arms for one in sites)
