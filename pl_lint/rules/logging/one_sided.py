"""What only some of several processes log."""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.facts.origins import MetricObject, parts
from pl_lint.facts.sites import LogSite, ProjectFacts
from pl_lint.facts.values import must_be
from pl_lint.findings import Finding, Status
from pl_lint.plain import replace
from pl_lint.rules.distributed.evidence import asks_for_data, asks_which_process
from pl_lint.rules.judging import beyond_one_device, one_device_in, single_device
from pl_lint.rules.logging.keys import only_sites, place_of
from pl_lint.rules.registry import Rule, rule
from pl_lint.rules.wording import key_text, shown


@rule(
    "LTN110",
    "keys-averaged-together",
    rows=("LOG10",),
    status=Status.SUSPECTED,
    observers="both",
    condition="on two or more devices, if the condition holds on some of them only",
)
def key_of_some_processes(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """self.log with sync_dist=True stands under a condition that processes answer differently.

    What it does
    ------------
    Reading finds it under a condition on the rank or on what stands in the batch (`any()`,
    `numel()`, `isnan()`, `mask.sum() > 0`, `len(y[y > 0])`), or in a loop over what is in it
    (`labels.unique()`, `set(batch["region"])`).
    Running compares the sequence of reduced keys on all ranks, in steps and at the ends of epochs,
    and what was logged with the mean of those that met.

    Why is this bad
    ---------------
    The processes meet call by call, not key by key: two different keys were averaged with each
    other, 5.0 and 7.0 both logged as 6.0. Where one process has no call left, the others wait for
    ever. With `on_step=False`, the default of validation, they meet at the end of the epoch, and
    for each key in the order in which they logged it first: a process that got to a key later than
    the others mixes it with another one (51.0 was logged for 1.5 and for 100.5), and one that never
    got there leaves them waiting. A key that all log in the first batch is safe there.

    Example
    -------
        def validation_step(self, batch, batch_idx):
            mask = batch["label"] >= 0
            if mask.any():
                self.log("val_loss", self.loss(batch, mask), sync_dist=True)

    Use instead
    -----------
        def validation_step(self, batch, batch_idx):
            mask = batch["label"] >= 0
            self.val_loss.update(self.losses(batch), weight=mask)  # torchmetrics.MeanMetric
            self.log("val_loss", self.val_loss)

    When to ignore
    --------------
    Where the condition is the same on all processes, or there is one.

    References
    ----------
    - https://github.com/Lightning-AI/pytorch-lightning/issues/21409
    - https://github.com/Lightning-AI/pytorch-lightning/issues/19604
    """
    for owner in beyond_one_device(facts, facts.logging_classes()):
        for log in owner.logs:
            differs = asks_which_process(log.guards) or asks_for_data(log.guards)
            together = must_be(log.sync_dist, True) and must_be(log.rank_zero_only, False)
            if together and differs and "world_size" not in log.guards:
                late = _meet_late(log)
                found = self.finding(
                    log.location,
                    f"not all processes may get here{IN_THE_EPOCH * late}, and all have to: "
                    f"{key_text(log)} is mixed with another key, or the run hangs",
                    remedy="log it on all processes" + OR_APART * (not _is_object(log)),
                    subject=owner.short_name,
                )
                yield replace(found, condition=AT_THE_END) if late else found


IN_THE_EPOCH = " in an epoch, or not as early"
AT_THE_END = (
    "on two or more devices, if one of them gets here in no batch of an epoch, or later than to "
    "another key"
)


OR_APART = ", or without sync_dist"


def _is_object(log: LogSite) -> bool:
    """Whether a metric is logged, which brings processes together by itself."""
    return any(isinstance(part, MetricObject) for part in parts(log.origin))


def _meet_late(log: LogSite) -> bool:
    """Whether the processes bring the key together at the end of the epoch only."""
    return log.per_batch and must_be(log.on_step, False) and must_be(log.on_epoch, True)


@rule(
    "LTN111",
    "key-on-rank-zero-only",
    rows=("LOG11",),
    status=Status.SUSPECTED,
    observers="both",
    condition="on two or more devices",
)
def logged_on_rank_zero(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """Only one process logs what all of them need.

    What it does
    ------------
    Reading finds a metric object that is logged under a condition on the rank, and a monitor whose
    key is only logged under such a condition. (`rank_zero_only=True` alone skips no call: every
    process keeps a value of its own, which is LTN107's matter.) Running looks for keys that some
    ranks log and others lack, and for a checkpoint, an EarlyStopping or a scheduler that asks every
    rank for them.

    Why is this bad
    ---------------
    A metric object is computed by all processes together: the one that logs it waits for the
    others. A monitor runs in every process, and raises in those that have no such key; where it
    does not (there is no validation, or `strict=False`), rank 0 waits for ever for a save or a
    decision that the others do not make, or lowers its rate alone.

    Example
    -------
        class Model(LightningModule):
            def validation_step(self, batch, batch_idx):
                if self.trainer.is_global_zero:
                    self.log("val_loss", self.loss(batch), rank_zero_only=True)

            def configure_callbacks(self):
                return [ModelCheckpoint(monitor="val_loss")]

    Use instead
    -----------
        class Model(LightningModule):
            def validation_step(self, batch, batch_idx):
                self.log("val_loss", self.loss(batch), sync_dist=True)

            def configure_callbacks(self):
                return [ModelCheckpoint(monitor="val_loss")]

    When to ignore
    --------------
    Where there is one process.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/extensions/logging.html
    - https://github.com/Lightning-AI/pytorch-lightning/issues/19056
    """
    if single_device(facts):
        return
    for owner in beyond_one_device(facts, facts.modules()):
        for log in owner.logs:
            if isinstance(log.origin, MetricObject) and _by_one_process(log):
                yield self.finding(
                    log.location,
                    "a metric object is computed by all processes together, and one logs it",
                    remedy="log it under no condition: Lightning writes it once",
                    subject=owner.short_name,
                )
    for monitor in facts.monitors:
        sites = only_sites(facts, monitor)
        alone = one_device_in(facts, monitor.location.path)
        if sites and not alone and all(map(_by_one_process, sites)):
            yield self.finding(
                monitor.location,
                f"{monitor.watcher} runs in every process, and {shown(monitor.key)} is logged in "
                "the first one only",
                remedy=f"log it on all processes at {place_of(sites)}",
                subject=monitor.watcher,
            )


def _by_one_process(log: LogSite) -> bool:
    return asks_which_process(log.guards)
