"""Metric objects that are logged: what fills them, what empties them, what has no effect."""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.facts import torchmetrics
from pl_lint.facts.origins import MetricObject
from pl_lint.facts.sites import ClassFacts, LogSite, MetricUse, ProjectFacts, within
from pl_lint.facts.values import must_be
from pl_lint.findings import Finding
from pl_lint.fixes import Applicability, Delete, Fix, SetArgument
from pl_lint.rules.logging.mending import always, drop_flags, set_flags
from pl_lint.rules.metrics.judging import FILLS, follows_common_rules
from pl_lint.rules.registry import Rule, rule
from pl_lint.rules.wording import attribute_text


def logged_object(log: LogSite) -> str | None:
    """The metric whose object is logged, if it has a name."""
    match log.origin:
        case MetricObject(path) if not path.startswith("<"):
            return path
    return None


def all_uses(owner: ClassFacts, path: str) -> list[MetricUse]:
    """What is done to a metric, to its collection or to what it holds."""
    return [*owner.uses_of(path), *(use for use in owner.uses if within(use.metric, path))]


@rule("LTN108", "flag-ignored-for-metric", rows=("LOG08",), default=False, fixable=True)
def flag_ignored(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A metric object is logged with sync_dist or reduce_fx, which Lightning ignores for it.

    What it does
    ------------
    Finds `sync_dist=True` and another `reduce_fx` than the mean beside a metric object. The fix
    leaves out both, `reduce_fx="mean"` too.

    Why is this bad
    ---------------
    torchmetrics gathers the states of all processes itself, so `sync_dist=True` says something
    that is not so. `reduce_fx="sum"` does nothing: what is logged is the metric's own value.

    Example
    -------
        def validation_step(self, batch, batch_idx):
            self.acc(self(batch[0]), batch[1])
            self.log("val/acc", self.acc, sync_dist=True)

        def __init__(self):
            super().__init__()
            self.acc = torchmetrics.Accuracy(task="binary")

    Use instead
    -----------
        def validation_step(self, batch, batch_idx):
            self.acc(self(batch[0]), batch[1])
            self.log("val/acc", self.acc)

        def __init__(self):
            super().__init__()
            self.acc = torchmetrics.Accuracy(task="binary")

    When to ignore
    --------------
    The value is right either way.

    References
    ----------
    - https://lightning.ai/docs/torchmetrics/stable/pages/lightning.html
    - https://github.com/Lightning-AI/pytorch-lightning/issues/15588
    """
    for owner in facts.modules():
        for log in owner.logs:
            synced = must_be(log.sync_dist, True)
            reduced = any(must_be(log.reduce_fx, word) for word in ("sum", "min", "max"))
            if logged_object(log) and (synced or reduced):
                flags = ("sync_dist",) if synced else ()
                flags += ("reduce_fx",) if log.reduce_fx_given else ()
                has = "has" if len(flags) == 1 else "have"
                yield self.finding(
                    log.location,
                    f"{' and '.join(flags)} {has} no effect on a metric object",
                    remedy=f"leave {' and '.join(flags)} out",
                    subject=owner.short_name,
                    fix=_without(facts, log, flags),
                )


def _without(facts: ProjectFacts, log: LogSite, flags: tuple[str, ...]) -> Fix | None:
    """The call without what it ignores, where nothing but metric objects is logged by it."""
    if not always(facts, log, lambda other: logged_object(other) is not None):
        return None
    return Fix(f"leave {' and '.join(flags)} out", drop_flags(log, *flags), Applicability.SAFE)


@rule("LTN132", "step-value-never-made", rows=("LOG32",), fixable=True)
def step_value_never_made(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A metric is logged for each step and only updated: there is no value for a step.

    What it does
    ------------
    Finds `self.log(key, metric, on_step=True)` of a metric that is given its batches by `update`
    and is called nowhere.

    Why is this bad
    ---------------
    The value of a step is what the call of a metric leaves behind; `update` leaves none. The curve
    of steps is missing, and nothing says so.

    Example
    -------
        def __init__(self):
            super().__init__()
            self.acc = torchmetrics.Accuracy(task="binary")

        def training_step(self, batch, batch_idx):
            self.acc.update(self(batch[0]), batch[1])
            self.log("train/acc", self.acc, on_step=True, on_epoch=True)
            return self.loss(batch)

    Use instead
    -----------
        def __init__(self):
            super().__init__()
            self.acc = torchmetrics.Accuracy(task="binary")

        def training_step(self, batch, batch_idx):
            self.acc(self(batch[0]), batch[1])
            self.log("train/acc", self.acc, on_step=True, on_epoch=True)
            return self.loss(batch)

    When to ignore
    --------------
    Where the epoch's value is all that is wanted; then leave `on_step=True` out.

    References
    ----------
    - https://lightning.ai/docs/torchmetrics/stable/pages/lightning.html
    """
    for owner in facts.modules():
        for log in owner.logs if not owner.open else ():
            path = logged_object(log)
            if path is None or not must_be(log.on_step, True) or not log.in_step:
                continue
            ways = {use.use for use in all_uses(owner, path) if use.use in FILLS}
            if ways == {"update"} and not _filled_by_subclass(facts, owner, path):
                yield self.finding(
                    log.location,
                    f"{attribute_text(path)} is only updated, so it has no value for a step",
                    remedy=f"call it, {attribute_text(path)}(...), or leave on_step=True out",
                    subject=owner.short_name,
                    fix=Fix("log it for the epoch", _for_the_epoch(log)),
                )


def _for_the_epoch(log: LogSite) -> tuple[SetArgument, ...]:
    return set_flags(log, on_step="False", on_epoch="True")


def _filled_by_subclass(facts: ProjectFacts, owner: ClassFacts, path: str) -> bool:
    """Whether a class that inherits gives the metric what this one does not."""
    below = (one for one in facts.all_modules() if owner.name in one.ancestors)
    return any(use.use in FILLS for one in below for use in all_uses(one, path))


@rule("LTN133", "metric-never-updated", rows=("LOG33",), observers="both")
def never_updated(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A metric object is logged and never given a batch.

    What it does
    ------------
    Reading finds a logged metric that the class neither calls nor updates. Running finds one that
    is given nothing in the whole run.

    Why is this bad
    ---------------
    `self.log` does not update a metric. What is logged is the metric of nothing, mostly 0.0, with a
    warning of torchmetrics that comes once.

    Example
    -------
        def __init__(self):
            super().__init__()
            self.val_f1 = torchmetrics.F1Score(task="binary")

        def validation_step(self, batch, batch_idx):
            self.log("val_f1", self.val_f1)

    Use instead
    -----------
        def __init__(self):
            super().__init__()
            self.val_f1 = torchmetrics.F1Score(task="binary")

        def validation_step(self, batch, batch_idx):
            self.val_f1.update(self(batch[0]), batch[1])
            self.log("val_f1", self.val_f1)

    When to ignore
    --------------
    Where other code than the class updates it.

    References
    ----------
    - https://lightning.ai/docs/torchmetrics/stable/pages/lightning.html
    """
    for owner in facts.modules():
        for log in owner.logs if not owner.open else ():
            path = logged_object(log)
            metric = owner.metric(path) if path is not None else None
            if path is None or metric is None or not follows_common_rules(metric):
                continue
            filled = any(use.use in FILLS for use in all_uses(owner, path))
            if log.hook and not filled and not _filled_by_subclass(facts, owner, path):
                yield self.finding(
                    log.location,
                    f"{attribute_text(path)} is logged and never given a batch",
                    remedy=f"{attribute_text(path)}.update(...) before it is logged",
                    subject=owner.short_name,
                )


@rule("LTN134", "metric-reset-too-early", rows=("LOG34",), observers="both", fixable=True)
def reset_too_early(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A metric is reset before its value is read: a part of its batches is missing.

    What it does
    ------------
    Reading finds a metric object that `training_step` logs over the epoch and that
    `on_train_epoch_end` or the step itself resets. Running compares the value logged with the
    metric of all batches of its epoch, and names the reset where the metric of those that were
    left gives the logged number.

    Why is this bad
    ---------------
    Lightning computes the objects logged in training after `on_train_epoch_end`. A reset in that
    hook empties them before: 0.0 was logged where .6667 was true. A reset in a step leaves the last
    batch only.

    Example
    -------
        def __init__(self):
            super().__init__()
            self.train_acc = torchmetrics.Accuracy(task="binary")

        def training_step(self, batch, batch_idx):
            self.train_acc(self(batch[0]), batch[1])
            self.log("train_acc", self.train_acc, on_step=False, on_epoch=True)
            return self.loss(batch)

        def on_train_epoch_end(self):
            self.train_acc.reset()

    Use instead
    -----------
        def __init__(self):
            super().__init__()
            self.train_acc = torchmetrics.Accuracy(task="binary")

        def training_step(self, batch, batch_idx):
            self.train_acc(self(batch[0]), batch[1])
            self.log("train_acc", self.train_acc, on_step=False, on_epoch=True)
            return self.loss(batch)

    When to ignore
    --------------
    Never: Lightning resets the objects that it logs. Where compute() is called by hand, reset
    right after it.

    References
    ----------
    - https://github.com/Lightning-AI/torchmetrics/issues/811
    """
    for owner in facts.modules():
        for use in owner.uses:
            path = _emptied(owner, use)
            if path is not None:
                yield self.finding(
                    use.location,
                    f"{attribute_text(path)} is emptied before Lightning computes what "
                    f"{_who_logs(use)} logged of it",
                    remedy="leave the reset out: Lightning resets the objects that it logs",
                    subject=owner.short_name,
                    fix=Fix("leave the reset out", (Delete(use.location),)),
                )


TOO_EARLY = {
    "on_train_epoch_end": "training_step",
    "training_step": "training_step",
    "on_train_batch_end": "training_step",
    "validation_step": "validation_step",
    "test_step": "test_step",
}
"""Hooks in which a reset comes before the epoch's value is computed, and who logs it."""


COMPUTING = frozenset({"callback_metrics", "logged_metrics", "progress_bar_metrics"})
"""Whoever reads these has Lightning compute what was logged for the epoch, before the reset."""


def _who_logs(use: MetricUse) -> str:
    return TOO_EARLY.get(use.hook, "")


def _emptied(owner: ClassFacts, use: MetricUse) -> str | None:
    """The metric whose epoch value a reset spoils."""
    step = _who_logs(use)
    if use.use != "reset" or not step or use.guards or not use.certain:
        return None
    hooks = (one.words for one in owner.own_methods if one.name == use.hook)
    if any(not words.isdisjoint(COMPUTING) for words in hooks):
        return None
    for log in owner.logs:
        path = logged_object(log)
        hit = path is not None and (path == use.metric or within(path, use.metric))
        logged = log.hook == step and not log.guards and must_be(log.on_epoch, True)
        if hit and logged and path is not None and _is_plain(owner, path):
            return path
    return None


def _is_plain(owner: ClassFacts, path: str) -> bool:
    metric = owner.metric(path)
    return metric is not None and follows_common_rules(metric)


@rule("LTN135", "batch-counted-twice", rows=("LOG35",), observers="both", fixable=True)
def counted_twice(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A metric is called and updated with the same batch.

    What it does
    ------------
    Reading finds a hook that calls a metric and updates it with the same arguments. Running finds a
    second `update` of a metric with the very tensors that it was given in the same batch, or one on
    another line that gives the same numbers in every batch (more than two different ones, so that
    they are the same by no chance), where the value without it is another one. The metric may have
    two names. A lone number, and what a loop gives several times, may count each time.

    Why is this bad
    ---------------
    Calling a metric updates it already. Sums and confusion counts are twice as large: 56 was logged
    where 28 was true.

    Example
    -------
        def __init__(self):
            super().__init__()
            self.hits = torchmetrics.SumMetric()

        def validation_step(self, batch, batch_idx):
            hits = self.hits(batch[1])
            self.hits.update(batch[1])
            self.log("hits", self.hits)

    Use instead
    -----------
        def __init__(self):
            super().__init__()
            self.hits = torchmetrics.SumMetric()

        def validation_step(self, batch, batch_idx):
            self.hits.update(batch[1])
            self.log("hits", self.hits)

    When to ignore
    --------------
    For a metric that is a mean of its samples the value is the same, and the work is done twice.

    References
    ----------
    - https://lightning.ai/docs/torchmetrics/stable/pages/overview.html
    """
    for owner in facts.modules():
        called = [use for use in owner.uses if use.use == "forward"]
        for use in owner.uses:
            if use.use == "update" and any(_same_batch(use, other) for other in called):
                name = attribute_text(use.metric)
                yield self.finding(
                    use.location,
                    f"{name} is given the batch twice: calling it updates it as well",
                    remedy=f"leave out {name}.update(...), or the call",
                    subject=owner.short_name,
                    fix=Fix(f"leave {name}.update out", (Delete(use.location),)),
                )


def _same_batch(update: MetricUse, call: MetricUse) -> bool:
    """Whether a call gives a metric what an update gives it, on the same way through a hook."""
    one = (update.metric, update.hook, tuple(text for _, text, _ in update.given))
    other = (call.metric, call.hook, tuple(text for _, text, _ in call.given))
    plain = update.certain and call.certain and update.guards == call.guards == ()
    named = not torchmetrics.is_tracker(update.metric) and all(text for text in one[2])
    return plain and named and bool(update.given) and one == other and bool(update.hook)
