"""Metrics that are taken for each other: what copied lines leave behind."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pl_lint.facts.origins import MetricCompute, MetricForward, MetricObject, parts
from pl_lint.facts.sites import ClassFacts, LogSite, MetricSite, MetricUse, ProjectFacts
from pl_lint.facts.values import Known
from pl_lint.findings import Finding
from pl_lint.rules.metrics.judging import FILLS
from pl_lint.rules.registry import Rule, rule
from pl_lint.rules.wording import attribute_text, key_text

STAGES = {
    "train": ("train", "training"),
    "validate": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}
"""The words in a metric's name that say for which stage it is."""


@rule("LTN219", "metric-taken-for-another", rows=())
def taken_for_another(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A metric is used where its neighbour is meant, by their names.

    What it does
    ------------
    Finds `self.log("val_precision", self.val_accuracy)` in a class whose `self.val_precision` is
    given its batches in the same hook and never read, and `self.train_accuracy(...)` in
    `validation_step` or `test_step` of a class whose `self.val_accuracy` or `self.test_accuracy`
    is made by the same class and never used.

    Why is this bad
    ---------------
    The curve has the name of one metric and the values of another, and nothing looks odd: three
    curves lie on each other.

    Example
    -------
        def __init__(self):
            super().__init__()
            self.val_accuracy = torchmetrics.Accuracy(task="binary")
            self.val_precision = torchmetrics.Precision(task="binary")

        def validation_step(self, batch, batch_idx):
            self.val_accuracy(self(batch[0]), batch[1])
            self.val_precision(self(batch[0]), batch[1])
            self.log("val_accuracy", self.val_accuracy)
            self.log("val_precision", self.val_accuracy)

    Use instead
    -----------
        def __init__(self):
            super().__init__()
            self.val_accuracy = torchmetrics.Accuracy(task="binary")
            self.val_precision = torchmetrics.Precision(task="binary")

        def validation_step(self, batch, batch_idx):
            self.val_accuracy(self(batch[0]), batch[1])
            self.val_precision(self(batch[0]), batch[1])
            self.log("val_accuracy", self.val_accuracy)
            self.log("val_precision", self.val_precision)

    When to ignore
    --------------
    Never: either the name or the metric is wrong, or a metric is there for nothing.

    References
    ----------
    - https://lightning.ai/docs/torchmetrics/stable/pages/lightning.html
    """
    for owner in facts.modules():
        if owner.open or any(owner.name in one.ancestors for one in facts.all_modules()):
            continue
        for log in owner.logs:
            meant = _meant_by_key(owner, log)
            if meant is not None:
                yield self.finding(
                    log.location,
                    f"{key_text(log)} is logged of another metric than "
                    f"{attribute_text(meant.path)}, which is filled here and never read",
                    remedy=f"log {attribute_text(meant.path)}",
                    subject=owner.short_name,
                )
        for use in owner.uses:
            meant = _meant_by_stage(owner, use)
            if meant is not None:
                yield self.finding(
                    use.location,
                    f"{use.hook} uses {attribute_text(use.metric)}, and nothing uses "
                    f"{attribute_text(meant.path)}",
                    remedy=f"use {attribute_text(meant.path)}",
                    subject=owner.short_name,
                )


def _meant_by_key(owner: ClassFacts, log: LogSite) -> MetricSite | None:
    """The metric that has the name of a key under which another one's object is logged."""
    key = log.key.value if isinstance(log.key, Known) else None
    if not isinstance(log.origin, MetricObject) or not isinstance(key, str):
        return None
    name = re.sub(r"\W", "_", key)
    found = owner.metric(name)
    if found is None or name == log.origin.metric:
        return None
    here = any(use.use in FILLS and use.hook == log.hook for use in owner.uses_of(name))
    return found if here and not _is_read(owner, name) else None


def _is_read(owner: ClassFacts, path: str) -> bool:
    """Whether anything comes of a metric: it is computed or logged, or its value on a batch is."""
    if any(use.use in ("compute", "log") for use in owner.uses_of(path)):
        return True
    values = (MetricObject(path), MetricForward(path), MetricCompute(path))
    return any(part in values for log in owner.logs for part in parts(log.origin))


def _meant_by_stage(owner: ClassFacts, use: MetricUse) -> MetricSite | None:
    """The metric of this stage that nothing uses, where one of another stage is used that is called
    alike."""
    in_step = use.use in FILLS and use.hook in ("validation_step", "test_step")
    shared = any(one.location == use.location and one.hook != use.hook for one in owner.uses)
    mine = owner.metric(use.metric) if not shared else None
    if not in_step or not use.certain or use.guards or mine is None:
        return None
    for stage, words in STAGES.items():
        rest = _without(mine.path, words) if stage != use.stage else None
        for other in owner.metrics if rest is not None else ():
            alike = _without(other.path, STAGES[use.stage or ""]) == rest
            if alike and other.name == mine.name and not _is_used(owner, other.path):
                return other
    return None


def _is_used(owner: ClassFacts, path: str) -> bool:
    return any(use.use != "reset" for use in owner.uses_of(path)) or _is_read(owner, path)


def _without(path: str, words: tuple[str, ...]) -> str | None:
    """A name without the word of a stage; None where it has none."""
    pieces = path.split("_")
    left = [piece for piece in pieces if piece not in words]
    return "_".join(left) if len(left) == len(pieces) - 1 else None
