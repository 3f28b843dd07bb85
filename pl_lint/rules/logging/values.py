"""What ``self.log`` is given, and what becomes of it."""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.facts import torchmetrics
from pl_lint.facts.origins import (
    BatchValue,
    Derived,
    FunctionCall,
    MetricCompute,
    MetricForward,
    Origin,
    parts,
    sure_part,
)
from pl_lint.facts.sites import ClassFacts, LogSite, MetricSite, ProjectFacts
from pl_lint.findings import Finding, Status
from pl_lint.fixes import Fix
from pl_lint.rules.judging import averaged, is_linear, linearity_of_call, logged_again
from pl_lint.rules.logging.mending import log_object
from pl_lint.rules.registry import Rule, rule
from pl_lint.rules.wording import attribute_text, key_text


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
    for owner in facts.modules():
        for log in owner.logs:
            metric = _computed_metric(log)
            if metric is None or not averaged(log) or _of_this_batch(owner, log, metric):
                continue
            if logged_again(owner, log):
                continue
            made = owner.metric(metric)
            yield self.finding(
                log.location,
                f"the running value of `{metric}` is averaged over the batches as "
                f"{key_text(log)}, and the metric is never reset by Lightning",
                remedy=_log_object(log, metric),
                subject=owner.short_name,
                fix=log_object(facts, owner, log, made) if made is not None else None,
            )


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


