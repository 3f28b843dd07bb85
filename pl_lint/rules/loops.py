"""Hooks and schedulers: what Lightning calls, and when."""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.facts import lightning
from pl_lint.facts.sites import ABSENT, ClassFacts, MethodSite, ProjectFacts, SchedulerSite
from pl_lint.findings import Finding, Status
from pl_lint.rules.judging import target_version
from pl_lint.rules.registry import Rule, rule

FAMILIES = {
    "module": "LightningModule",
    "datamodule": "LightningDataModule",
    "callback": "Callback",
}
PLAIN_DECORATORS = frozenset(
    {
        *("override", "overrides", "abstractmethod", "final"),
        *("no_grad", "enable_grad", "inference_mode", "rank_zero_only"),
    }
)
"""Decorators that leave a method what it is; others may register it somewhere."""


@rule("LTN701", "removed-epoch-end", rows=("LOOP01",))
def removed_epoch_end(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A hook for the end of an epoch has a form that Lightning 2.0 removed.

    What it does
    ------------
    Finds `training_epoch_end`, `validation_epoch_end` and `test_epoch_end`, and hooks such as
    `on_validation_epoch_end(self, outputs)` with arguments that are no longer passed. Projects
    that are pinned to a version that still calls them, or are evidently written for one, are left
    alone.

    Why is this bad
    ---------------
    Lightning refuses to start, or stops with a TypeError when the first epoch is over.

    Example
    -------
        def validation_epoch_end(self, outputs):
            self.log("val_loss", torch.stack(outputs).mean())

    Use instead
    -----------
        def validation_step(self, batch, batch_idx):
            loss = self.loss(batch)
            self.losses.append(loss)
            return loss

        def on_validation_epoch_end(self):
            self.log("val_loss", torch.stack(self.losses).mean(), sync_dist=True)
            self.losses.clear()

    When to ignore
    --------------
    Where the code only runs with Lightning 1.x: then say so with
    `lightning-version = "1.9"` in the configuration or with a pin in the requirements.

    References
    ----------
    - https://github.com/Lightning-AI/pytorch-lightning/pull/16520
    - https://lightning.ai/docs/pytorch/stable/upgrade/from_1_9.html
    """
    for owner in facts.classes:
        for method in owner.own_methods if _surely_lightning(owner) else ():
            problem = _refused(owner, method)
            if problem is None and not _called_otherwise(method):
                problem = _called_without(owner, method)
            if problem is not None:
                message, remedy = problem
                yield self.finding(
                    method.location, message, remedy=remedy, subject=owner.short_name
                )


def _surely_lightning(owner: ClassFacts) -> bool:
    return any(lightning.kind_of(base) == FAMILIES[owner.kind] for base in owner.ancestors)


def _refused(owner: ClassFacts, method: MethodSite) -> tuple[str, str] | None:
    """A method that makes Lightning refuse the class."""
    removed = lightning.removed_hook(FAMILIES[owner.kind], method.name, target_version(owner))
    if removed is None or not removed.raises:
        return None
    version = ".".join(map(str, removed.version))
    message = f"Lightning {version} removed {method.name} and refuses to run a class that has it"
    return message, f"collect what the step returns in a list and use {removed.replacement}"


def _called_without(owner: ClassFacts, method: MethodSite) -> tuple[str, str] | None:
    """A hook that asks for arguments which Lightning does not pass."""
    hook = lightning.hooks(FAMILIES[owner.kind], target_version(owner)).get(method.name)
    if hook is None or not method.name.endswith("_epoch_end"):
        return None
    if hook.most_positional is None or len(method.required) <= hook.most_positional:
        return None
    extra = ", ".join(method.required[hook.most_positional :])
    message = f"Lightning calls {method.name} without {extra}: a TypeError when the epoch is over"
    return message, f"drop {extra}, and collect what the step returns in a list"


@rule("LTN702", "hook-never-called", rows=("LOOP02",), observers="both")
def hook_never_called(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A method looks like a hook, but Lightning never calls it.

    What it does
    ------------
    Finds methods that carry the name of a hook that Lightning has removed, or a hook's name with a
    spelling mistake. A method that the project calls itself is no hook; neither is one of a class
    with a base that was not read.

    Why is this bad
    ---------------
    Nothing says that the method is dead: metrics are not reset, values not logged, weights not
    averaged.

    Example
    -------
        def on_epoch_end(self):
            self.val_acc.reset()

    Use instead
    -----------
        def on_validation_epoch_end(self):
            self.val_acc.reset()

    When to ignore
    --------------
    Where other code calls the method in a way that cannot be seen.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/common/lightning_module.html#hooks
    - https://lightning.ai/docs/pytorch/stable/upgrade/from_1_7.html
    """
    for owner in facts.classes:
        for method in owner.own_methods if not owner.open else ():
            if _called_otherwise(method):
                continue
            problem = _dead(owner, method)
            if problem is not None:
                message, remedy = problem
                yield self.finding(
                    method.location, message, remedy=remedy, subject=owner.short_name
                )


def _called_otherwise(method: MethodSite) -> bool:
    """Whether the project itself uses the method, or it is nothing that Lightning could call."""
    if method.called:
        return True
    return not PLAIN_DECORATORS.issuperset(name.rpartition(".")[2] for name in method.decorators)


def _dead(owner: ClassFacts, method: MethodSite) -> tuple[str, str] | None:
    family, version = FAMILIES[owner.kind], target_version(owner)
    removed = lightning.removed_hook(family, method.name, version)
    if removed is not None and not removed.raises:
        since = ".".join(map(str, removed.version))
        instead = f"use {removed.replacement}" if removed.replacement else "move its code to a hook"
        return f"Lightning {since} removed {method.name}: it is never called", instead
    near = lightning.nearest_hook(family, method.name, version)
    if near is None:
        return None
    return f"Lightning has no hook {method.name}: it is never called", f"did you mean {near}?"


PER_STEP = frozenset({"OneCycleLR", "CyclicLR"})


@rule(
    "LTN710",
    "step-scheduler-stepped-per-epoch",
    rows=("LOOP10",),
    status=Status.SUSPECTED,
    observers="both",
    condition="if the scheduler's length is meant in optimizer steps",
)
def step_scheduler_per_epoch(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A scheduler built for optimizer steps is stepped once per epoch.

    What it does
    ------------
    Finds OneCycleLR, CyclicLR, the warm-up schedules of transformers and schedulers built with a
    number of steps that `configure_optimizers` returns without `"interval": "step"`.

    Why is this bad
    ---------------
    Lightning steps schedulers once per epoch unless told otherwise. A cosine over all steps ended
    at 0.994 of its learning rate instead of 0.006; a warm-up reached 0.2 instead of 1.0.

    Example
    -------
        def configure_optimizers(self):
            optimizer = torch.optim.SGD(self.parameters(), lr=0.1)
            steps = self.trainer.estimated_stepping_batches
            scheduler = OneCycleLR(optimizer, max_lr=0.1, total_steps=steps)
            return [optimizer], [scheduler]

    Use instead
    -----------
        def configure_optimizers(self):
            optimizer = torch.optim.SGD(self.parameters(), lr=0.1)
            steps = self.trainer.estimated_stepping_batches
            scheduler = OneCycleLR(optimizer, max_lr=0.1, total_steps=steps)
            return [optimizer], [{"scheduler": scheduler, "interval": "step"}]

    When to ignore
    --------------
    Where the scheduler's length is given in epochs.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/common/optimization.html
    - https://github.com/Lightning-AI/pytorch-lightning/issues/3051
    """
    for owner in facts.modules():
        if owner.manual_optimization or _steps_itself(owner):
            continue
        for site in owner.schedulers:
            if site.interval == ABSENT and _for_steps(site):
                name = site.name.rpartition(".")[2]
                yield self.finding(
                    site.location,
                    f"{name} is built for optimizer steps, and Lightning steps it once per epoch",
                    remedy='return {"scheduler": scheduler, "interval": "step"}',
                    subject=owner.short_name,
                )


def _steps_itself(owner: ClassFacts) -> bool:
    return any(method.name == "lr_scheduler_step" for method in owner.own_methods)


def _for_steps(site: SchedulerSite) -> bool:
    name = site.name.rpartition(".")[2]
    if site.per_epoch:
        return False
    return site.per_step or name in PER_STEP or name.endswith("_with_warmup")
