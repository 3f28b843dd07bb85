"""Who shares a metric's state."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pl_lint.facts import torchmetrics
from pl_lint.facts.sites import ClassFacts, MetricSite, MetricUse, ProjectFacts
from pl_lint.facts.values import must_be
from pl_lint.findings import Finding
from pl_lint.rules.metrics.judging import FILLS, follows_common_rules
from pl_lint.rules.registry import Rule, rule
from pl_lint.rules.wording import attribute_text

STAGE_NAMES = re.compile(r"stage|split|phase|mode$|prefix")
"""What people call the stage that a helper works for."""


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


def _mixed_at(owner: ClassFacts, metric: MetricSite) -> MetricUse | None:
    """Where validation adds to what training has filled, if that state is read."""
    if not follows_common_rules(metric) or torchmetrics.is_collection(metric.name):
        return None  # the members of a collection are judged one by one
    uses = [use for use in owner.uses_of(metric.path) if use.certain and not _by_stage(use)]
    filled = [use for use in uses if use.use in FILLS and not _emptied_in(uses, use.hook)]
    in_training = [use for use in filled if use.stage == "train"]
    in_validation = [use for use in filled if use.stage == "validate"]
    if not in_training or not in_validation or all(_ends_with(uses, use) for use in filled):
        return None
    read = _reads(owner, uses, "train") or (
        _reads(owner, uses, "validate") and not _emptied_before_validation(uses)
    )
    return in_validation[0] if read else None


def _by_stage(use: MetricUse) -> bool:
    """Whether a condition picks the metrics of a stage (``if not key.startswith(split)``)."""
    return any(STAGE_NAMES.search(name) for name in use.guards)


def _emptied_in(uses: list[MetricUse], hook: str) -> bool:
    """Whether a hook that fills a metric also resets it: then nothing outlives a batch."""
    return any(use.use == "reset" and use.hook == hook for use in uses)


def _ends_with(uses: list[MetricUse], filled: MetricUse) -> bool:
    """Whether a metric is filled once the batches of an epoch are over, in a hook that logs the
    object: Lightning empties it before the next stage goes on."""
    return filled.hook.endswith("_epoch_end") and any(
        use.use == "log" and use.hook == filled.hook for use in uses
    )


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


@rule("LTN212", "members-shared-by-collections", rows=("MET12",), observers="both")
def members_shared(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """Two collections hold the same metric object, and each one's batches are in both.

    What it does
    ------------
    Reading finds two collections that are built from the same metric objects and both used. Running
    records through which collection each batch came to a metric, and compares the value logged
    through a collection with the metric of that collection's own batches.

    Why is this bad
    ---------------
    A MetricCollection keeps references, not copies. Two collections built from one dict of metrics
    add to the same states, and resetting one empties the other.

    Example
    -------
        def __init__(self):
            super().__init__()
            scores = {"f1": torchmetrics.F1Score(task="binary")}
            self.train_scores = torchmetrics.MetricCollection(scores, prefix="train/")
            self.val_scores = torchmetrics.MetricCollection(scores, prefix="val/")

        def training_step(self, batch, batch_idx):
            self.train_scores.update(self(batch[0]), batch[1])

        def validation_step(self, batch, batch_idx):
            self.val_scores.update(self(batch[0]), batch[1])

    Use instead
    -----------
        def __init__(self):
            super().__init__()
            scores = torchmetrics.MetricCollection({"f1": torchmetrics.F1Score(task="binary")})
            self.train_scores = scores.clone(prefix="train/")
            self.val_scores = scores.clone(prefix="val/")

        def training_step(self, batch, batch_idx):
            self.train_scores.update(self(batch[0]), batch[1])

        def validation_step(self, batch, batch_idx):
            self.val_scores.update(self(batch[0]), batch[1])

    When to ignore
    --------------
    Never where both are used between two resets.

    References
    ----------
    - https://lightning.ai/docs/torchmetrics/stable/pages/overview.html#metriccollection
    """
    for owner in facts.modules():
        first: dict[str, MetricSite] = {}
        for held in owner.metrics:
            shared = [first[one] for one in held.members if one in first]
            first.update({one: held for one in held.members if one not in first})
            if shared and shared[0].path != held.path and _both_used(owner, held, shared[0]):
                yield self.finding(
                    held.location,
                    f"{attribute_text(held.path)} and {attribute_text(shared[0].path)} hold the "
                    "same metric objects: each adds to the other",
                    remedy="make one collection and clone(prefix=...) it",
                    subject=owner.short_name,
                )


def _both_used(owner: ClassFacts, *collections: MetricSite) -> bool:
    named = not any(one.path.startswith("<") for one in collections)
    used = {use.metric for use in owner.uses if use.use in FILLS}
    return named and all(one.path in used for one in collections)
