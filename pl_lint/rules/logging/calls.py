"""Calls of ``self.log`` that Lightning refuses."""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.facts import lightning, torchmetrics
from pl_lint.facts.origins import MetricObject
from pl_lint.facts.sites import ClassFacts, LogSite, MetricSite, MetricUse, ProjectFacts
from pl_lint.facts.values import Known, Named
from pl_lint.findings import Finding
from pl_lint.fixes import Applicability, Fix
from pl_lint.rules.judging import defines, in_batches_of_one, target_version
from pl_lint.rules.logging.mending import always, drop_flags
from pl_lint.rules.metrics.judging import (
    FILLS,
    TASK,
    VECTORS_REFUSED,
    has_value_per_class,
    is_of_several,
    is_shaped,
    logged_as_given,
)
from pl_lint.rules.registry import Rule, rule
from pl_lint.rules.wording import attribute_text, key_text, shown

REDUCTIONS = frozenset({"min", "max", "mean", "sum", "avg"})
REDUCING = frozenset(f"{home}.{name}" for home in ("torch", "builtins") for name in REDUCTIONS)


@rule("LTN120", "unknown-reduction", rows=("LOG20",))
def unknown_reduction(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """reduce_fx is none of mean, sum, min and max.

    What it does
    ------------
    Finds another word, another function of torch, numpy or Python, or one of your own as
    `reduce_fx`.

    Why is this bad
    ---------------
    Lightning raises at the first call: "Only `self.log(..., reduce_fx={min,max,mean,sum})` are
    supported."

    Example
    -------
        def validation_step(self, batch, batch_idx):
            self.log("val/error", self.error(batch), reduce_fx=torch.median)

    Use instead
    -----------
        def validation_step(self, batch, batch_idx):
            self.errors.update(self.error(batch))  # torchmetrics.CatMetric

        def on_validation_epoch_end(self):
            self.log("val/error", self.errors.compute().median())
            self.errors.reset()

    When to ignore
    --------------
    Never: it does not run.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/extensions/logging.html#automatic-logging
    """
    for owner in facts.classes:
        for log in owner.logs:
            reduction = _refused_reduction(log)
            if reduction:
                yield self.finding(
                    log.location,
                    f"Lightning cannot reduce with {reduction}: it raises here",
                    remedy='reduce_fx is "mean", "sum", "min" or "max"',
                    subject=owner.short_name,
                )


def _refused_reduction(log: LogSite) -> str:
    match log.reduce_fx:
        case Known(str(word)) if word.lower() not in REDUCTIONS:
            return repr(word)
        case Named(name) if name.startswith(("torch.", "numpy.", "builtins.", "statistics.")):
            return "" if name in REDUCING else name
        case Named(name) if name.startswith("<function "):
            return "a function of your own"
    return ""


@rule("LTN122", "logged-where-it-is-refused", rows=("LOG22",))
def logged_where_refused(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """self.log is called in a hook in which Lightning refuses to log.

    What it does
    ------------
    Finds `self.log` and `self.log_dict` in `setup`, `configure_optimizers`, `on_fit_start`,
    `on_train_end`, `on_validation_end`, `predict_step` and the other hooks for which Lightning has
    no place to keep values, directly or in a helper that such a hook calls under no condition. What
    a callback logs through the module (`pl_module.log`) follows the callback's own hook.

    Why is this bad
    ---------------
    Lightning raises "You can't `self.log()` inside `on_train_end`". For that hook this happens
    after the last epoch, days into the run.

    Example
    -------
        def on_train_end(self):
            self.log("final/score", self.score)

    Use instead
    -----------
        def on_train_epoch_end(self):
            self.log("final/score", self.score)

    When to ignore
    --------------
    Never: it does not run. Values of other moments can go to the logger itself,
    `self.logger.log_metrics(...)`.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/extensions/logging.html
    - https://github.com/Lightning-AI/pytorch-lightning/issues/7518
    """
    for owner in facts.classes:
        for log in owner.logs:
            own = defines(facts, owner, "log")  # it may look where it is
            if not log.guards and not own and _is_refused(owner, log.hook):
                yield self.finding(
                    log.location,
                    f"Lightning raises here: nothing can be logged in {log.hook}",
                    remedy="log at the end of an epoch, or write to self.logger",
                    subject=owner.short_name,
                )


KINDS = {"module": "LightningModule", "callback": "Callback"}


def _is_refused(owner: ClassFacts, hook: str) -> bool:
    kind = KINDS.get(owner.kind, "")
    known = bool(hook) and lightning.hook_exists(kind, hook)
    dated = known and lightning.hook_exists(kind, hook, target_version(owner))
    return dated and lightning.log_defaults(hook) is None


@rule("LTN123", "flags-that-are-refused", rows=("LOG23",), fixable=True)
def flags_refused(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """self.log is given on_step and on_epoch that Lightning refuses in this hook.

    What it does
    ------------
    Finds `on_step=True` or `on_epoch=False` in the hooks of an epoch's start and end, and calls
    with both flags off, in callbacks as well as in modules.

    Why is this bad
    ---------------
    Lightning raises "You can't `self.log(on_step=True)` inside `on_validation_epoch_end`", or that
    logging with both flags off "is not useful": at the end of the first epoch. Before 1.5 it said
    nothing of both flags off, and showed the value nowhere.

    Example
    -------
        def on_validation_epoch_end(self):
            self.log("val/score", self.score(), on_step=True)

    Use instead
    -----------
        def on_validation_epoch_end(self):
            self.log("val/score", self.score())

    When to ignore
    --------------
    Never: it does not run.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/extensions/logging.html#automatic-logging
    """
    for owner in facts.classes:
        for log in owner.logs:
            flags = _refused_flags(log)
            if flags:
                lost = flags == NOWHERE and target_version(owner) < REFUSES_NOWHERE
                yield self.finding(
                    log.location,
                    f"{key_text(log)} is logged nowhere: {flags}"
                    if lost
                    else f"Lightning raises here: {flags} is not possible in {log.hook}",
                    remedy="leave on_step and on_epoch out",
                    subject=owner.short_name,
                    fix=_with_defaults(facts, log),
                )


NOWHERE = "on_step=False, on_epoch=False"
REFUSES_NOWHERE = (1, 5)
"""Before, Lightning took a value for nothing and showed it nowhere (``core/step_result.py`` of 1.2,
``logger_connector/result.py``)."""


def _with_defaults(facts: ProjectFacts, log: LogSite) -> Fix | None:
    """The defaults of the hook, where no other hook reaches the call and is content with it."""
    if not always(facts, log, lambda other: bool(_refused_flags(other))):
        return None
    changes = drop_flags(log, "on_step", "on_epoch")
    return Fix("leave on_step and on_epoch out", changes, Applicability.SAFE)


def _refused_flags(log: LogSite) -> str:
    if lightning.log_defaults(log.hook) is None:
        return ""
    match log.on_step, log.on_epoch:
        case Known(bool(step)), Known(bool(epoch)):
            allowed = lightning.resolve_log_flags(log.hook, step, epoch)
            return "" if allowed else f"on_step={step}, on_epoch={epoch}"
    return ""


SINCE = {
    "str": (1, 5),
    "picture": (1, 5),
    "list": (2, 0),
    "dict": (2, 0),
    "vector": VECTORS_REFUSED,
}
"""The version that refuses to log a value of a type (``LightningModule.log``)."""
WORDS = {
    "str": "text",
    "list": "a list or tuple",
    "dict": "a dict",
    "vector": "one number for each sample",
    "picture": "a figure, a histogram or the like",
}


@rule("LTN124", "no-single-number-logged", rows=("LOG24",))
def no_single_number(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """What is given to self.log is not one number.

    What it does
    ------------
    Finds metrics whose value is a matrix, a curve or a value for each class (`average="none"`), or
    that value, MetricCollections given to `self.log` instead of `self.log_dict`, lists, dicts and
    text, figures of matplotlib and plotly, images, histograms and tables of W&B, and one number for
    each sample: what the step gives to a metric as predictions, `(y_hat - y).abs()`. Silent where a
    condition or a filter asks for the key or the value, and in a `try`.

    Why is this bad
    ---------------
    Lightning raises. For a metric object it does so when the epoch ends and the value is computed.

    Example
    -------
        def __init__(self):
            super().__init__()
            self.confusion = torchmetrics.ConfusionMatrix(task="multiclass", num_classes=3)

        def validation_step(self, batch, batch_idx):
            self.confusion.update(self(batch[0]), batch[1])
            self.log("val/confusion", self.confusion)

    Use instead
    -----------
        def __init__(self):
            super().__init__()
            self.confusion = torchmetrics.ConfusionMatrix(task="multiclass", num_classes=3)

        def validation_step(self, batch, batch_idx):
            self.confusion.update(self(batch[0]), batch[1])

        def on_validation_epoch_end(self):
            figure, _ = self.confusion.plot()
            self.logger.experiment.add_figure("val/confusion", figure, self.global_step)
            self.confusion.reset()

    When to ignore
    --------------
    Never: it does not run.

    References
    ----------
    - https://lightning.ai/docs/torchmetrics/stable/pages/lightning.html
    - https://github.com/Lightning-AI/pytorch-lightning/issues/8175
    """
    for owner in facts.logging_classes():
        for log in owner.logs:
            kind = log.kind or ("vector" if _is_predicted(owner, log) else "")
            if kind == "vector" and in_batches_of_one(facts, owner, log.stage):
                continue
            if kind == "picture" and _is_looked_at(facts, owner, log):
                continue
            if kind and target_version(owner) >= SINCE[kind]:
                yield self.finding(
                    log.location,
                    f"{key_text(log)} is {WORDS[kind]}, no single number: Lightning raises",
                    remedy=REMEDIES.get(kind, "log each number under a key of its own"),
                    subject=owner.short_name,
                )
            metric = _metric_of(owner, log) if owner.kind == "module" else None
            problem = metric and _not_one_number(log, metric)
            if metric and problem:
                yield self.finding(
                    log.location,
                    f"{attribute_text(metric.path)} {problem}: Lightning raises",
                    remedy=_remedy(log, metric),
                    subject=owner.short_name,
                )


def _is_looked_at(facts: ProjectFacts, owner: ClassFacts, log: LogSite) -> bool:
    """Whether a helper, or a ``log`` of the project's own, may tell pictures from numbers."""
    return defines(facts, owner, "log") or (log.function != log.hook and bool(log.guards))


OF_SAMPLES = frozenset(
    "Accuracy F1 F1Score FBetaScore Precision Recall Specificity AUROC StatScores CohenKappa "
    "MatthewsCorrCoef JaccardIndex".split()
)
"""Metrics that take something for each sample of a batch."""
REMEDIES = {
    "vector": "log their mean",
    "picture": "give it to the logger itself: self.logger.experiment",
}


def _is_predicted(owner: ClassFacts, log: LogSite) -> bool:
    """Whether a step logs what it gives to a metric as the predictions for its batch."""
    given = (
        text
        for use in owner.uses
        if use.use in FILLS and use.hook == log.hook and _takes_samples(owner, use)
        for place, text, _ in use.given
        if place == "0"
    )
    return bool(log.named) and log.in_step and log.named in given


def _takes_samples(owner: ClassFacts, use: MetricUse) -> bool:
    """Whether a metric is one of classes, which takes something for each sample of a batch."""
    metric = owner.metric(use.metric)
    if metric is None or not metric.name.startswith("torchmetrics."):
        return False
    return use.certain and TASK.sub("", metric.class_name) in OF_SAMPLES


def _metric_of(owner: ClassFacts, log: LogSite) -> MetricSite | None:
    """The metric whose object is logged, or what it gives: of a value, an element may have been
    taken."""
    match log.origin:
        case MetricObject(path) if not path.startswith("<"):
            return owner.metric(path)
    found = logged_as_given(owner, log)
    refused = found and target_version(owner) >= SINCE[_kind_of(found)]
    return found if refused else None


def _kind_of(metric: MetricSite) -> str:
    return "dict" if is_of_several(metric) else "vector"


def _not_one_number(log: LogSite, metric: MetricSite) -> str:
    if torchmetrics.is_collection(metric.name):
        return "is a collection of metrics" if log.call == "log" else ""
    if not torchmetrics.is_metric_class(metric.name):
        return ""
    if is_shaped(metric) or (is_of_several(metric) and log.call == "log"):
        return f"is a {metric.class_name}, whose value is not one number"
    return "has a value for each class" if has_value_per_class(metric) else ""


def _remedy(log: LogSite, metric: MetricSite) -> str:
    if torchmetrics.is_collection(metric.name):
        return f"self.log_dict({attribute_text(metric.path)})"
    return f"log single numbers of it, each under a key like {shown(log.key)}"
