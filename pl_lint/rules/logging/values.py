"""What ``self.log`` is given, and what becomes of it."""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.facts import torchmetrics
from pl_lint.facts.origins import MetricCompute, MetricForward, Origin, parts, sure_part
from pl_lint.facts.sites import ClassFacts, LogSite, MetricSite, ProjectFacts
from pl_lint.facts.values import Known
from pl_lint.findings import Finding
from pl_lint.fixes import Fix
from pl_lint.plain import replace
from pl_lint.rules.judging import (
    averaged,
    in_batches_of_one,
    is_linear,
    logged_again,
    shown_at_end,
)
from pl_lint.rules.logging.averages import averaged_value
from pl_lint.rules.logging.mending import (
    has_no_step_value,
    held_by,
    is_filled_by_several,
    log_object,
)
from pl_lint.rules.metrics.judging import is_refused, is_single_number
from pl_lint.rules.registry import Rule, rule
from pl_lint.rules.wording import attribute_text, is_told, key_text, listed, shown


@rule("LTN101", "computed-metric-logged-in-step", rows=("LOG01",), observers="both", fixable=True)
def computed_in_step(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """The result of a metric's compute() is logged at every batch instead of the metric.

    What it does
    ------------
    Finds `self.log(key, self.metric.compute())` in a step whose value is reduced over the epoch,
    directly or through a variable or helper. The same in a hook around a batch, where a callback
    may log through the module: `pl_module.log(...)`.

    Why is this bad
    ---------------
    compute() in a step is the value over everything seen so far. Lightning averages these running
    values over the epoch, so early batches count many times. And as Lightning never sees the
    metric itself, it never resets it: the next epoch starts with the old one's state. On the same
    data three validation passes logged an F1 of 0.756, 0.615 and 0.595; the true value was 0.567.

    Example
    -------
        def __init__(self):
            super().__init__()
            self.val_f1 = torchmetrics.F1Score(task="binary")

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
    for owner in facts.logging_classes():
        for log in owner.logs:
            metric = _computed_metric(log)
            if metric is None or not averaged(log) or _of_this_batch(owner, log, metric):
                continue
            if logged_again(owner, log):
                continue
            made = owner.metric(metric)
            if made is not None and log.call == "log_dict" and _in_collection(owner, made):
                metric, made = made.container, owner.metric(made.container)
            yield self.finding(
                log.location,
                f"the running value of `{metric}` is averaged over the batches{_as(log)}"
                f"{_and_kept(owner, metric)}",
                remedy=_instead(owner, log, metric),
                subject=owner.short_name,
                fix=log_object(facts, owner, log, made) if made is not None else None,
            )


def _and_kept(owner: ClassFacts, metric: str) -> str:
    """Words for a metric that no epoch resets by hand: one who starts a fit does so once."""
    resets = (use.hook for use in owner.uses_of(metric) if use.use == "reset")
    by_hand = any("epoch" in hook or hook in AT_THE_EDGES for hook in resets)
    return "" if by_hand else ", and the metric is never reset by Lightning"


AT_THE_EDGES = tuple(
    f"on_{stage}_{edge}" for stage in ("validation", "test") for edge in ("start", "end")
)


def _as(log: LogSite) -> str:
    return f" as {shown(log.key)}" if is_told(log.key) else ""


def _computed_metric(log: LogSite) -> str | None:
    """The metric whose compute() a value surely comes from."""
    found = sure_part(log.origin, lambda part: isinstance(part, MetricCompute))
    return found.metric if isinstance(found, MetricCompute) else None


def _of_this_batch(owner: ClassFacts, log: LogSite, metric: str) -> bool:
    """Whether compute() is the value of this batch alone: the same hook resets or makes the
    metric."""
    made = owner.metric(metric)
    if made is not None and made.hook == log.hook:
        return True
    return any(use.use == "reset" and use.hook == log.hook for use in owner.uses_of(metric))


@rule("LTN102", "batch-metric-averaged", rows=("LOG02",), observers="both", fixable=True)
def batch_metric_averaged(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A metric's value on each batch is averaged, though the mean is not the metric's value.

    What it does
    ------------
    Finds `score = self.metric(preds, target)` whose result is logged in a step and reduced over the
    epoch, or kept by the steps and averaged at its end or by a MeanMetric, for metrics that are not
    linear with the arguments they are built with: F1, precision, recall, AUROC, macro accuracy, R2
    and others. Metrics for which the weighted mean of the batches is exact (micro accuracy, MSE,
    MAE) are left alone, and so are SSIM without `data_range`, which the object takes of each batch
    as well, those that are made in one of several ways, of which one is linear, and values of
    loaders that are seen to give one sample at a time.

    Why is this bad
    ---------------
    Calling a metric returns its value on this batch alone, and Lightning averages these over the
    epoch. The mean of F1 scores is not the F1 score of the data, and it changes with the batch
    size. In one run on 16 samples a batch, AUROC was logged as 0.782 where 0.887 was true, recall
    as 0.720 where 0.769 was true.

    Example
    -------
        def __init__(self):
            super().__init__()
            self.val_f1 = torchmetrics.F1Score(task="binary")

        def validation_step(self, batch, batch_idx):
            x, y = batch
            f1 = self.val_f1(self(x), y)
            self.log("val/f1", f1, on_epoch=True)

    Use instead
    -----------
        def validation_step(self, batch, batch_idx):
            x, y = batch
            self.val_f1(self(x), y)
            self.log("val/f1", self.val_f1, on_epoch=True)

    When to ignore
    --------------
    Where the mean over batches is what you want to report, for example to compare with older code
    that did so.

    References
    ----------
    - https://lightning.ai/docs/torchmetrics/stable/pages/lightning.html#common-pitfalls
    - https://github.com/Lightning-AI/torchmetrics/issues/845
    """
    yield from _batch_metrics(self, facts, members=False)


@rule("LTN213", "batch-collection-averaged", rows=("MET13",), observers="both", fixable=True)
def batch_collection_averaged(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """The values of a MetricCollection on each batch are averaged instead of the collection logged.

    What it does
    ------------
    Finds `self.log_dict(self.metrics(preds, target))` in a step, directly or through a variable,
    where the values are reduced over the epoch and some member is not linear.

    Why is this bad
    ---------------
    As for a single metric (LTN102): each value is that of one batch, and Lightning averages them.
    An F1 of 0.833 was logged where 0.800 was true.

    Example
    -------
        def __init__(self):
            super().__init__()
            self.val_metrics = torchmetrics.MetricCollection([torchmetrics.F1Score(task="binary")])

        def validation_step(self, batch, batch_idx):
            x, y = batch
            self.log_dict(self.val_metrics(self(x), y))

    Use instead
    -----------
        def validation_step(self, batch, batch_idx):
            x, y = batch
            self.val_metrics.update(self(x), y)
            self.log_dict(self.val_metrics)

    When to ignore
    --------------
    Where the mean over batches is what you want to report.

    References
    ----------
    - https://lightning.ai/docs/torchmetrics/stable/pages/overview.html#metriccollection
    """
    yield from _batch_metrics(self, facts, members=True)


def _batch_metrics(self: Rule, facts: ProjectFacts, members: bool) -> Iterator[Finding]:
    """Values of single batches that are averaged, of single metrics or of members."""
    for owner in facts.logging_classes():
        for log in shown_at_end(owner):
            metric = unlinear_metric(owner, log, averaged_value(owner, log))
            if metric is None or _in_collection(owner, metric) is not members:
                continue
            if in_batches_of_one(facts, owner, log.stage):
                continue
            if is_refused(owner, log, metric):
                continue
            if not all(_is_unlinear(owner, other) for other in _other_ways(owner, log)):
                continue
            whole = metric.container if members else metric.path
            known = not whole.startswith("<")
            beside = _computed_at_end(owner, log, metric)
            remedy = _instead(owner, log, whole) if known else _keep_object(metric)
            yield self.finding(
                log.location,
                f"{key_text(log)} is the mean of {_named(metric)} over batches, which is not "
                f"the {_named(metric)} of the data and changes with the batch size"
                f"{_where(facts, owner, log)}",
                remedy=f"{ONLY_STEPS} {beside.location}" if beside is not None else remedy,
                subject=owner.short_name,
                fix=_logged(facts, owner, log, whole) if beside is None else None,
            )


ONLY_STEPS = "log it with on_step=True, on_epoch=False, or not: the epoch's value is logged at"


def _computed_at_end(owner: ClassFacts, log: LogSite, metric: MetricSite) -> LogSite | None:
    """Where the end of the epoch logs what the metric, or its collection, computes of all data."""
    computed = (MetricCompute(metric.path), MetricCompute(metric.container))
    for other in owner.logs if log.per_batch else ():
        at_end = other.stage == log.stage and other.hook.endswith("_epoch_end")
        if at_end and any(part in computed for part in parts(other.origin)):
            return other
    return None


def _named(metric: MetricSite) -> str:
    """The class, with the arguments that make its mean over batches another value: the mean of
    MeanSquaredError is right, that of MeanSquaredError(squared=False) is not."""
    guilty = [pair for pair in metric.arguments if _is_right_without(metric, pair[0])]
    told = (f"{name}={shown(value)}" for name, value in guilty if isinstance(value, Known))
    words = ", ".join(told)
    return f"{metric.class_name}({words})" if words else metric.class_name


def _is_right_without(metric: MetricSite, name: str) -> bool:
    left = tuple(pair for pair in metric.arguments if pair[0] != name)
    return not name.isdigit() and is_linear(replace(metric, arguments=left)) is True


def _where(facts: ProjectFacts, owner: ClassFacts, log: LogSite) -> str:
    """Words for a line of a base class that is wrong in this class: it decides on the metric."""
    bases = (one for one in facts.modules() if one.name in owner.ancestors)
    inherited = any(log.location == other.location for one in bases for other in one.logs)
    return f" (as {owner.short_name} builds it)" if inherited else ""


def _logged(facts: ProjectFacts, owner: ClassFacts, log: LogSite, path: str) -> Fix | None:
    """The object with this path is logged; a member's value in a dict is left to people."""
    found = owner.metric(path)
    alone = found is not None and (log.call == "log") is not torchmetrics.is_collection(found.name)
    fits = alone and log.in_step
    return log_object(facts, owner, log, found) if found is not None and fits else None


def unlinear_metric(owner: ClassFacts, log: LogSite, value: Origin) -> MetricSite | None:
    """A metric whose value on the batch is surely averaged, if means do not suit it."""

    def is_unlinear(part: Origin) -> bool:
        if not isinstance(part, (MetricForward, MetricCompute)):
            return False
        if isinstance(part, MetricCompute) and not _of_this_batch(owner, log, part.metric):
            return False
        made = [one for one in owner.metrics if one.path == part.metric]
        return bool(made) and all(is_linear(one) is False for one in made)

    found = sure_part(value, is_unlinear)
    return owner.metric(found.metric) if isinstance(found, (MetricForward, MetricCompute)) else None


def _other_ways(owner: ClassFacts, log: LogSite) -> Iterator[LogSite]:
    """The same call with the same key, where a metric may be one of several: it is made with other
    arguments in each branch of ``__init__``."""
    for other in owner.logs:
        same = (other.location, other.key, other.hook) == (log.location, log.key, log.hook)
        if same and other.origin != log.origin:
            yield other


def _is_unlinear(owner: ClassFacts, log: LogSite) -> bool:
    return unlinear_metric(owner, log, averaged_value(owner, log)) is not None


def _in_collection(owner: ClassFacts, metric: MetricSite) -> bool:
    container = owner.metric(metric.container)
    return container is not None and torchmetrics.is_collection(container.name)


def _instead(owner: ClassFacts, log: LogSite, path: str) -> str:
    """What to log. A callback's metric is no attribute of the module, which is why Lightning would
    refuse the object (``LightningModule.log``)."""
    if owner.kind == "callback":
        hook = f"{log.hook.partition('_batch_')[0]}_epoch_end"
        return f"log {attribute_text(path)}.compute() once in {hook}, and reset the metric there"
    if is_filled_by_several(owner, path):
        return f"make one {attribute_text(path)} for each stage, and log that object itself"
    found = owner.metric(path)
    shaped = (
        [one for one in held_by(owner, found) if is_single_number(one) is False] if found else []
    )
    if shaped:
        names = listed(one.class_name for one in shaped)
        return f"log objects that give one number each; {names} once, when the epoch ends"
    by_name = torchmetrics.is_collection(found.name) if found else log.call == "log_dict"
    when = ", on_step=False, on_epoch=True" if has_no_step_value(owner, log, path) else ""
    if by_name:
        return f"log the metrics themselves: self.log_dict({attribute_text(path)}{when})"
    return f"log the metric itself: self.log({shown(log.key)}, {attribute_text(path)}{when})"


def _keep_object(metric: MetricSite) -> str:
    """What to do with a metric that no attribute holds. Lightning logs no object whose value is
    several numbers (LTN124)."""
    single = is_single_number(metric) is not False
    then = "log the object" if single else "log what it computes once, when the epoch ends"
    return f"make the {metric.class_name} once in __init__, update it in the step and {then}"
