"""The life of a metric object: what fills it, what reads it, what empties it."""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.facts import torchmetrics
from pl_lint.facts.origins import ListOfSteps, MetricCompute, MetricObject, local_parts, sure_parts
from pl_lint.facts.sites import ClassFacts, LogSite, MetricSite, MetricUse, ProjectFacts
from pl_lint.facts.values import must_be
from pl_lint.findings import Finding, Status
from pl_lint.rules.judging import averaged, single_device
from pl_lint.rules.registry import Rule, rule
from pl_lint.rules.wording import attribute_text, key_text

FILLS = frozenset({"forward", "update"})


@rule("LTN201", "metric-shared-by-stages", rows=("MET01",), observers="both")
def shared_by_stages(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """One metric object counts training and validation together.

    What it does
    ------------
    Finds a metric that both `training_step` and `validation_step` call or update, where its state
    is read by `compute()` or by logging the object. A metric that another stage only resets, one
    that validation and test share, and one whose values per batch are all that is logged are left
    alone.

    Why is this bad
    ---------------
    Validation runs inside the training epoch. It adds to the state that training has filled, and
    Lightning resets the metric when validation ends. In one run the training accuracy was logged
    as 0.0 where 1.0 was true, the validation accuracy as 0.5 where 0.0 was true.

    Example
    -------
        def __init__(self):
            super().__init__()
            self.acc = torchmetrics.Accuracy(task="multiclass", num_classes=10)

        def training_step(self, batch, batch_idx):
            self.acc(self(batch[0]), batch[1])
            self.log("train_acc", self.acc, on_epoch=True)

        def validation_step(self, batch, batch_idx):
            self.acc(self(batch[0]), batch[1])
            self.log("val_acc", self.acc)

    Use instead
    -----------
        def __init__(self):
            super().__init__()
            self.train_acc = torchmetrics.Accuracy(task="multiclass", num_classes=10)
            self.val_acc = self.train_acc.clone()

    When to ignore
    --------------
    Never where the state is read: the numbers are mixtures.

    References
    ----------
    - https://lightning.ai/docs/torchmetrics/stable/pages/lightning.html#common-pitfalls
    - https://github.com/Lightning-AI/torchmetrics/issues/637
    """
    for owner in facts.modules():
        for metric in owner.metrics:
            place = _mixed_at(owner, metric)
            if place is None:
                continue
            name = attribute_text(metric.path)
            yield self.finding(
                place.location,
                f"`{name}` counts training and validation together: validation runs inside the "
                "training epoch and adds to the same state",
                remedy=f"give each stage its own metric, for example by {name}.clone()",
                subject=owner.short_name,
            )


def _judged(metric: MetricSite) -> bool:
    """Whether a metric follows the common rules: a class of the project may empty itself or take
    training and test data apart, a tracker is meant to remember."""
    known = torchmetrics.is_metric_class(metric.name) or torchmetrics.is_collection(metric.name)
    return known and not torchmetrics.is_tracker(metric.name) and not metric.path.startswith("<")


def _mixed_at(owner: ClassFacts, metric: MetricSite) -> MetricUse | None:
    """Where validation adds to what training has filled, if that state is read."""
    if not _judged(metric) or torchmetrics.is_collection(metric.name):
        return None  # the members of a collection are judged one by one
    uses = [use for use in owner.uses_of(metric.path) if use.certain]
    filled = [use for use in uses if use.use in FILLS and not _emptied_in(uses, use.hook)]
    in_training = [use for use in filled if use.stage == "train"]
    in_validation = [use for use in filled if use.stage == "validate"]
    if not in_training or not in_validation:
        return None
    read = _reads(owner, uses, "train") or (
        _reads(owner, uses, "validate") and not _emptied_before_validation(uses)
    )
    return in_validation[0] if read else None


def _emptied_in(uses: list[MetricUse], hook: str) -> bool:
    """Whether a hook that fills a metric also resets it: then nothing outlives a batch."""
    return any(use.use == "reset" and use.hook == hook for use in uses)


def _emptied_before_validation(uses: list[MetricUse]) -> bool:
    starts = ("on_validation_start", "on_validation_epoch_start")
    return any(use.use == "reset" and use.hook in starts for use in uses)


def _reads(owner: ClassFacts, uses: list[MetricUse], stage: str) -> bool:
    """Whether a stage reads the state that was gathered over its batches."""
    return any(
        use.use == "compute" or (use.use == "log" and _logged_over_epoch(owner, use))
        for use in uses
        if use.stage == stage
    )


def _logged_over_epoch(owner: ClassFacts, use: MetricUse) -> bool:
    """Whether an object's state is logged, and not only its value on the batch."""
    return any(
        log.location == use.location and not must_be(log.on_epoch, False) for log in owner.logs
    )


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
    if not _judged(metric) or metric.hook.startswith("on_"):
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