@rule("LTN102", "batch-metric-averaged", rows=("LOG02",), observers="both")
def batch_metric_averaged(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A metric's value on each batch is averaged, though the mean is not the metric's value.

    What it does
    ------------
    Finds `score = self.metric(preds, target)` whose result is logged in a step and reduced over
    the epoch, for metrics that are not linear with the arguments they are built with: F1,
    precision, recall, AUROC, macro accuracy, R2 and others. Metrics for which the weighted mean of
    the batches is exact (micro accuracy, MSE, MAE) are left alone.

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


@rule("LTN213", "batch-collection-averaged", rows=("MET13",), observers="both")
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
    for owner in facts.modules():
        for log in owner.logs:
            metric = _unlinear_metric(owner, log) if averaged(log) else None
            if metric is None or _in_collection(owner, metric) is not members:
                continue
            whole = metric.container if members else metric.path
            known = not whole.startswith("<")
            yield self.finding(
                log.location,
                f"{key_text(log)} is the mean of {metric.class_name} over batches, which is not "
                f"the {metric.class_name} of the data and changes with the batch size"
                f"{_where(facts, owner, log)}",
                remedy=_log_object(log, whole) if known else _keep_object(metric),
                subject=owner.short_name,
                fix=_logged(facts, owner, log, whole),
            )


def _where(facts: ProjectFacts, owner: ClassFacts, log: LogSite) -> str:
    """Words for a line of a base class that is wrong in this class: it decides on the metric."""
    bases = (one for one in facts.modules() if one.name in owner.ancestors)
    inherited = any(log.location == other.location for one in bases for other in one.logs)
    return f" (as {owner.short_name} builds it)" if inherited else ""


def _logged(facts: ProjectFacts, owner: ClassFacts, log: LogSite, path: str) -> Fix | None:
    """The object with this path is logged; a member's value in a dict is left to people."""
    found = owner.metric(path)
    alone = found is not None and (log.call == "log") is not torchmetrics.is_collection(found.name)
    return log_object(facts, owner, log, found) if found is not None and alone else None


def _unlinear_metric(owner: ClassFacts, log: LogSite) -> MetricSite | None:
    """A metric whose value on the batch a log call surely logs, if means do not suit it."""

    def is_unlinear(part: Origin) -> bool:
        if not isinstance(part, (MetricForward, MetricCompute)):
            return False
        if isinstance(part, MetricCompute) and not _of_this_batch(owner, log, part.metric):
            return False
        metric = owner.metric(part.metric)
        return metric is not None and is_linear(metric) is False

    found = sure_part(log.origin, is_unlinear)
    return owner.metric(found.metric) if isinstance(found, (MetricForward, MetricCompute)) else None


def _in_collection(owner: ClassFacts, metric: MetricSite) -> bool:
    container = owner.metric(metric.container)
    return container is not None and torchmetrics.is_collection(container.name)


def _log_object(log: LogSite, path: str) -> str:
    if log.call == "log_dict":
        return f"log the metrics themselves: self.log_dict({attribute_text(path)})"
    return f"log the metric itself: self.log({key_text(log)}, {attribute_text(path)})"


def _keep_object(metric: MetricSite) -> str:
    return (
        f"make the {metric.class_name} once in __init__, update it in the step and log the object"
    )


@rule(
    "LTN103",
    "batch-function-averaged",
    rows=("LOG03",),
    status=Status.SUSPECTED,
    observers="both",
    condition="if an epoch has batches that differ, which they do unless it is one batch",
)
def batch_function_averaged(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A function of a whole data set is computed on each batch and averaged.

    What it does
    ------------
    Finds values of `torchmetrics.functional`, `sklearn.metrics` and correlations of `scipy.stats`
    that are not linear, and square roots and exponentials of batch means, logged in a step and
    reduced over the epoch.

    Why is this bad
    ---------------
    The mean of batch values is another number than the value over the data. In one run R2 was
    logged as -17.5 where 0.889 was true, the Pearson correlation as 0.493 where 0.963 was true,
    RMSE as 2.93 where 3.50 was true.

    Example
    -------
        def validation_step(self, batch, batch_idx):
            x, y = batch
            mse = torch.nn.functional.mse_loss(self(x), y)
            self.log("val/rmse", torch.sqrt(mse))

    Use instead
    -----------
        def validation_step(self, batch, batch_idx):
            x, y = batch
            self.val_rmse.update(self(x), y)  # torchmetrics.MeanSquaredError(squared=False)
            self.log("val/rmse", self.val_rmse)

    When to ignore
    --------------
    Where the mean over batches is the quantity that you define: a contrastive loss compares the
    samples of a batch. Say so in the case, and a run leaves that key alone:

        @pl_lint.case(batch_dependent={"val/rmse": "the mean over batches is what we report"})
        def forecaster():
            return LitForecaster(), WeatherData()

    References
    ----------
    - https://lightning.ai/docs/torchmetrics/stable/pages/overview.html#functional-metrics
    - https://github.com/Lightning-AI/pytorch-lightning/issues/2265
    """
    for owner in facts.modules():
        for log in owner.logs:
            what = _unlinear_function(log) if averaged(log) else None
            if what is not None:
                yield self.finding(
                    log.location,
                    f"{key_text(log)} is {what} of each batch, averaged over the epoch: that is "
                    "not its value over the data",
                    remedy="update a torchmetrics object in the step and log the object, or "
                    "compute the value once from sums over the epoch",
                    subject=owner.short_name,
                )


WORDS = {"sqrt": "the square root", "exp": "the exponential"}


def _unlinear_function(log: LogSite) -> str | None:
    per_sample = _averaged_operations(log.origin)

    def is_unlinear(part: Origin) -> bool:
        if isinstance(part, FunctionCall):
            of_sample = part.name.startswith("scipy.") and not _is_itself(log.origin, part)
            return linearity_of_call(part) is False and not of_sample
        of_all = isinstance(part, Derived) and part.operation in WORDS and part not in per_sample
        return of_all and _is_of_batch(part)

    match sure_part(log.origin, is_unlinear):
        case FunctionCall(name):
            return name.rpartition(".")[2]
        case Derived(operation):
            return WORDS[operation]
    return None


def _is_itself(origin: Origin, part: Origin) -> bool:
    """Whether a value is what a function gives, or an item of it: what is summed or averaged may
    have been computed for one sample after another."""
    while isinstance(origin, Derived) and origin.operation == "call" and len(origin.sources) == 1:
        origin = origin.sources[0]
    return origin == part


def _averaged_operations(origin: Origin) -> frozenset[Origin]:
    """What goes on to be averaged, or into a function that nothing is known of: a root for each
    sample is no root of a mean, a metric of probabilities no exponential."""
    later = (one for one in parts(origin) if _hides(one))
    return frozenset(inner for one in later for inner in parts(one) if inner is not one)


def _hides(part: Origin) -> bool:
    if isinstance(part, Derived) and part.operation == "call":
        return len(part.sources) > 1  # with others: a method of its own may be a plain sum
    averages = isinstance(part, Derived) and part.operation in ("mean", "decided")
    return averages or isinstance(part, FunctionCall)


def _is_of_batch(operation: Derived) -> bool:
    """Whether an operation is done to what the batch gave: not to a parameter, which is the same
    for every batch, and not to a metric, which is judged as one."""
    if any(isinstance(source, MetricForward) for source in operation.sources):
        return False
    return any(isinstance(part, (BatchValue, FunctionCall)) for part in parts(operation))


def means_do_not_suit(owner: ClassFacts, log: LogSite) -> bool:
    """Whether the value is reported as one that no mean is right for: over ranks neither."""
    unlinear = _unlinear_metric(owner, log) or _unlinear_function(log)
    return averaged(log) and unlinear is not None
