"""The life of a metric object: what fills it, what reads it, what empties it."""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.facts.origins import MetricCompute, sure_parts
from pl_lint.facts.sites import ClassFacts, MetricSite, MetricUse, ProjectFacts
from pl_lint.findings import Finding, Status
from pl_lint.rules.judging import averaged
from pl_lint.rules.metrics.judging import FILLS, follows_common_rules
from pl_lint.rules.registry import Rule, rule
from pl_lint.rules.wording import attribute_text


@rule(
    "LTN203",
    "metric-never-reset",
    rows=("MET03",),
    status=Status.SUSPECTED,
    observers="both",
    condition="from the second epoch on, or after the sanity check",
)
def never_reset(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A metric is computed by hand and never reset.

    What it does
    ------------
    Finds a metric that steps fill and a hook computes, where the class neither resets it nor logs
    the object. Best-so-far trackers such as `MaxMetric` are meant to be like that.

    Why is this bad
    ---------------
    Lightning resets only the metrics that are given to `self.log`. The others count on: three
    epochs were logged as 1.0, 0.5, 0.333 where 1, 0, 0 were true. The batches of the sanity check
    are counted too, and metrics that keep predictions grow without end.

    Example
    -------
        def on_validation_epoch_end(self):
            self.log("val_acc", self.val_acc.compute())

    Use instead
    -----------
        def on_validation_epoch_end(self):
            self.log("val_acc", self.val_acc.compute())
            self.val_acc.reset()

    When to ignore
    --------------
    Where the value over all epochs so far is meant.

    References
    ----------
    - https://github.com/Lightning-AI/torchmetrics/issues/269
    - https://lightning.ai/docs/torchmetrics/stable/pages/lightning.html
    """
    for owner in facts.modules():
        for metric in owner.metrics if not owner.open else ():
            place = _computed_without_reset(owner, metric)
            if place is not None:
                name = attribute_text(metric.path)
                yield self.finding(
                    place.location,
                    f"`{name}` is computed but never reset, so {_counted_on(place)}",
                    remedy=f"call {name}.reset() after compute(), or log the object itself",
                    subject=owner.short_name,
                )


def _counted_on(place: MetricUse) -> str:
    once = place.stage in ("test", "predict")
    return "another test counts this one" if once else "every epoch counts the ones before"


def _computed_without_reset(owner: ClassFacts, metric: MetricSite) -> MetricUse | None:
    if not follows_common_rules(metric) or metric.hook.startswith("on_"):
        return None  # one that a hook makes anew starts empty
    if metric.container and owner.metric(metric.container) is not None:
        return None  # its collection is judged
    uses = owner.uses_of(metric.path)
    inner = [use for use in owner.uses if use.metric.startswith(f"{metric.path}[")]
    if any(use.use in ("reset", "log") for use in (*uses, *inner)):
        return None
    if _averaged_in_step(owner, metric):
        return None  # LTN101 says so
    filled = any(use.use in FILLS and use.stage for use in uses)
    computed = (use for use in uses if use.use == "compute" and use.stage and use.certain)
    return next(computed, None) if filled else None


def _averaged_in_step(owner: ClassFacts, metric: MetricSite) -> bool:
    computed = MetricCompute(metric.path)
    return any(averaged(log) and computed in sure_parts(log.origin) for log in owner.logs)
