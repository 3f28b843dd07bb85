"""Metric objects and several dataloaders."""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.facts.sites import ClassFacts, LogSite, MonitorSite, ProjectFacts, TrainerCall
from pl_lint.facts.values import Known, Several, Table, Value, must_be
from pl_lint.findings import Finding, Status
from pl_lint.rules.logging.keys import only_sites
from pl_lint.rules.logging.objects import all_uses, logged_object
from pl_lint.rules.metrics.judging import FILLS
from pl_lint.rules.registry import Rule, rule
from pl_lint.rules.wording import attribute_text, shown

NUMBER = "dataloader_idx"
LOADERS = {"validation_step": "val_dataloader", "test_step": "test_dataloader"}
"""The steps that get the number of a dataloader, with the hook that gives the loaders."""
GIVEN = {"val_dataloader": "validate", "test_dataloader": "test"}
"""What such a hook is called where a Trainer is given loaders in its place."""


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
    Reading finds a `validation_step` or `test_step` that takes `dataloader_idx` and fills one
    metric object whatever its value, to log it for each dataloader: with Lightning's suffix, or
    under keys that `dataloader_idx` chooses. With `dataloader_idx=0` it looks at whether the
    project's dataloaders are several. Running finds a value of a dataloader that is the metric with
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
    With one dataloader, or where all are to be counted together: then log the metric in
    `on_validation_epoch_end`.

    References
    ----------
    - https://github.com/Lightning-AI/pytorch-lightning/issues/18282
    """
    for owner in facts.modules():
        hooks = _steps_with_a_number(owner)
        for log in owner.logs if hooks else ():
            path = logged_object(log)
            if path is None or log.hook not in hooks or NUMBER in log.picked_by:
                continue
            if not _fills_for_all(owner, path, log):
                continue
            suffixed = must_be(log.add_dataloader_idx, True) and NUMBER not in log.guards
            if _told_apart(owner, path, log) or (suffixed and _for_several(facts, owner, log.hook)):
                yield self.finding(
                    log.location,
                    f"{attribute_text(path)} counts the batches of all dataloaders together",
                    remedy="a metric for each dataloader, chosen by dataloader_idx",
                    subject=owner.short_name,
                )


def _steps_with_a_number(owner: ClassFacts) -> set[str]:
    """The steps that take the number of a dataloader."""
    return {
        method.name
        for method in owner.own_methods
        if method.name in LOADERS and NUMBER in method.parameters
    }


def _for_several(facts: ProjectFacts, owner: ClassFacts, step: str) -> bool:
    """Whether a step cannot be called without that number, or its loaders are seen to be
    several."""
    if any(method.name == step and NUMBER in method.required for method in owner.own_methods):
        return True
    return _gets_several(facts, owner, LOADERS[step])


def _gets_several(facts: ProjectFacts, owner: ClassFacts, hook: str) -> bool:
    """Whether the loaders of a module are seen to be several: those that Trainers are given for it,
    else its own, and where it has none all that the project has."""
    counts = [_given(facts, call, hook) for call in facts.programs.calls_with(owner)]
    given = [count for count in counts if count is not None]
    if given:
        return min(given) > 1
    own = any(leaving.hook == hook for leaving in owner.returns)
    return _several_loaders((owner,) if own else facts.classes, hook)


def _given(facts: ProjectFacts, call: TrainerCall, hook: str) -> int | None:
    """How many loaders a call of a Trainer gives in the place of a hook, itself or by the data
    module that it is given: 0 where they are not counted, None where it gives none in sight."""
    owners = tuple(owner for owner in facts.classes if owner.name in call.data)
    if call.method != "predict" and _several_loaders(owners, hook):
        return 2
    return dict(call.loaders).get(GIVEN[hook])


def _fills_for_all(owner: ClassFacts, path: str, log: LogSite) -> bool:
    """Whether the step fills this metric for every dataloader, and never empties it between."""
    uses = [use for use in all_uses(owner, path) if use.hook == log.hook]
    fills = [use for use in uses if use.use in FILLS]
    chosen = any(NUMBER in use.guards for use in fills)
    emptied = any(use.use == "reset" for use in uses)
    return bool(fills) and all(use.certain for use in fills) and not chosen and not emptied


def _told_apart(owner: ClassFacts, path: str, log: LogSite) -> bool:
    """Whether the number of the dataloader chooses the key that the metric is logged under."""
    keys = {
        other.key
        for other in owner.logs
        if other.hook == log.hook and logged_object(other) == path and NUMBER in other.guards
    }
    return NUMBER in log.chosen_by or (NUMBER in log.guards and len(keys) > 1)


@rule(
    "LTN115",
    "monitored-key-without-loader",
    rows=("LOG15",),
    status=Status.SUSPECTED,
    condition="if this module is trained with these loaders",
)
def key_without_loader(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """With several loaders a key has the number of one at its end, or none where it is needed.

    What it does
    ------------
    Finds, where a module is seen to get several validation loaders (from the Trainer's call, its
    data module, its own hook, or all hooks of the project), a monitor of a key that
    `validation_step` alone logs and that does not name one of them. And a key that does not depend
    on `dataloader_idx` and is logged for each of them with `add_dataloader_idx=False`.

    Why is this bad
    ---------------
    Lightning adds `/dataloader_idx_0` and so on. The callback raises after the first epoch of
    validation, with the keys that there are. One key for several loaders raises at the first batch
    of the second: "twice in `validation_step` with different arguments".

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
    for monitor in facts.monitors:
        if _lacks_a_number(facts, monitor):
            key = shown(monitor.key)
            yield self.finding(
                monitor.location,
                f"{monitor.watcher} watches {key}, and Lightning adds the number of the loader",
                remedy=f"{key[:-1]}/dataloader_idx_0', or add_dataloader_idx=False with a key of "
                "your own for each loader",
                subject=monitor.watcher,
            )
    for owner in facts.modules():
        for log in owner.logs:
            if _is_one_for_all(owner, log) and _for_several(facts, owner, log.hook):
                yield self.finding(
                    log.location,
                    f"{shown(log.key)} is logged for several loaders, which raises without the "
                    "number that add_dataloader_idx=False leaves out",
                    remedy="a key that names the loader, or no add_dataloader_idx=False",
                    subject=owner.short_name,
                )


