"""What one process knows of a metric where there are several."""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.facts.origins import UNPACKED, ListOfSteps, MetricObject, local_parts, sure_parts
from pl_lint.facts.sites import ABSENT, LogSite, MetricSite, ProjectFacts
from pl_lint.facts.values import Known, must_be
from pl_lint.findings import Finding, Status
from pl_lint.rules.distributed.evidence import asks_which_process, for_one_count, for_one_rank
from pl_lint.rules.distributed.shares import ASKED, is_shared_out
from pl_lint.rules.judging import beyond_one_device, shown_at_end, stage_on_several
from pl_lint.rules.registry import Rule, rule
from pl_lint.rules.wording import attribute_text, key_text


@rule(
    "LTN211",
    "epoch-value-of-one-process",
    rows=("MET11",),
    status=Status.SUSPECTED,
    observers="both",
    condition="on two or more devices",
    calls=ASKED,
)
def epoch_value_of_one_process(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """An epoch's value is computed from a Python list, which holds one process's share only.

    What it does
    ------------
    Finds a value that is logged at the end of an epoch, or given to a logger itself there, and made
    from what the steps have put by (a list, a counter as in `self.correct += ...`, a meter of the
    project's own class), without `all_gather` and without `sync_dist=True`, or with
    `rank_zero_only=True`, which takes that back; with it too where it is a median, a quantile or a
    standard deviation: no mean of those that the processes have is that of all data. Silent, like
    LTN106, unless a Trainer that may run the stage can have several devices by what is written,
    where every process sees all data, and where the code asks which process it is.

    Why is this bad
    ---------------
    Each process has appended what it saw. With two processes one logged 3.0 and the other 4.0
    where 3.5 was true; the first one's value is kept.

    Example
    -------
        class Model(LightningModule):
            def __init__(self):
                super().__init__()
                self.losses = []

            def validation_step(self, batch, batch_idx):
                self.losses.append(self.loss(batch))

            def on_validation_epoch_end(self):
                self.log("val_loss", torch.stack(self.losses).mean())
                self.losses.clear()

        trainer = Trainer(devices=2)

    Use instead
    -----------
        class Model(LightningModule):
            def validation_step(self, batch, batch_idx):
                loss = self.loss(batch)
                self.log("val_loss", loss, sync_dist=True)

        trainer = Trainer(devices=2)

    When to ignore
    --------------
    Where the code only ever runs on one device.

    References
    ----------
    - https://github.com/Lightning-AI/pytorch-lightning/issues/6200
    - https://lightning.ai/docs/pytorch/stable/accelerators/accelerator_prepare.html
    """
    for owner in beyond_one_device(facts, facts.logging_classes()):
        for log in shown_at_end(owner):
            attribute = _list_behind(log)
            shared = attribute is not None and is_shared_out(facts, owner, log.stage)
            if shared and stage_on_several(facts, owner, log.stage):
                of_means = f": sync_dist averages each one's {log.statistic}" * _is_averaged(log)
                yield self.finding(
                    log.location,
                    f"{key_text(log)} is made from `{attribute}`, which holds only what this "
                    f"process saw{of_means}",
                    remedy="update a torchmetrics object in the step, or bring the values "
                    "together first, with self.all_gather(...).flatten(0, 1)",
                    subject=owner.short_name,
                )


def _list_behind(log: LogSite) -> str | None:
    """The list that a value logged at the end of an epoch is made of."""
    apart = must_be(log.sync_dist, False) or _is_averaged(log)
    local = apart and must_be(log.rank_zero_only, False)
    local |= must_be(log.rank_zero_only, True)  # the first process's own, which nothing reduces
    if not log.hook.endswith("_epoch_end") or not local:
        return None
    # Who asks which process this is has thought of the others: what they saw may lie in files.
    if for_one_count(log.guards) or for_one_rank(log.guards):
        return None
    if any(isinstance(part, MetricObject) for part in sure_parts(log.origin)):
        return None
    lists = (part.attribute for part in local_parts(log.origin) if isinstance(part, ListOfSteps))
    return next(lists, None)


def _is_averaged(log: LogSite) -> bool:
    """Whether the processes average what no mean is right for: a median, a quantile."""
    return bool(log.statistic) and must_be(log.sync_dist, True)


@rule(
    "LTN214",
    "metric-of-one-rank-computed",
    rows=("MET14",),
    status=Status.SUSPECTED,
    condition="on two or more devices",
)
def computed_by_one_rank(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """One process computes a metric, which all processes have to do together.

    What it does
    ------------
    Finds `metric.compute()` under a condition on the rank or in a function decorated with
    `rank_zero_only`, of metrics that are not built with `sync_on_compute=False`.

    Why is this bad
    ---------------
    compute() gathers the states of all processes: the one that calls it waits for the others, and
    the run hangs.

    Example
    -------
        def __init__(self):
            super().__init__()
            self.acc = torchmetrics.Accuracy(task="binary")

        def on_validation_epoch_end(self):
            if self.trainer.is_global_zero:
                print(self.acc.compute())

    Use instead
    -----------
        def __init__(self):
            super().__init__()
            self.acc = torchmetrics.Accuracy(task="binary")

        def on_validation_epoch_end(self):
            value = self.acc.compute()
            if self.trainer.is_global_zero:
                print(value)

    When to ignore
    --------------
    Where there is one process.

    References
    ----------
    - https://lightning.ai/docs/torchmetrics/stable/pages/lightning.html
    - https://github.com/Lightning-AI/pytorch-lightning/issues/19604
    """
    for owner in beyond_one_device(facts, facts.modules()):
        for use in owner.uses:
            metric = owner.metric(use.metric)
            if use.use == "compute" and asks_which_process(use.guards) and not _stays_alone(metric):
                yield self.finding(
                    use.location,
                    f"{attribute_text(use.metric)} is computed by one process and gathers from all",
                    remedy="compute it on all processes, and use the value on one",
                    subject=owner.short_name,
                )


def _stays_alone(metric: MetricSite | None) -> bool:
    """Whether a metric is told not to gather, or is not known."""
    given = dict(metric.arguments) if metric is not None else {UNPACKED: ABSENT}
    alone = given.get("sync_on_compute", Known(True)) != Known(True)
    return alone or UNPACKED in given or metric is None or metric.path.startswith("<")
