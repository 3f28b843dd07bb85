"""Questions that several rules ask of metrics."""

from __future__ import annotations

from pl_lint.facts import torchmetrics
from pl_lint.facts.sites import MetricSite

FILLS = frozenset({"forward", "update"})


def follows_common_rules(metric: MetricSite) -> bool:
    """Whether a metric follows the common rules: a class of the project may empty itself or take
    training and test data apart, a tracker is meant to remember."""
    known = torchmetrics.is_metric_class(metric.name) or torchmetrics.is_collection(metric.name)
    return known and not torchmetrics.is_tracker(metric.name) and not metric.path.startswith("<")
