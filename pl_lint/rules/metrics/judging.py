"""Questions that several rules ask of metrics."""

from __future__ import annotations

import re

from pl_lint.facts import torchmetrics
from pl_lint.facts.origins import UNPACKED, Derived, MetricCompute, MetricForward, Origin
from pl_lint.facts.sites import ClassFacts, LogSite, MetricSite, MetricUse
from pl_lint.facts.values import Known
from pl_lint.rules.judging import by_name, target_version

VECTORS_REFUSED = (1, 6)
"""The Lightning that refuses to log what is no single number (``LightningModule.log``)."""
FILLS = frozenset({"forward", "update"})
BEST = ("MaxMetric", "MinMetric")
AT_THE_START = ("setup", "on_fit_start", "on_train_start", "on_sanity_check_end")
"""Hooks that run once for a fit: what they reset counts on from one epoch to the next."""
SHAPED = frozenset({"ConfusionMatrix", "ROC", "PrecisionRecallCurve", "CatMetric"})
"""Metrics whose value is no single number; also with the task before the name."""
OF_SEVERAL = frozenset({"MeanAveragePrecision", "ROUGEScore", "ClasswiseWrapper"})
"""Metrics whose value is a dict, which ``self.log_dict`` takes."""
TASK = re.compile("^(Binary|Multiclass|Multilabel)")
OF_ONE = {
    "average": ("micro", "macro", "weighted"),
    "multidim_average": ("global",),
    "num_outputs": (1,),
    "multioutput": ("uniform_average", "variance_weighted"),
    "reduction": ("elementwise_mean", "mean", "sum"),
}
"""The arguments that may ask for several numbers, with what asks for one."""


def follows_common_rules(metric: MetricSite) -> bool:
    """Whether a metric follows the common rules: a class of the project may empty itself or take
    training and test data apart, a tracker is meant to remember."""
    known = torchmetrics.is_metric_class(metric.name) or torchmetrics.is_collection(metric.name)
    return known and not torchmetrics.is_tracker(metric.name) and not metric.path.startswith("<")


def is_shaped(metric: MetricSite) -> bool:
    """Whether the value is a matrix, a curve or the like."""
    return TASK.sub("", metric.class_name) in SHAPED


def is_of_several(metric: MetricSite) -> bool:
    """Whether the value is a dict."""
    return TASK.sub("", metric.class_name) in OF_SEVERAL


def has_value_per_class(metric: MetricSite) -> bool:
    """Whether the value is one number for each class (``average="none"``)."""
    given = by_name(metric.name, metric.arguments)
    task = given.get("task")
    several = task in (Known("multiclass"), Known("multilabel"))
    several = several or metric.class_name.startswith(("Multiclass", "Multilabel"))
    return several and given.get("average") in (Known("none"), Known(None))


def logged_as_given(owner: ClassFacts, log: LogSite) -> MetricSite | None:
    """The metric whose value is logged as it gives it, no element of it, and which is made in one
    way."""
    match log.origin:
        case MetricForward(path) | MetricCompute(path) if log.result and not path.startswith("<"):
            ways = [one for one in owner.metrics if one.path == path]
            return ways[0] if len(ways) == 1 else None
    return None


def is_refused(owner: ClassFacts, log: LogSite, metric: MetricSite) -> bool:
    """Whether a value for each class is logged as the metric gives it, at which Lightning raises
    (LTN124)."""
    judged = owner.kind == "module" and target_version(owner) >= VECTORS_REFUSED
    return judged and logged_as_given(owner, log) == metric and has_value_per_class(metric)


def is_single_number(metric: MetricSite) -> bool | None:
    """Whether the value surely is one number, which is what a log call takes; None where it may
    not be: a class of the project, an average that is not known."""
    if is_shaped(metric) or is_of_several(metric) or has_value_per_class(metric):
        return False
    if not torchmetrics.is_metric_class(metric.name) or UNPACKED in dict(metric.arguments):
        return None
    given = by_name(metric.name, metric.arguments)
    asked = (given[name] in map(Known, usual) for name, usual in OF_ONE.items() if name in given)
    known = torchmetrics.is_aggregator(metric.name) or torchmetrics.is_measured(metric.name)
    return True if known and all(asked) else None


def predictions(use: MetricUse) -> Origin | None:
    """What a metric is given as predictions."""
    found = {name: origin for name, _, origin in use.given}
    return found.get("preds", found.get("0"))


def is_decided(use: MetricUse) -> bool:
    """Whether a metric is given classes that were decided for, and no scores."""
    return _is_decided(predictions(use))


def _is_decided(origin: Origin | None) -> bool:
    """What is made of decisions alone (``one_hot``, a cast, a stack) holds no scores either."""
    if not isinstance(origin, Derived):
        return False
    if origin.operation == "decided":
        return True
    return origin.operation in ("call", "sequence") and all(map(_is_decided, origin.sources))