def _lacks_a_number(facts: ProjectFacts, monitor: MonitorSite) -> bool:
    """Whether all that feeds a monitor gets the number of a loader, which its key has not."""
    sites = only_sites(facts, monitor)
    suffixed = bool(sites) and all(map(_gets_suffix, sites))
    if not suffixed or "/dataloader_idx_" in shown(monitor.key):
        return False
    owners = facts.trained_with(monitor)
    return all(_gets_several(facts, owner, "val_dataloader") for owner in owners)


def _is_one_for_all(owner: ClassFacts, log: LogSite) -> bool:
    """Whether a step logs one key whatever the loader, without its number."""
    if log.hook not in _steps_with_a_number(owner) or not isinstance(log.key, Known):
        return False
    chosen = bool(log.guards) or NUMBER in log.chosen_by  # a condition may ask for the number
    collection = log.call == "log_dict" and logged_object(log) is not None  # which names its keys
    return not chosen and not collection and must_be(log.add_dataloader_idx, False)


def _several_loaders(owners: tuple[ClassFacts, ...], hook: str) -> bool:
    """Whether every such hook of these classes returns several loaders."""
    returned = [
        leaving.value
        for owner in owners
        for leaving in owner.returns
        if leaving.hook == hook and leaving.written
    ]
    return bool(returned) and all(_count(value) > 1 for value in returned)


def _count(value: Value) -> int:
    """How many loaders are surely among what is returned: a list or a dict of them."""
    match value:
        case Several(items) | Table(items):
            return len(items)
    return 0


def _gets_suffix(log: LogSite) -> bool:
    return log.hook == "validation_step" and must_be(log.add_dataloader_idx, True)
