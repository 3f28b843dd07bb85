"""What one process logs where there are several."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pl_lint.facts.origins import (
    BatchValue,
    Derived,
    FunctionCall,
    ListOfSteps,
    MetricCompute,
    MetricForward,
    MetricObject,
    Origin,
    local_parts,
    sure_part,
)
from pl_lint.facts.sites import ClassFacts, LogSite, MetricSite, MonitorSite, ProjectFacts
from pl_lint.facts.values import NO, Known, must_be
from pl_lint.facts.words import MAY_GATHER, names_a_ratio, words_of
from pl_lint.findings import Finding, Location, Status
from pl_lint.fixes import Fix
from pl_lint.plain import replace
from pl_lint.rules.distributed.evidence import (
    for_one_count,
    for_one_rank,
    several_devices,
    uses_several,
)
from pl_lint.rules.distributed.shares import ASKED, is_shared_out
from pl_lint.rules.judging import (
    beyond_one_device,
    is_linear,
    is_never_run,
    linearity_of_call,
    stage_on_several,
)
from pl_lint.rules.logging.functions import (
    OVER_SAMPLES,
    is_score,
    means_do_not_suit,
    no_mean_over_ranks,
)
from pl_lint.rules.logging.keys import only_sites, place_of
from pl_lint.rules.logging.mending import set_flags
from pl_lint.rules.registry import Rule, rule
from pl_lint.rules.wording import key_text, shown


@rule(
    "LTN106",
    "value-of-one-process-logged",
    rows=("LOG06",),
    status=Status.SUSPECTED,
    observers="both",
    condition="on two or more devices",
    calls=ASKED,
    fixable=True,
)
def value_of_one_process(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A validation or test value is logged without sync_dist=True.

    What it does
    ------------
    Finds values computed from the batch that are reduced over an epoch of validation or test
    without `sync_dist=True`. Metric objects, results of `compute()`, gathered values and what is
    worked out from the learning rates of `self.optimizers()` are right as they are. What LTN102,
    LTN103 and LTN213 report is left to them: no mean over processes would be right either.

    Silent unless a Trainer that may run the stage can have several devices by what is written: a
    number, a list, `"auto"` or -1, or a strategy of several processes. Nothing at all is no such
    word, although Lightning 2 then takes all devices: most who write so have one. Nor is a number
    that only a setting or the command line knows, or a strategy that is one of two. A Trainer that
    is seen to run other classes only, and one of a program copied into the repository, are no
    evidence where there are others; none is about a file that no other one names.

    Silent as well where every process sees all data: with `use_distributed_sampler=False` and no
    sampler of its own, where what feeds the stage is no DataLoader, or where its data set is one
    item (`__len__` returns 1: one graph). And where the stage never runs: the only
    `test_dataloader` of the project raises NotImplementedError.

    Why is this bad
    ---------------
    Each process keeps the mean of its own share of the data; the first one's is logged, returned
    and monitored. With two processes 0.0 was logged where 0.5 was true.

    Example
    -------
        class Model(LightningModule):
            def validation_step(self, batch, batch_idx):
                self.log("val_loss", self.loss(batch))

        trainer = Trainer(devices=2)

    Use instead
    -----------
        class Model(LightningModule):
            def validation_step(self, batch, batch_idx):
                self.log("val_loss", self.loss(batch), sync_dist=True)

        trainer = Trainer(devices=2)

    When to ignore
    --------------
    Where the code only ever runs on one device.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/accelerators/accelerator_prepare.html
    - https://github.com/Lightning-AI/pytorch-lightning/issues/20492
    """
    for owner in beyond_one_device(facts, facts.logging_classes()):
        for log in owner.logs:
            if not _of_one_process(log) or means_do_not_suit(owner, log):
                continue
            if _is_replaced(owner, log) or is_never_run(facts, owner, log.stage):
                continue
            shared = is_shared_out(facts, owner, log.stage)
            if shared and stage_on_several(facts, owner, log.stage):
                yield self.finding(
                    log.location,
                    f"{key_text(log)} is {_reduced(log)} over this process's share of the data "
                    "only",
                    remedy="add sync_dist=True" if _is_mended(owner, log) else LOG_OBJECT,
                    subject=owner.short_name,
                    fix=_synchronised(log) if _is_mended(owner, log) else None,
                )


LOG_OBJECT = (
    "log a torchmetrics object: with sync_dist=True it would be a mean over processes, which is "
    "not its value over the data"
)


def _is_mended(owner: ClassFacts, log: LogSite) -> bool:
    """Whether ``sync_dist=True`` makes a value that of all data."""
    return not no_mean_over_ranks(owner, log)


