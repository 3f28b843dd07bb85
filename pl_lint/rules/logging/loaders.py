"""Metric objects and several dataloaders."""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.facts.sites import ClassFacts, LogSite, ProjectFacts
from pl_lint.facts.values import Several, must_be
from pl_lint.findings import Finding, Status
from pl_lint.rules.logging.keys import only_sites
from pl_lint.rules.logging.objects import all_uses, logged_object
from pl_lint.rules.metrics.judging import FILLS
from pl_lint.rules.registry import Rule, rule
from pl_lint.rules.wording import attribute_text, shown


@rule(
    "LTN116",
    "metric-shared-by-dataloaders",
    rows=("LOG16",),
    status=Status.SUSPECTED,
    observers="both",
    condition="with several dataloaders",
)
def shared_by_dataloaders(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """One metric object counts several validation dataloaders together.

    What it does
    ------------
    Reading finds a `validation_step` or `test_step` that takes `dataloader_idx` and logs one
    metric object whatever its value. Running finds a value of a dataloader that is the metric with
    the batches of another one still in it.

    Why is this bad
    ---------------
    Lightning resets the metric at the end of the epoch only: 0.5 was logged for the second
    dataloader where 1.0 was true.

    Example
    -------
        def __init__(self):
            super().__init__()
            self.val_acc = torchmetrics.Accuracy(task="binary")

        def validation_step(self, batch, batch_idx, dataloader_idx):
            self.val_acc.update(self(batch[0]), batch[1])
            self.log("val_acc", self.val_acc)

    Use instead
    -----------
        def __init__(self):
            super().__init__()
            accuracies = [torchmetrics.Accuracy(task="binary") for _ in range(2)]
            self.val_acc = torch.nn.ModuleList(accuracies)

        def validation_step(self, batch, batch_idx, dataloader_idx):
            metric = self.val_acc[dataloader_idx]
            metric.update(self(batch[0]), batch[1])
            self.log("val_acc", metric)

    When to ignore
    --------------
    With one dataloader, or where all are to be counted together: then say so by
    `add_dataloader_idx=False`.

    References
    ----------
    - https://github.com/Lightning-AI/pytorch-lightning/issues/18282
    """
    for owner in facts.modules():
        hooks = _for_several(owner)
        for log in owner.logs if hooks else ():
            path = logged_object(log)
            if path is None or log.hook not in hooks or not must_be(log.add_dataloader_idx, True):
                continue
            if _fills_for_all(owner, path, log):
                yield self.finding(
                    log.location,
                    f"{attribute_text(path)} counts the batches of all dataloaders together",
                    remedy="a metric for each dataloader, chosen by dataloader_idx",
                    subject=owner.short_name,
                )


def _for_several(owner: ClassFacts) -> set[str]:
    """The steps that cannot be called without the number of a dataloader."""
    steps = ("validation_step", "test_step")
    return {
        method.name
        for method in owner.own_methods
        if method.name in steps and "dataloader_idx" in method.required
    }


def _fills_for_all(owner: ClassFacts, path: str, log: LogSite) -> bool:
    """Whether the step fills this metric for every dataloader, whose values are told apart."""
    uses = [use for use in all_uses(owner, path) if use.hook == log.hook and use.use in FILLS]
    chosen = any("dataloader_idx" in use.guards for use in uses) or "dataloader_idx" in log.guards
    return bool(uses) and all(use.certain for use in uses) and not chosen


@rule(
    "LTN115",
    "monitored-key-without-loader",
    rows=("LOG15",),
    status=Status.SUSPECTED,
    condition="if this module is trained with these loaders",
)
def key_without_loader(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """With several validation loaders the monitored key has the number of one at its end.

    What it does
    ------------
    Finds, in projects all of whose `val_dataloader` methods return several loaders, a monitor of a
    key that `validation_step` alone logs and that does not name one of them.

    Why is this bad
    ---------------
    Lightning adds `/dataloader_idx_0` and so on. The callback raises after the first epoch of
    validation, with the keys that there are.

    Example
    -------
        class Model(LightningModule):
            def val_dataloader(self):
                return [DataLoader(self.clean), DataLoader(self.noisy)]

            def validation_step(self, batch, batch_idx, dataloader_idx):
                self.log("val_loss", self.loss(batch))

            def configure_callbacks(self):
                return [ModelCheckpoint(monitor="val_loss")]

    Use instead
    -----------
        class Model(LightningModule):
            def val_dataloader(self):
                return [DataLoader(self.clean), DataLoader(self.noisy)]

            def validation_step(self, batch, batch_idx, dataloader_idx):
                self.log("val_loss", self.loss(batch))

            def configure_callbacks(self):
                return [ModelCheckpoint(monitor="val_loss/dataloader_idx_0")]

    When to ignore
    --------------
    Where the module is trained with other data.

    References
    ----------
    - https://github.com/Lightning-AI/pytorch-lightning/issues/18282
    """
    for monitor in facts.monitors if _several_loaders(facts) else ():
        sites = only_sites(facts, monitor)
        if sites and all(map(_gets_suffix, sites)) and "/dataloader_idx_" not in shown(monitor.key):
            key = shown(monitor.key)
            yield self.finding(
                monitor.location,
                f"{monitor.watcher} watches {key}, and Lightning adds the number of the loader",
                remedy=f"{key[:-1]}/dataloader_idx_0', or add_dataloader_idx=False with a key of "
                "your own for each loader",
                subject=monitor.watcher,
            )


def _several_loaders(facts: ProjectFacts) -> bool:
    returned = [
        leaving.value
        for owner in facts.classes
        for leaving in owner.returns
        if leaving.hook == "val_dataloader" and leaving.written
    ]
    return bool(returned) and all(
        isinstance(value, Several) and len(value.items) > 1 for value in returned
    )


def _gets_suffix(log: LogSite) -> bool:
    return log.hook == "validation_step" and must_be(log.add_dataloader_idx, True)
