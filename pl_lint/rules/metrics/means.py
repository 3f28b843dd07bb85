"""Means of batches: what weight each has, and in which precision they are added up."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pl_lint.facts.origins import (
    UNPACKED,
    BatchValue,
    Derived,
    Either,
    Extent,
    FunctionCall,
    ListOfSteps,
    MetricCompute,
    MetricForward,
    Number,
    Origin,
    UnknownOrigin,
    parts,
)
from pl_lint.facts.sites import (
    ADDED,
    ClassFacts,
    ListSite,
    LogSite,
    MetricUse,
    ProjectFacts,
)
from pl_lint.facts.values import Known
from pl_lint.findings import Finding, Location, Status
from pl_lint.fixes import Fix, Samples, SetArgument
from pl_lint.rules.judging import all_full, is_linear, linearity_of_call, shown_at_end
from pl_lint.rules.logging.averages import mean_of_list, what_steps_left
from pl_lint.rules.metrics.judging import FILLS
from pl_lint.rules.precision.evidence import precisions
from pl_lint.rules.registry import Rule, rule
from pl_lint.rules.wording import attribute_text, key_text

EVALUATION = ("validate", "test")
READS = ("compute", "log")
A_LOSS = re.compile(r"""(\w+\.)*\w*(loss)\w*(\[['"]?\w+['"]?\])?(\.(detach|item|cpu|mean)\(\))*""")
IN_A_DICT = re.compile(r"""(\w+\.)*\w+\[['"]\w*loss\w*['"]\](\.(detach|item|cpu|mean)\(\))*""")

SAMPLES = re.compile(r"losses\b(?!\[)|sampl|(^|_)(per|each|all|none|single|individual|vector)(_|$)")
"""What is called after the samples, or is several."""


def _is_loss(text: str) -> bool:
    """Whether what is written is one number for the batch, by its name: a loss."""
    return bool(A_LOSS.fullmatch(text) or IN_A_DICT.fullmatch(text)) and not SAMPLES.search(text)


@rule(
    "LTN218",
    "batch-means-without-weight",
    rows=(),
    status=Status.SUSPECTED,
    observers="both",
    calls=("reduction=", "reduce="),
    condition="if the last batch is smaller than the others",
    fixable=True,
)
def means_without_weight(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """Batch means are averaged without their weights: a short last batch counts as a full one.

    What it does
    ------------
    Reading finds means over a batch that validation or test gives to a MeanMetric without
    `weight=`, lists of them that are averaged at the end of the epoch (and logged, or given to a
    logger itself), and sums of them that are divided there: `.mean()`, hits that are counted and
    divided by the size of the batch (`(preds == y).sum() / len(y)`), a loss of torch that takes the
    mean, the batch's value of a metric that is a mean over samples (accuracy), or what is called a
    loss where reading cannot tell how it is made. One number for each sample (`reduction="none"`,
    `reduce=False`, `.mean(1)`), sums, values of other metrics, what is worked out in a loop over
    the samples and metrics that nothing logs or computes, or that the step itself resets, are left
    alone, and so are stages all of whose loaders may drop a short last batch, themselves or by
    their batch sampler, or have batches of one sample, by what the settings say as well.
    Running finds a value that is the plain mean of the batches' means, where batches of equal size
    give another number.

    Why is this bad
    ---------------
    With 47 samples in batches of 16, 16 and 15 the error is small; with a last batch of one sample
    this one weighs as much as sixteen others.

    Example
    -------
        def __init__(self):
            super().__init__()
            self.val_loss = torchmetrics.MeanMetric()

        def validation_step(self, batch, batch_idx):
            loss = self.loss(batch)
            self.val_loss(loss)
            self.log("val_loss", self.val_loss)

    Use instead
    -----------
        def __init__(self):
            super().__init__()
            self.val_loss = torchmetrics.MeanMetric()

        def validation_step(self, batch, batch_idx):
            loss = self.loss(batch)
            self.val_loss.update(loss, weight=len(batch[0]))
            self.log("val_loss", self.val_loss)

    When to ignore
    --------------
    Where all batches are of one size, as with `drop_last=True`.

    References
    ----------
    - https://lightning.ai/docs/torchmetrics/stable/aggregation.html
    - https://github.com/ashleve/lightning-hydra-template
    """
    for owner in facts.modules():
        by_name = not _of_single_samples(facts, owner)
        for use in owner.uses:
            if _feeds_mean(owner, use, by_name) and not all_full(facts, owner, use.stage):
                yield self.finding(
                    use.location,
                    f"{attribute_text(use.metric)} gives each batch the same weight",
                    remedy=f"{attribute_text(use.metric)}.update({use.given[0][1]}, "
                    f"weight={_weight(use)})",
                    subject=owner.short_name,
                    fix=_weighted(owner, use),
                )
        for log in shown_at_end(owner):
            attribute = _averaged_list(owner, log, by_name)
            if attribute is not None and not all_full(facts, owner, log.stage):
                yield self.finding(
                    log.location,
                    f"{key_text(log)} is the mean of {attribute}, in which each batch has the "
                    "same weight",
                    remedy="log the value in the step: Lightning weights it by the batch size",
                    subject=owner.short_name,
                )


MASKED = re.compile(
    r"""(?P<kept>[\w.]+\[[^][:,'"]*(?:~|[=!<>]=|[<>]|mask|valid)[^][:,'"]*\])\.mean\(\)"""
)
"""The mean of what a mask keeps of a batch: ``scores[mask].mean()``."""


def _weight(use: MetricUse) -> str:
    """How many numbers a mean is made of, in code: of what a mask keeps, not all samples."""
    masked = MASKED.fullmatch(use.given[0][1])
    return f"{masked['kept']}.numel()" if masked else "<samples in the batch>"


def _weighted(owner: ClassFacts, use: MetricUse) -> Fix | None:
    """The number of samples, where the step unpacks its batch."""
    if MASKED.fullmatch(use.given[0][1]):
        return None
    hook = next((one for one in owner.own_methods if one.name == use.hook), None)
    batch = hook.parameters[0] if hook is not None and hook.parameters else "batch"
    weight = SetArgument(use.location, "weight", (Samples(use.location, batch),), 1)
    return Fix("pass weight=", (weight,))


def _of_single_samples(facts: ProjectFacts, owner: ClassFacts) -> bool:
    """Whether some loss of the class is one for each sample, or a sum."""
    given = (call.argument("reduction") for call in facts.calls_in(owner, "reduction="))
    older = (call.argument("reduce") for call in facts.calls_in(owner, "reduce="))
    return any(one != Known("mean") for one in given) or any(one == Known(False) for one in older)


def _is_mean(owner: ClassFacts, extent: Extent, origin: Origin, text: str, by_name: bool) -> bool:
    """Whether a value is the mean over its batch: by what it is made of, or else by its name."""
    if extent:
        return extent == "mean" and any(isinstance(one, BatchValue) for one in parts(origin))
    if _is_share(owner, origin):
        return True
    return by_name and _is_loss(text) and not any(map(_is_score, parts(origin)))


def _is_share(owner: ClassFacts, origin: Origin) -> bool:
    """Whether a value is the batch's of a metric that is a mean over samples, as accuracy is."""
    match origin:
        case MetricForward(path):
            metric = owner.metric(path)
            return metric is not None and is_linear(metric) is True
        case FunctionCall():
            return linearity_of_call(origin) is True
    return False


def _is_score(origin: Origin) -> bool:
    """Whether a value is that of a metric, or of a function whose value over all data is no mean
    over batches, whatever its name: no weight makes the mean of correlations right."""
    if isinstance(origin, FunctionCall):
        return linearity_of_call(origin) is False
    return isinstance(origin, (MetricForward, MetricCompute))


def _feeds_mean(owner: ClassFacts, use: MetricUse, by_name: bool) -> bool:
    metric = owner.metric(use.metric)
    if metric is None or metric.class_name != "MeanMetric" or use.use not in FILLS:
        return False
    evaluates = use.stage in EVALUATION and use.hook.endswith("_step")
    alone = len(use.given) == 1 and use.given[0][0] != UNPACKED
    if not evaluates or not alone or not use.certain:
        return False
    _, text, origin = use.given[0]
    uses = owner.uses_of(use.metric)
    read = any(one.use in READS for one in uses)
    # Emptied by each step, it never holds more than one batch.
    emptied = any(one.use == "reset" and one.hook == use.hook for one in uses)
    return read and not emptied and _is_mean(owner, use.extent, origin, text, by_name)


def _averaged_list(owner: ClassFacts, log: LogSite, by_name: bool) -> str | None:
    """What holds the batch means whose plain mean is logged at the end of an epoch."""
    if not log.hook.endswith("_epoch_end") or log.stage not in EVALUATION:
        return None
    total = _running_total(log.origin)
    if total is not None:
        return f"self.{total}" if _adds_means(owner, log, total) else None
    held = mean_of_list(log.origin)
    if held is None:
        return None
    if held.key:
        means = _keeps_means(owner, log, held, by_name)
        return f"{held.attribute}[{held.key!r}]" if means else None
    fills = [one for one in owner.lists if one.attribute == held.attribute]
    appends = [one for one in fills if one.action == "append"]
    means = appends and all(_of_batch(owner, one, by_name) for one in appends)
    return held.attribute if means else _of_any_key(owner, log, held, by_name)


def _of_any_key(owner: ClassFacts, log: LogSite, held: ListOfSteps, by_name: bool) -> str | None:
    """Of dicts that are averaged key by key (``for key in self.outputs[0]``), a key that holds
    batch means."""
    asks_for_some = set(log.guards) <= {"self", "len", held.attribute}
    if isinstance(log.key, Known) or not asks_for_some:
        return None
    keys = dict.fromkeys(one.key for one in owner.held if one.attribute == held.attribute)
    for key in keys:
        one = ListOfSteps(held.attribute, key)
        if key not in ("", ADDED) and _keeps_means(owner, log, one, by_name):
            return f"{held.attribute}[{key!r}]"
    return None


def _running_total(origin: Origin) -> str | None:
    """What ``self.total / self.n`` divides."""
    match origin:
        case Derived("quotient", (ListOfSteps(attribute),)):
            return attribute
        case Either(options):  # ``self.total / self.n if self.n else 0``
            means = [one for one in options if not isinstance(one, Number)]
            return _running_total(means[0]) if len(means) == 1 else None
    return None


def _adds_means(owner: ClassFacts, log: LogSite, attribute: str) -> bool:
    """Whether all that a step adds to an attribute are surely means over the batch."""
    added = [one for one in owner.held if (one.attribute, one.key) == (attribute, ADDED)]
    steps = any(one.hook == log.hook[3:].replace("_epoch_end", "_step") for one in added)
    return steps and all(
        _is_mean(owner, one.extent, one.origin, "", by_name=False) for one in added
    )


def _keeps_means(owner: ClassFacts, log: LogSite, held: ListOfSteps, by_name: bool) -> bool:
    """Whether each step of an evaluation leaves one mean over its batch under a key."""
    left = what_steps_left(owner, log, held)
    singles = all(not one.looped and not isinstance(one.origin, UnknownOrigin) for one in left)
    steps = all(one.hook in ("validation_step", "test_step") for one in left)
    means = all(_is_mean(owner, one.extent, one.origin, held.key, by_name) for one in left)
    return bool(left) and singles and steps and means


def _of_batch(owner: ClassFacts, site: ListSite, by_name: bool) -> bool:
    """Whether what a step appends is the mean over its batch."""
    held = [one for one in owner.held if one.attribute == site.attribute and one.hook == site.hook]
    here = [one for one in held if _start(one.location) == _start(site.location)]
    told = all(_is_mean(owner, one.extent, one.origin, site.added, by_name) for one in here)
    named = bool(here) or (by_name and _is_loss(site.added))
    return site.hook.endswith("_step") and told and named


def _start(place: Location) -> tuple[str, int, int, int]:
    return place.path, place.cell, place.line, place.column


ADDING = ("MeanMetric", "SumMetric", "MeanSquaredError", "MeanAbsoluteError", "PearsonCorrCoef")
ADDING += ("R2Score", "ExplainedVariance", "KLDivergence", "PeakSignalNoiseRatio")
TRUE_HALF = ("bf16-true", "16-true")


@rule(
    "LTN209",
    "metric-in-half-precision",
    rows=("MET09",),
    status=Status.SUSPECTED,
    observers="both",
    condition="if this module is trained with that Trainer",
)
def half_precision_metric(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A metric adds up in half precision.

    What it does
    ------------
    Reading finds metrics that add up floating-point numbers, in projects with a Trainer of
    `precision="bf16-true"` or `"16-true"`. Running looks at the states of every metric after each
    batch under mixed precision.

    Why is this bad
    ---------------
    A bf16 sum stops growing after a few hundred additions, an fp16 sum is infinite beyond 65504. A
    MeanMetric said 1.1484 where 1.1 was true.

    Example
    -------
        class Model(LightningModule):
            def __init__(self):
                super().__init__()
                self.val_mse = torchmetrics.MeanSquaredError()

        trainer = Trainer(precision="bf16-true")

    Use instead
    -----------
        class Model(LightningModule):
            def __init__(self):
                super().__init__()
                self.val_mse = torchmetrics.MeanSquaredError()

        trainer = Trainer(precision="bf16-mixed")

    When to ignore
    --------------
    Where the metric's `dtype` is set back to float32 after Lightning has converted the module.

    References
    ----------
    - https://github.com/Lightning-AI/pytorch-lightning/issues/18620
    - https://github.com/Lightning-AI/torchmetrics/issues/2147
    """
    for owner in facts.modules():
        given = precisions(facts, owner) if owner.metrics else ()
        half = next((one for one in given if one in map(Known, TRUE_HALF)), None)
        for metric in owner.metrics if half is not None else ():
            named = metric.name.startswith("torchmetrics.") and not metric.path.startswith("<")
            if named and metric.class_name in ADDING and isinstance(half, Known):
                yield self.finding(
                    metric.location,
                    f"{attribute_text(metric.path)} adds up in half precision under {half.value}",
                    remedy='precision="bf16-mixed" keeps metrics in float32',
                    subject=owner.short_name,
                )