def _is_replaced(owner: ClassFacts, log: LogSite) -> bool:
    """Whether the end of the epoch logs the same key: that value is what is reported then (run with
    Lightning 2.6.6)."""
    return isinstance(log.key, Known) and any(
        other.key == log.key and other.stage == log.stage and not other.guards
        for other in owner.logs
        if other.hook.endswith("_epoch_end")
    )


def _reduced(log: LogSite) -> str:
    """What Lightning makes of the batches' values, in words."""
    match log.reduce_fx:
        case Known("min" | "max" | "sum" as name):
            return f"the {name}"
    return "the mean" if must_be(log.reduce_fx, "mean") else "reduced"


def _synchronised(log: LogSite) -> Fix | None:
    """Not where one process alone logs: the others would be waited for."""
    if for_one_rank(log.guards):
        return None
    return Fix("add sync_dist=True", set_flags(log, sync_dist="True"))


def _of_one_process(log: LogSite) -> bool:
    judged = log.stage in ("validate", "test") and log.per_batch and must_be(log.on_epoch, True)
    return judged and _is_local(log)


def _is_local(log: LogSite) -> bool:
    """Whether a value is made of what this process has seen, and stays so."""
    local = must_be(log.sync_dist, False) and must_be(log.rank_zero_only, False)
    if not local or log.sampled or for_one_count(log.guards):
        return False
    found = tuple(local_parts(log.origin))
    if any(isinstance(part, (MetricObject, MetricCompute)) for part in found):
        return False
    of_batch = (BatchValue, MetricForward, FunctionCall, ListOfSteps)
    return any(isinstance(part, of_batch) for part in found)


