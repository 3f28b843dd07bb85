"""What metrics are given: classes, probabilities, or neither."""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.facts.sites import CallSite, MetricSite, MetricUse, ProjectFacts
from pl_lint.facts.values import Known
from pl_lint.findings import Finding, Status
from pl_lint.rules.judging import by_name
from pl_lint.rules.metrics.judging import FILLS, is_decided
from pl_lint.rules.registry import Rule, rule
from pl_lint.rules.wording import attribute_text

RANKING = ("AUROC", "AveragePrecision", "PrecisionRecallCurve", "ROC", "CalibrationError")


@rule("LTN217", "classes-given-for-scores", rows=("MET17",))
def classes_for_scores(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A metric that ranks scores is given the predicted classes.

    What it does
    ------------
    Finds AUROC, AveragePrecision and the curves that are updated with the result of `argmax`, of
    `round` or of a comparison with a threshold, or with what is made of that alone (`one_hot`).

    Why is this bad
    ---------------
    Two values leave nothing to rank: the curve has one point, and the area below it is that of a
    triangle, mostly too low. Nothing says so.

    Example
    -------
        def __init__(self):
            super().__init__()
            self.auroc = torchmetrics.AUROC(task="binary")

        def validation_step(self, batch, batch_idx):
            predictions = torch.sigmoid(self(batch[0])) > 0.5
            self.auroc.update(predictions.float(), batch[1])
            self.log("val/auroc", self.auroc)

    Use instead
    -----------
        def __init__(self):
            super().__init__()
            self.auroc = torchmetrics.AUROC(task="binary")

        def validation_step(self, batch, batch_idx):
            self.auroc.update(torch.sigmoid(self(batch[0])), batch[1])
            self.log("val/auroc", self.auroc)

    When to ignore
    --------------
    Never: the number is not what its name says.

    References
    ----------
    - https://lightning.ai/docs/torchmetrics/stable/classification/auroc.html
    """
    for owner in facts.modules():
        for metric in owner.metrics:
            if not metric.class_name.endswith(RANKING):
                continue
            for use in owner.uses_of(metric.path):
                if use.certain and is_decided(use):
                    yield self.finding(
                        use.location,
                        f"{attribute_text(metric.path)} ranks scores, and is given classes",
                        remedy="give it the probabilities",
                        subject=owner.short_name,
                    )


SCORING = ("AUROC", "AveragePrecision", "Accuracy", "F1Score", "Precision", "Recall")
SCORING += ("JaccardIndex", "Specificity", "MatthewsCorrCoef", "CohenKappa", "FBetaScore")
LOGIT_LOSSES = (
    *("torch.nn.BCEWithLogitsLoss", "torch.nn.functional.binary_cross_entropy_with_logits"),
    *("torchvision.ops.sigmoid_focal_loss", "torch.nn.MultiLabelSoftMarginLoss"),
)
SQUASHING = (
    *("torch.sigmoid", ".sigmoid", "torch.nn.Sigmoid", "torch.nn.functional.sigmoid"),
    *("torch.special.expit", ".softmax", "torch.nn.Softmax", ".argmax", ".round", ".gt", ".ge"),
)


@rule(
    "LTN205",
    "logits-taken-for-probabilities",
    rows=("MET05",),
    status=Status.SUSPECTED,
    default=False,
    observers="both",
    calls=(*LOGIT_LOSSES, *SQUASHING),
    condition="if all scores of some batch lie between 0 and 1",
)
def logits_for_probabilities(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A metric takes the logits of some batches for probabilities.

    What it does
    ------------
    Reading finds binary and multilabel metrics in a class that trains with a loss of logits and
    applies the sigmoid nowhere but in steps that do not fill them. Running looks at what a metric
    was given, a multiclass one too (there it is the softmax), where its value depends on the
    batches: some batches hold numbers between 0 and 1 only, others do not, and with all of them
    squashed the value is another one. It fails if there are such batches among the user's own. If
    only smaller ones are like that (of a single sample it is likely, of sixteen it is rare), it is
    a note with that condition.

    Why is this bad
    ---------------
    torchmetrics applies the sigmoid to a batch only if one of its scores is outside of [0, 1]. On
    the same data an AUROC was .6708 with batches of one, .7509 with batches of four, where .7654
    was true.

    Example
    -------
        def __init__(self):
            super().__init__()
            self.criterion = torch.nn.BCEWithLogitsLoss()
            self.auroc = torchmetrics.AUROC(task="binary")

        def validation_step(self, batch, batch_idx):
            logits = self(batch[0])
            self.auroc.update(logits, batch[1])
            self.log("val/loss", self.criterion(logits, batch[1]))
            self.log("val/auroc", self.auroc)

    Use instead
    -----------
        def __init__(self):
            super().__init__()
            self.criterion = torch.nn.BCEWithLogitsLoss()
            self.auroc = torchmetrics.AUROC(task="binary")

        def validation_step(self, batch, batch_idx):
            logits = self(batch[0])
            self.auroc.update(torch.sigmoid(logits), batch[1])
            self.log("val/loss", self.criterion(logits, batch[1]))
            self.log("val/auroc", self.auroc)

    When to ignore
    --------------
    Where batches are large and scores spread widely.

    References
    ----------
    - https://github.com/Lightning-AI/torchmetrics/issues/1604
    - https://github.com/Lightning-AI/torchmetrics/issues/3269
    """
    for owner in facts.modules() if facts.calls_of(*LOGIT_LOSSES) else ():
        if not facts.calls_in(owner, *LOGIT_LOSSES):
            continue
        squashed = facts.calls_in(owner, *SQUASHING)
        for metric in owner.metrics:
            fills = [use for use in owner.uses_of(metric.path) if use.use in FILLS and use.stage]
            scores = [use for use in fills if use.certain and not is_decided(use)]
            plain = all(_is_elsewhere(one, use) for one in squashed for use in fills)
            if scores and len(scores) == len(fills) and plain and _judges_scores(metric):
                yield self.finding(
                    scores[0].location,
                    f"{attribute_text(metric.path)} is given logits, and takes those of a batch "
                    "between 0 and 1 for probabilities",
                    remedy="give it torch.sigmoid(...) of them",
                    subject=owner.short_name,
                )


def _is_elsewhere(squashing: CallSite, use: MetricUse) -> bool:
    """Whether the sigmoid is applied by the step of another stage than the one whose step fills a
    metric: what ``forward`` and the methods that several hooks call do is done for all."""
    by_step = squashing.function == squashing.hook and squashing.function.endswith("_step")
    return by_step and use.hook.endswith("_step") and squashing.stage != use.stage


def _judges_scores(metric: MetricSite) -> bool:
    task = by_name(metric.name, metric.arguments).get("task")
    separate = task in (Known("binary"), Known("multilabel"))
    named = metric.class_name.startswith(("Binary", "Multilabel"))
    return metric.class_name.endswith(SCORING) and (separate or named)
