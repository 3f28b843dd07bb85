"""What ``self.log`` is given, and what becomes of it."""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.facts.sites import (
    ClassFacts,
    LogSite,
    MetricCompute,
    ProjectFacts,
    parts,
)
from pl_lint.facts.values import must_be
from pl_lint.findings import Finding
from pl_lint.rules.registry import Rule, rule
from pl_lint.rules.wording import key_text


@rule("LTN101", "computed-metric-logged-in-step", rows=("LOG01",), observers="both")
def computed_in_step(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """The result of a metric's compute() is logged at every batch instead of the metric.

    What it does
    ------------
    Finds `self.log(key, self.metric.compute())` in a step whose value is reduced over the epoch,
    directly or through a variable or helper.

    Why is this bad
    ---------------
    compute() in a step is the value over everything seen so far. Lightning averages these running
    values over the epoch, so early batches count many times. And as Lightning never sees the
    metric itself, it never resets it: the next epoch starts with the old one's state. On the same
    data three validation passes logged an F1 of 0.756, 0.615 and 0.595; the true value was 0.567.

    Example
    -------
        def validation_step(self, batch, batch_idx):
            x, y = batch
            self.val_f1.update(self(x), y)
            self.log("val/f1", self.val_f1.compute(), on_epoch=True)

    Use instead
    -----------
        def validation_step(self, batch, batch_idx):
            x, y = batch
            self.val_f1.update(self(x), y)
            self.log("val/f1", self.val_f1, on_epoch=True)

    When to ignore
    --------------
    Where the running value itself is what you want to see. Log it with `on_step=True,
    on_epoch=False`, which this rule leaves alone.

    References
    ----------
    - https://lightning.ai/docs/torchmetrics/stable/pages/lightning.html
    - https://github.com/Lightning-AI/pytorch-lightning/issues/19816
    """
    for owner in facts.modules():
        for log in owner.logs:
            metric = _computed_metric(log)
            if metric is None or not _averaged(log) or _reset_beside(owner, log, metric):
                continue
            yield self.finding(
                log.location,
                f"the running value of `{metric}` is averaged over the batches as "
                f"{key_text(log)}, and the metric is never reset by Lightning",
                remedy=f"log the metric itself: self.log({key_text(log)}, self.{metric})",
                subject=owner.short_name,
            )


def _computed_metric(log: LogSite) -> str | None:
    """The metric whose compute() a value surely comes from."""
    found = [part.metric for part in parts(log.origin) if isinstance(part, MetricCompute)]
    return found[0] if found else None


def _averaged(log: LogSite) -> bool:
    """Whether Lightning surely averages what each batch logs over the epoch."""
    return (
        log.in_step
        and must_be(log.on_epoch, True)
        and must_be(log.reduce_fx, "mean")
        and not log.sampled
    )


def _reset_beside(owner: ClassFacts, log: LogSite, metric: str) -> bool:
    """Whether the same hook resets the metric: then compute() is the value of this batch alone."""
    return any(use.use == "reset" and use.hook == log.hook for use in owner.uses_of(metric))