@rule(
    "LTN107",
    "best-checkpoint-of-one-process",
    rows=("LOG07",),
    status=Status.SUSPECTED,
    observers="both",
    condition="on two or more devices",
)
def monitor_of_one_process(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A monitor watches a value that every process has another one of.

    What it does
    ------------
    Reading finds, in projects one of whose Trainers runs several processes, a ModelCheckpoint,
    EarlyStopping or scheduler whose key is only logged without `sync_dist=True`, or with
    `rank_zero_only=True`, which takes it back, and is made of this process's batches, as the mean
    of an epoch, or of a step where the checkpoint has `every_n_train_steps`. Running
    compares `best_model_score` and `best_model_path` of each monitored checkpoint on all ranks
    after a fit on two of them, and on three.

    Why is this bad
    ---------------
    The processes disagree on which checkpoint is the best, and on the name of its file: with two of
    them one said `val_loss=1.00.ckpt` and the other `val_loss=3.00.ckpt`, which did not exist:
    `trainer.test(ckpt_path="best")` loads different weights there, or none.

    Example
    -------
        class Model(LightningModule):
            def validation_step(self, batch, batch_idx):
                self.log("val_loss", self.loss(batch))

            def configure_callbacks(self):
                return [ModelCheckpoint(monitor="val_loss")]

        trainer = Trainer(devices=2)

    Use instead
    -----------
        class Model(LightningModule):
            def validation_step(self, batch, batch_idx):
                self.log("val_loss", self.loss(batch), sync_dist=True)

            def configure_callbacks(self):
                return [ModelCheckpoint(monitor="val_loss")]

        trainer = Trainer(devices=2)

    When to ignore
    --------------
    Where the code only ever runs on one device.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/accelerators/accelerator_prepare.html
    """
    for monitor in facts.monitors if several_devices(facts) else ():
        kept = monitor.argument("save_top_k")
        if must_be(kept, -1) or must_be(kept, 0):  # all are kept, or none: nothing is chosen
            continue
        sites = only_sites(facts, monitor) if _trained_by_several(facts, monitor) else []
        if sites and all(_is_kept_apart(monitor, log) for log in sites):
            yield self.finding(
                monitor.location,
                f"{monitor.watcher} watches {shown(monitor.key)}, which is another number in each "
                "process",
                remedy=_logged_alike(facts, monitor, sites),
                subject=monitor.watcher,
            )


def _logged_alike(facts: ProjectFacts, monitor: MonitorSite, sites: list[LogSite]) -> str:
    """How every process gets the same number, which has to be that of all data."""
    for owner in facts.trained_with(monitor):
        for log in sites:
            if log in owner.logs and no_mean_over_ranks(owner, log):
                return LOG_OBJECT.replace("object", f"object at {log.location}", 1)
    alone = ", without rank_zero_only," if must_be(sites[0].rank_zero_only, True) else ""
    return f"log it with sync_dist=True{alone} at {place_of(sites)}"


def _is_kept_apart(monitor: MonitorSite, log: LogSite) -> bool:
    """Whether every process has a value of its own when the monitor looks. ``rank_zero_only=True``
    switches the reduction off and skips no call (``_Sync`` of ``result.py``)."""
    every = monitor.every_n_train_steps
    between_steps = isinstance(every, Known) and bool(every.value)
    of_a_step = between_steps and log.stage == "train" and must_be(log.on_step, True)
    seen = log.per_batch and (of_a_step or must_be(log.on_epoch, True))
    if not must_be(log.rank_zero_only, True):
        return seen and _is_local(log)
    called_by_all = not for_one_rank(log.guards)
    return seen and called_by_all and _is_local(replace(log, sync_dist=NO, rank_zero_only=NO))


def _trained_by_several(facts: ProjectFacts, monitor: MonitorSite) -> bool:
    """Whether several processes train with it, in a project where some Trainer runs several: by the
    one that it is built in, by those of its own file, or else by that one."""
    near = [one for one in facts.trainers if one.location.path == monitor.location.path]
    around = [one for one in near if _is_within(monitor.location, one.location)]
    return not near or any(map(uses_several, around or near))


def _is_within(inner: Location, outer: Location) -> bool:
    same = (inner.path, inner.cell) == (outer.path, outer.cell)
    return same and outer.line <= inner.line <= (outer.end_line or outer.line)


TOGETHER = (".all_gather", ".all_reduce", ".all_gather_object", ".all_gather_into_tensor")
TOGETHER += ("torch.distributed.gather", "torch.distributed.reduce")
"""What brings the values of processes together, also in a function that a class calls."""


@rule(
    "LTN109",
    "ranks-averaged",
    rows=("LOG09", "MET11"),
    status=Status.SUSPECTED,
    observers="both",
    calls=(".zero_", *TOGETHER, *ASKED),
    condition="on two or more devices",
)
def ranks_averaged(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """sync_dist takes the mean over ranks of a value that cannot be averaged.

    What it does
    ------------
    Reading finds `sync_dist=True` at the end of an epoch beside a function of torchmetrics or
    sklearn whose value for a part of the data says little of the value for all of it, with the
    `compute()` of such a metric that was built with `sync_on_compute=False`, or with a score (IoU,
    F1, dice) that is made of counts or a confusion matrix which the steps of this process filled
    and nothing gathers, or is a ratio of sums over what they have kept (`2 * (pred * mask).sum() /
    (pred.sum() + mask.sum())`); not where every process sees all data, as LTN106 says. Running
    finds, on two ranks, a logged value that is the mean of each rank's own value, and not the value
    of all samples.

    Why is this bad
    ---------------
    The mean of two F1 scores is not the F1 of both halves: .5924 and .7381 were logged where .6207
    was true.

    Example
    -------
        def __init__(self):
            super().__init__()
            self.predictions, self.targets = [], []

        def validation_step(self, batch, batch_idx):
            self.predictions.append(self(batch[0]).argmax(1))
            self.targets.append(batch[1])

        def on_validation_epoch_end(self):
            predictions, targets = torch.cat(self.predictions), torch.cat(self.targets)
            score = sklearn.metrics.f1_score(targets, predictions)
            self.log("val_f1", score, sync_dist=True)

    Use instead
    -----------
        def validation_step(self, batch, batch_idx):
            self.val_f1.update(self(batch[0]), batch[1])
            self.log("val_f1", self.val_f1)

    When to ignore
    --------------
    Where the code only ever runs on one device.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/accelerators/accelerator_prepare.html
    - https://github.com/Lightning-AI/pytorch-lightning/issues/7112
    """
    for owner in beyond_one_device(facts, facts.logging_classes()):
        for log in owner.logs:
            together = must_be(log.sync_dist, True) and is_shared_out(facts, owner, log.stage)
            counts = _own_counts(facts, owner, log) if together else ""
            if counts:
                yield self.finding(
                    log.location,
                    f"{key_text(log)} is the mean over processes of what each one makes of its own "
                    f"self.{counts}, which is not the value of all data",
                    remedy=f"add up self.{counts} over the processes first: "
                    f"self.all_gather(self.{counts}).sum(0)",
                    subject=owner.short_name,
                )
            function = _unlinear_at_end(owner, log) if together else None
            if function is not None:
                yield self.finding(
                    log.location,
                    f"{key_text(log)} is the mean over processes of {function}, which is not the "
                    f"{function} of all data",
                    remedy="update a torchmetrics object in the step and log it, or bring the "
                    "predictions together first, with self.all_gather(...).flatten(0, 1)",
                    subject=owner.short_name,
                )
            if together and not counts and _is_ratio_at_end(log) and not _gathers(facts, owner):
                yield self.finding(
                    log.location,
                    f"{key_text(log)} is the mean over processes of the ratio of sums that each "
                    "one makes of its own data, which is not the ratio of all data",
                    remedy="bring the sums together first, with self.all_gather(...).sum(0), or "
                    "update a torchmetrics object in the step and log it",
                    subject=owner.short_name,
                )


def _is_ratio_at_end(log: LogSite) -> bool:
    """Whether a score is a ratio of sums over what the steps of this process have kept: what they
    have predicted, or counted, and no scores of their own that are weighted by how many samples
    there were."""
    if not log.hook.endswith("_epoch_end") or not is_score(log, OVER_SAMPLES):
        return False
    ratio = sure_part(log.origin, _is_ratio)
    kept = [one for one in local_parts(log.origin) if isinstance(one, ListOfSteps)]
    names = [one.key or one.attribute for one in kept]
    weighted = any(
        names_a_ratio(one, OVER_SAMPLES) or not SIZES.isdisjoint(words_of(one)) for one in names
    )
    return ratio is not None and bool(kept) and not weighted


def _is_ratio(part: Origin) -> bool:
    """Also one for each class. Other means of ratios, over samples say, are none."""
    return isinstance(part, Derived) and part.operation in ("ratio", "macro")


SIZES = frozenset("n num number size sizes len length lengths total totals weight weights".split())
SIZES |= frozenset("bs samples count counts".split())
"""What a number of samples is called, in words."""


def _unlinear_at_end(owner: ClassFacts, log: LogSite) -> str | None:
    """The function at the end of an epoch whose values no mean suits, of this process's data, or
    the metric that computes such a value for this process alone."""
    if not log.hook.endswith("_epoch_end"):
        return None
    for part in local_parts(log.origin):
        if isinstance(part, FunctionCall) and linearity_of_call(part) is False:
            inner = list(local_parts(part))
            if any(isinstance(one, (ListOfSteps, BatchValue)) for one in inner):
                return part.name.rpartition(".")[2]
        metric = owner.metric(part.metric) if isinstance(part, MetricCompute) else None
        if metric is not None and _is_of_this_process(metric) and is_linear(metric) is False:
            return metric.class_name
    return None


def _own_counts(facts: ProjectFacts, owner: ClassFacts, log: LogSite) -> str:
    """The counts of this process that a score is made of when the epoch ends: attributes that the
    steps of the stage fill, all of them called after counts, in a class that gathers nothing."""
    if not log.hook.endswith("_epoch_end") or not is_score(log, OF_COUNTS):
        return ""
    if _gathers(facts, owner) or not stage_on_several(facts, owner, log.stage):
        return ""
    filled = [one for one in sorted(log.made_of) if _filled_by_steps(facts, owner, log, one)]
    of_data = [one for one in filled if not NUMBER_OF.search(one)]
    return of_data[0] if of_data and all(map(_is_counted, filled)) else ""


def _is_counted(attribute: str) -> bool:
    return not COUNTED.isdisjoint(words_of(attribute))


def _gathers(facts: ProjectFacts, owner: ClassFacts) -> bool:
    """Whether a class, one that it inherits from, or a function that it calls brings together what
    the processes have."""
    kin = {owner.name, *owner.ancestors}
    methods = (one for known in facts.classes if known.name in kin for one in known.own_methods)
    words = (word for method in methods for word in method.words)
    return any(map(MAY_GATHER.search, words)) or bool(facts.calls_in(owner, *TOGETHER))


OF_COUNTS = frozenset({"perplexity"})
"""What else is worked out of counts: how many entries of a codebook are in use."""
COUNTED = frozenset(
    "conf confs confmat confmats confusion confusions hist hists histogram histograms count counts "
    "usage usages counter counters tp fp fn tn tps fps fns tns inter inters intersection "
    "intersections union unions".split()
)
"""The words of counts: neither a confidence nor an account or a discount is one."""
NUMBER_OF = re.compile(r"(batch|step|epoch|sample|image|item)(e?s)?_count|^([a-z]+_)?counter$")
"""How many of something there were, which is the same on every rank or nearly so."""


def _filled_by_steps(facts: ProjectFacts, owner: ClassFacts, log: LogSite, attribute: str) -> bool:
    """Whether the steps of a stage add to an attribute, or name one that epochs set to zero."""
    if owner.metric(attribute) is not None:
        return False
    carried = any(
        one.attribute == attribute and one.stage == log.stage and (one.augmented or one.carried)
        for one in owner.assignments
    )
    emptied = any(
        call.receiver == f"self.{attribute}" and call.stage == log.stage and "_epoch_" in call.hook
        for call in facts.calls_in(owner, ".zero_")
    )
    steps = (one for one in owner.own_methods if one.name in STEPS.get(log.stage or "", ()))
    return carried or (emptied and any(attribute in one.words for one in steps))


STEPS = {"train": ("training_step",), "validate": ("validation_step",), "test": ("test_step",)}


def _is_of_this_process(metric: MetricSite) -> bool:
    return dict(metric.arguments).get("sync_on_compute") == Known(False)
