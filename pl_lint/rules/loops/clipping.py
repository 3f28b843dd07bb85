"""Gradients that are clipped or read where there are none of this batch."""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.facts.sites import CallSite, ClassFacts, ProjectFacts
from pl_lint.findings import Finding
from pl_lint.rules.judging import defines
from pl_lint.rules.loops.stepping import BACKWARD, MANUAL, STEPS, of_optimizer
from pl_lint.rules.precision.scaling import CLIPPING
from pl_lint.rules.registry import Rule, rule

CLIPS = (*CLIPPING, "torch.nn.utils.clip_grad.clip_grad_value_", "torch.nn.utils.clip_grad_norm")
PACKAGES = ("lightning.pytorch", "pytorch_lightning")
NORMS = tuple(f"{one}.utilities.{two}grad_norm" for one in PACKAGES for two in ("", "grads."))
GOING_BACK = (*BACKWARD, MANUAL, "torch.autograd.backward")
STEP = ".training_step"
LEARNING = frozenset({"learn", "optimize", "optimize_parameters", "train_on_batch", "fit"})
"""Methods of an agent or a model that go back by themselves."""
MAKING = frozenset({"grad", "autograd"})
"""Words of code that makes gradients, or puts them where they are clipped, without going back."""
OWN_ORDER = ("backward", "optimizer_zero_grad", "optimizer_step", "clip_gradients")
"""Hooks by which a module says itself when gradients are made and emptied, and its own way to clip
them."""


@rule("LTN742", "clipped-before-backward", rows=(), calls=(*CLIPS, *GOING_BACK, *STEPS, STEP))
def clipped_before_backward(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """training_step clips gradients, and Lightning makes them afterwards.

    What it does
    ------------
    Finds `clip_grad_norm_`, `clip_grad_value_` and `self.clip_gradients` in `training_step`, and in
    what it calls, under automatic optimization, where the step goes back through no loss by itself.
    Silent where the class has a `backward`, an `optimizer_zero_grad` or an `optimizer_step` of its
    own, where it handles `.grad` or other code goes back, and where the project calls
    `model.training_step(...)` in a loop of its own.

    Why is this bad
    ---------------
    Lightning calls `training_step`, then `zero_grad`, then `backward` on what was returned, and
    then steps. What is clipped is thrown away, and the optimizer gets the gradients as they are:
    with a limit of 1e-6 their norm was 14,655. With `accumulate_grad_batches` the gradients of the
    batches before are clipped, and those of the last one never. A norm that is logged so is not
    that of this batch.

    Example
    -------
        def training_step(self, batch, batch_idx):
            loss = self.loss(batch)
            torch.nn.utils.clip_grad_norm_(self.parameters(), 1.0)
            return loss

    Use instead
    -----------
        def training_step(self, batch, batch_idx):
            return self.loss(batch)

        def on_before_optimizer_step(self, optimizer):
            torch.nn.utils.clip_grad_norm_(self.parameters(), 1.0)

    Or `Trainer(gradient_clip_val=1.0)`.

    When to ignore
    --------------
    Where code that is not in sight has filled the gradients by then.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/common/optimization.html
    - https://lightning.ai/docs/pytorch/stable/advanced/training_tricks.html#gradient-clipping
    """
    if any(not call.owner and not facts.in_tests(call.location) for call in facts.calls_of(STEP)):
        return
    for owner in facts.modules():
        by_lightning = _leaves_it_to_lightning(facts, owner) and not _makes_some(owner)
        for site in facts.calls_in(owner, *CLIPS) if by_lightning else ():
            if site.hook == "training_step" and "automatic_optimization" not in site.guards:
                yield self.finding(
                    site.location,
                    "nothing is clipped: Lightning calls zero_grad and backward afterwards",
                    remedy="Trainer(gradient_clip_val=...), or clip in on_before_optimizer_step",
                    subject=owner.short_name,
                )


@rule(
    "LTN743",
    "gradients-of-the-batch-before",
    rows=("PRE08",),
    calls=(*NORMS, *GOING_BACK, *STEPS, STEP),
)
def gradients_before(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """training_step reads gradients, and Lightning makes those of its batch afterwards.

    What it does
    ------------
    Finds `.grad` of parameters (`for p in self.parameters(): p.grad.norm()`) and Lightning's
    `grad_norm` in `training_step`, and in what it calls, under automatic optimization. Only to ask
    whether there is one (`p.grad is None`), or to empty it (`p.grad.zero_()`), is left alone.
    Silent where the step goes back by itself or the class fills `.grad`, and as LTN742 is.

    Why is this bad
    ---------------
    Lightning calls `training_step`, then `zero_grad`, then `backward` on what was returned. What is
    read are the gradients of the batch before, clipped already, and at the first batch there are
    none: the norm that is logged belongs to another loss, and begins with zero.

    Example
    -------
        def training_step(self, batch, batch_idx):
            loss = self.loss(batch)
            norms = [p.grad.norm() for p in self.parameters() if p.grad is not None]
            self.log("grad_norm", sum(norms))
            return loss

    Use instead
    -----------
        def training_step(self, batch, batch_idx):
            return self.loss(batch)

        def on_before_optimizer_step(self, optimizer):
            norms = [p.grad.norm() for p in self.parameters() if p.grad is not None]
            self.log("grad_norm", sum(norms))

    When to ignore
    --------------
    Where the gradients of the last step are what is asked for.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/common/optimization.html
    - https://lightning.ai/docs/pytorch/stable/common/lightning_module.html#on-before-optimizer-step
    """
    if any(not call.owner and not facts.in_tests(call.location) for call in facts.calls_of(STEP)):
        return
    filling = {reach.owner for reach in facts.reaches if reach.attribute == "grad"}
    for owner in facts.modules():
        if owner.name in filling or not _leaves_it_to_lightning(facts, owner):
            continue
        reads = (one for one in owner.reads if one.attribute == ".grad")
        for site in (*reads, *facts.calls_in(owner, *NORMS)):
            if site.hook == "training_step" and "automatic_optimization" not in site.guards:
                yield self.finding(
                    site.location,
                    "these are the gradients of the batch before: Lightning calls backward later",
                    remedy="read them in on_before_optimizer_step",
                    subject=owner.short_name,
                )


def _leaves_it_to_lightning(facts: ProjectFacts, owner: ClassFacts) -> bool:
    """Whether Lightning alone makes and empties the gradients of a class, and the step gives the
    whole module to nobody who might."""
    own_order = any(defines(facts, owner, hook) for hook in OWN_ORDER)
    goes_back = any(map(_in_step, facts.calls_in(owner, *GOING_BACK)))
    elsewhere = any(one.owner != owner.name for one in facts.calls_of(*BACKWARD))
    steps = any(_in_step(one) and of_optimizer(one) for one in facts.calls_in(owner, *STEPS))
    in_step = (one.words for one in owner.own_methods if one.name == "training_step")
    learns = any(not LEARNING.isdisjoint(words) for words in in_step)
    others = own_order or goes_back or elsewhere or steps or learns
    others = others or ("training_step", "self") in owner.handed
    return owner.optimization == "automatic" and not others


def _makes_some(owner: ClassFacts) -> bool:
    return any(not MAKING.isdisjoint(one.words) for one in owner.own_methods)


def _in_step(site: CallSite) -> bool:
    return site.hook == "training_step"
