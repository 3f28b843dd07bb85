"""Functions of a whole data set that are computed batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from pl_lint.facts.origins import (
    BatchValue,
    Derived,
    Either,
    FunctionCall,
    ListOfSteps,
    MetricForward,
    Number,
    Origin,
    parts,
    parts_below,
    sure_part,
)
from pl_lint.facts.sites import ClassFacts, LogSite, ProjectFacts
from pl_lint.facts.values import Known, Pattern
from pl_lint.facts.words import names_a_ratio, words_of
from pl_lint.findings import Finding, Location, Status
from pl_lint.rules.judging import (
    CLI,
    averaged,
    in_batches_of_one,
    is_never_run,
    linearity_of_call,
    shown_at_end,
)
from pl_lint.rules.logging.averages import averaged_value
from pl_lint.rules.logging.values import unlinear_metric
from pl_lint.rules.registry import Rule, rule
from pl_lint.rules.wording import key_text, listed


@rule(
    "LTN103",
    "batch-function-averaged",
    rows=("LOG03",),
    status=Status.SUSPECTED,
    observers="both",
    condition="if an epoch has batches that differ, which they do unless it is one batch",
    calls=(CLI,),
)
def batch_function_averaged(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A function of a whole data set is computed on each batch and averaged.

    What it does
    ------------
    Finds values of `torchmetrics.functional`, `sklearn.metrics`, correlations of `scipy.stats` (and
    `corrcoef`), error rates and BLEU (jiwer, sacrebleu) that are not linear, scores of
    pytorch_metric_learning among the samples of one batch, square roots and exponentials of batch
    means, logarithms of what is seen to be one under the name of decibels (PSNR: `-10 *
    torch.log10(mse)`), and ratios of sums over the batch under the name of a score (dice, IoU, F1,
    precision, recall, R2), also those of an object whose class computes them from its arguments
    alone, and in evaluations medians, quantiles, standard deviations and variances of errors
    (`(y_hat - y).abs().median()`). They are logged in a step and reduced over the epoch, or kept by
    the steps and averaged at its end, or by a MeanMetric, where they are logged or given to a
    logger itself (`add_scalar`, `log_metrics`, `wandb.log`); so are values of all that the steps
    have kept so far. Loaders that are seen to give one sample at a time are left alone, and so is
    what a loop works out for one sample of the batch after another, and the tests of a class that
    no Trainer in sight runs, in a project that tests nothing.

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
    for owner in facts.logging_classes():
        found: dict[tuple[Location, str], list[tuple[LogSite, str]]] = {}
        for log in shown_at_end(owner):
            what = _unlinear_function(log, averaged_value(owner, log))
            unseen = in_batches_of_one(facts, owner, log.stage)
            unseen = unseen or is_never_run(facts, owner, log.stage)
            if what is not None and not unseen:
                found.setdefault((log.location, _of_what(owner, log)), []).append((log, what))
        for (place, of), wrong in found.items():
            yield self.finding(
                place,
                _told(of, wrong),
                remedy="update a torchmetrics object in the step and log the object, or "
                "compute the value once from sums over the epoch",
                subject=owner.short_name,
            )


def _told(of: str, wrong: Sequence[tuple[LogSite, str]]) -> str:
    """What is wrong with a line, which may log under several keys."""
    keys = list(dict.fromkeys(key_text(log) for log, _ in wrong))
    one = len(keys) == 1
    are, not_theirs = (
        ("is", "that is not its value") if one else ("are", "those are not their values")
    )
    return (
        f"{listed(keys)} {are} {listed(what for _, what in wrong)} of "
        f"{of}, averaged over the epoch: {not_theirs} over the data"
    )


def _of_what(owner: ClassFacts, log: LogSite) -> str:
    """What a step's value is a function of: its batch, or what the steps have kept so far, where
    none of them throws that away for each batch."""
    kept = {part.attribute for part in parts(log.origin) if isinstance(part, ListOfSteps)}
    emptied = {
        one.attribute
        for one in owner.lists
        if one.action == "clear" and one.hook == log.hook and not one.guards
    }
    return "all batches so far" if log.per_batch and kept - emptied else "each batch"


OF_ANY_VALUES = ("scipy.", "numpy.", "torch.")
"""Functions of these are of the batch only where they are what is logged."""
WORDS = {
    "sqrt": "the square root",
    "exp": "the exponential",
    "ratio": "a ratio of the sums",
    "macro": "a mean of ratios",
    "logarithm": "the logarithm",
}
DECIBELS = frozenset({"psnr", "snr", "sdr", "sisdr", "decibel", "decibels", "db"})
"""What a logarithm of a batch mean is called that is reported as such; likelihoods and losses are
logarithms that may be averaged."""
DETERMINATION = frozenset({"r2", "r2score", "rsquared", "rsq"})
"""What one minus a ratio of two sums of squares is called."""


def _unlinear_function(log: LogSite, value: Origin) -> str | None:
    if _is_statistic(log):
        return f"the {log.statistic}"
    per_sample = _averaged_operations(value)
    scores = is_score(log, DETERMINATION)

    def is_unlinear(part: Origin) -> bool:
        if isinstance(part, FunctionCall):
            whole = log.per_batch and not part.name.startswith(OF_ANY_VALUES)
            of_batch = not part.per_sample and linearity_of_call(part) is False
            return of_batch and (whole or _is_itself(value, part))
        if not isinstance(part, Derived) or part.operation not in WORDS:
            return False
        if part in per_sample and part.operation != "macro":
            return False
        if part.operation == "logarithm" and DECIBELS.isdisjoint(words_of(_text_of(log))):
            return False
        return _is_of_batch(part) and (part.operation not in ("ratio", "macro") or scores)

    match _sure_part(value, is_unlinear):
        case FunctionCall(name):
            return name.rpartition(".")[2]
        case Derived(operation):
            return WORDS[operation]
    return None


def _is_statistic(log: LogSite) -> bool:
    """Whether a median, a quantile or a spread of the batch is averaged over an evaluation. In
    training it tells how a model does that changes with each batch."""
    of_batch = log.of_errors and any(isinstance(part, BatchValue) for part in parts(log.origin))
    return bool(log.statistic) and averaged(log) and log.stage != "train" and of_batch


def _sure_part(value: Origin, fits: Callable[[Origin], bool]) -> Origin | None:
    """As ``sure_part``, but what is put where there is nothing to compute counts for nothing:
    ``... if union else 0.0``."""
    if fits(value):
        return value
    if isinstance(value, Derived) and value.operation not in ("mean", "call", "sequence"):
        return sure_part(value, fits)
    if not isinstance(value, Either):
        found = (_sure_part(source, fits) for source in parts_below(value))
        return next((part for part in found if part is not None), None)
    options = [_sure_part(one, fits) for one in value.options if not isinstance(one, Number)]
    return options[0] if options and None not in options else None


def is_score(log: LogSite, also: frozenset[str] = frozenset()) -> bool:
    """Whether a value is called after a ratio of counts: a loss may be one of its own kind."""
    return names_a_ratio(_text_of(log), also)


def _text_of(log: LogSite) -> str:
    """A key as far as it is known."""
    match log.key:
        case Known(str(text)):
            return text
        case Pattern(pieces):
            return " ".join(piece or " " for piece in pieces)
    return ""


def _is_itself(origin: Origin, part: Origin) -> bool:
    """Whether a value is what a function gives, or an item of it: what is summed or averaged may
    have been computed for one sample after another. In one branch it may be a constant."""
    match origin:
        case Derived("call", (source,)):
            return _is_itself(source, part)
        case Either(options):
            computed = [one for one in options if not isinstance(one, Number)]
            return bool(computed) and all(_is_itself(one, part) for one in computed)
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


OVER_SAMPLES = frozenset(
    "correlation corr pearson pearsonr spearman spearmanr kendall r2 auc auroc auprc mcc kappa "
    "rmse".split()
)
"""What else is called after all samples that it is worked out of."""


def no_mean_over_ranks(owner: ClassFacts, log: LogSite) -> bool:
    """Whether ``sync_dist=True`` would not make the value right: no mean suits what it is made of,
    or what it is called after, unless it is seen to be a mean over samples."""
    called_so = log.extent != "mean" and is_score(log, OVER_SAMPLES)
    return called_so or means_do_not_suit(owner, log)


def means_do_not_suit(owner: ClassFacts, log: LogSite) -> bool:
    """Whether the value is reported as one that no mean is right for: over ranks neither."""
    if not averaged(log):
        return False
    metric = unlinear_metric(owner, log, log.origin)
    return metric is not None or _unlinear_function(log, log.origin) is not None
