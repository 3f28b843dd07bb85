"""What one process knows of a metric where there are several."""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.facts.origins import ListOfSteps, MetricObject, local_parts, sure_parts
from pl_lint.facts.sites import LogSite, ProjectFacts
from pl_lint.facts.values import must_be
from pl_lint.findings import Finding, Status
from pl_lint.rules.judging import single_device
from pl_lint.rules.registry import Rule, rule
from pl_lint.rules.wording import key_text


@rule(
    "LTN211",
    "epoch-value-of-one-process",
    rows=("MET11",),
    status=Status.SUSPECTED,
    observers="both",
    condition="on two or more devices",
)
def epoch_value_of_one_process(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """An epoch's value is computed from a Python list, which holds one process's share only.

    What it does
    ------------
    Finds a value that is logged at the end of an epoch and made from a list that the steps fill,
    without `all_gather` and without `sync_dist=True`. Projects whose every Trainer uses one device
    are left alone.

    Why is this bad
    ---------------
    Each process has appended what it saw. With two processes one logged 3.0 and the other 4.0
    where 3.5 was true; the first one's value is kept.

    Example
    -------
        def validation_step(self, batch, batch_idx):
            self.losses.append(self.loss(batch))

        def on_validation_epoch_end(self):
            self.log("val_loss", torch.stack(self.losses).mean())
            self.losses.clear()

    Use instead
    -----------
        def validation_step(self, batch, batch_idx):
            loss = self.loss(batch)
            self.log("val_loss", loss, sync_dist=True)

    When to ignore
    --------------
    Where the code only ever runs on one device.

    References
    ----------
    - https://github.com/Lightning-AI/pytorch-lightning/issues/6200
    - https://lightning.ai/docs/pytorch/stable/accelerators/accelerator_prepare.html
    """
    if single_device(facts):
        return
    for owner in facts.modules():
        for log in owner.logs:
            attribute = _list_behind(log)
            if attribute is not None:
                yield self.finding(
                    log.location,
                    f"{key_text(log)} is made from `{attribute}`, which holds only what this "
                    "process saw",
                    remedy="update a torchmetrics object in the step, or bring the values "
                    "together with self.all_gather first",
                    subject=owner.short_name,
                )


def _list_behind(log: LogSite) -> str | None:
    """The list that a value logged at the end of an epoch is made of."""
    local = must_be(log.sync_dist, False) and must_be(log.rank_zero_only, False)
    if not log.hook.endswith("_epoch_end") or not local:
        return None
    if any(isinstance(part, MetricObject) for part in sure_parts(log.origin)):
        return None
    lists = (part.attribute for part in local_parts(log.origin) if isinstance(part, ListOfSteps))
    return next(lists, None)
