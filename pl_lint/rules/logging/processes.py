"""What one process logs where there are several."""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.facts.origins import (
    BatchValue,
    FunctionCall,
    MetricCompute,
    MetricForward,
    MetricObject,
    local_parts,
)
from pl_lint.facts.sites import LogSite, ProjectFacts
from pl_lint.facts.values import must_be
from pl_lint.findings import Finding, Status
from pl_lint.rules.judging import single_device
from pl_lint.rules.logging.values import means_do_not_suit
from pl_lint.rules.registry import Rule, rule
from pl_lint.rules.wording import key_text


@rule(
    "LTN106",
    "value-of-one-process-logged",
    rows=("LOG06",),
    status=Status.SUSPECTED,
    observers="both",
    condition="on two or more devices",
)
def value_of_one_process(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A validation or test value is logged without sync_dist=True.

    What it does
    ------------
    Finds values computed from the batch that are reduced over an epoch of validation or test
    without `sync_dist=True`. Metric objects, results of `compute()` and gathered values are right
    as they are, and projects whose every Trainer uses one device are left alone. What LTN102,
    LTN103 and LTN213 report is left to them: no mean over processes would be right either.

    Why is this bad
    ---------------
    Each process keeps the mean of its own share of the data; the first one's is logged, returned
    and monitored. With two processes 0.0 was logged where 0.5 was true.

    Example
    -------
        def validation_step(self, batch, batch_idx):
            self.log("val_loss", self.loss(batch))

    Use instead
    -----------
        def validation_step(self, batch, batch_idx):
            self.log("val_loss", self.loss(batch), sync_dist=True)

    When to ignore
    --------------
    Where the code only ever runs on one device.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/accelerators/accelerator_prepare.html
    - https://github.com/Lightning-AI/pytorch-lightning/issues/20492
    """
    if single_device(facts):
        return
    for owner in facts.modules():
        for log in owner.logs:
            if _of_one_process(log) and not means_do_not_suit(owner, log):
                yield self.finding(
                    log.location,
                    f"{key_text(log)} is the mean over this process's share of the data only",
                    remedy="add sync_dist=True",
                    subject=owner.short_name,
                )


def _of_one_process(log: LogSite) -> bool:
    judged = log.stage in ("validate", "test") and log.in_step and must_be(log.on_epoch, True)
    local = must_be(log.sync_dist, False) and must_be(log.rank_zero_only, False)
    if not judged or not local:
        return False
    found = tuple(local_parts(log.origin))
    if any(isinstance(part, (MetricObject, MetricCompute)) for part in found):
        return False
    return any(isinstance(part, (BatchValue, MetricForward, FunctionCall)) for part in found)
