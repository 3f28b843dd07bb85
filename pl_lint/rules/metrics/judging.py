"""Questions that several rules ask of metrics."""

from __future__ import annotations

from pl_lint.facts import torchmetrics
from pl_lint.facts.origins import Derived, Origin
from pl_lint.facts.sites import MetricSite, MetricUse

FILLS = frozenset({"forward", "update"})


def follows_common_rules(metric: MetricSite) -> bool:
    """Whether a metric follows the common rules: a class of the project may empty itself or take
    training and test data apart, a tracker is meant to remember."""
    known = torchmetrics.is_metric_class(metric.name) or torchmetrics.is_collection(metric.name)
    return known and not torchmetrics.is_tracker(metric.name) and not metric.path.startswith("<")


def predictions(use: MetricUse) -> Origin | None:
    """What a metric is given as predictions."""
    found = {name: origin for name, _, origin in use.given}
    return found.get("preds", found.get("0"))


def is_decided(use: MetricUse) -> bool:
    """Whether a metric is given classes that were decided for, and no scores."""
    origin = predictions(use)
    return isinstance(origin, Derived) and origin.operation == "decided"
