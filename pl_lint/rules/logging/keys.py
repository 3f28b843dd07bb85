"""The names that values are logged under: who shares them, who watches them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from pl_lint.facts.origins import (
    BatchValue,
    FunctionCall,
    MetricForward,
    MetricObject,
    Number,
    Origin,
    UnknownOrigin,
    parts,
    parts_below,
)
from pl_lint.facts.sites import ClassFacts, LogSite, MonitorSite, ProjectFacts
from pl_lint.facts.values import Known, Unknown, Value, may_be, must_be
from pl_lint.findings import Finding
from pl_lint.rules.judging import target_version
from pl_lint.rules.registry import Rule, rule
from pl_lint.rules.wording import shown


@rule("LTN112", "last-batch-monitored", rows=("LOG12",), observers="both")
def last_batch_monitored(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A monitor watches a training value that is logged per step only: the last batch's.

    What it does
    ------------
    Finds a ModelCheckpoint, EarlyStopping or scheduler whose key is logged nowhere but in
    `training_step` or `on_train_batch_end`, of a callback too, without `on_epoch=True`. Running
    also finds a value of validation or test that each batch overwrites in an attribute and the end
    of the epoch logs, whoever watches it.

    Why is this bad
    ---------------
    In `training_step` the default is `on_step=True, on_epoch=False`, so the monitor compares
    whatever the last batch of each epoch happened to give. In one run it saw 6.5 where the mean
    of the epoch was 3.5, and nothing said so.

    Example
    -------
        def training_step(self, batch, batch_idx):
            loss = self.loss(batch)
            self.log("train_loss", loss)
            return loss

        def configure_callbacks(self):
            return [EarlyStopping(monitor="train_loss")]

    Use instead
    -----------
        def training_step(self, batch, batch_idx):
            loss = self.loss(batch)
            self.log("train_loss", loss, on_epoch=True)
            return loss

    When to ignore
    --------------
    With `every_n_train_steps`, where the value of the last step is the only one there is; this
    rule leaves that alone.

    References
    ----------
    - https://github.com/Lightning-AI/pytorch-lightning/issues/13147
    - https://lightning.ai/docs/pytorch/stable/extensions/logging.html#automatic-logging
    """
    for monitor in facts.monitors:
        sites = _sites_of_all(facts, monitor)
        per_step = [log for log in sites if last_batch_only(log)]
        if not sites or len(per_step) < len(sites) or not _at_epoch_end(monitor):
            continue
        key = shown(monitor.key)
        yield self.finding(
            monitor.at("monitor"),
            f"{monitor.watcher} watches {key}, which {per_step[0].hook} logs per step only: what "
            "it sees is the value of the epoch's last batch",
            remedy=f"log the mean of the epoch: self.log({key}, ..., on_epoch=True) at "
            f"{per_step[0].location}",
            subject=monitor.watcher,
        )


def only_sites(facts: ProjectFacts, monitor: MonitorSite) -> list[LogSite]:
    """Every site that may feed a monitor; none where something unknown may feed it too."""
    if not isinstance(monitor.key, Known) or not isinstance(monitor.key.value, str):
        return []
    key = monitor.key.value
    if any(may_be(stray.key, key) for stray in facts.stray_logs):
        return []
    return [log for owner in facts.trained_with(monitor) for log in owner.logs if log.feeds(key)]


def place_of(sites: Sequence[LogSite]) -> str:
    """Where a key is logged; of lines of which none says its name, all that may be meant."""
    named = [one for one in sites if not isinstance(one.key, Unknown)]
    places = dict.fromkeys(str(one.location) for one in named[:1] or sites)
    return ", or ".join(places)


def _sites_of_all(facts: ProjectFacts, monitor: MonitorSite) -> list[LogSite]:
    """The same with what callbacks log through their module."""
    if not isinstance(monitor.key, Known) or not isinstance(monitor.key.value, str):
        return []
    key = monitor.key.value
    strays = {stray.location for stray in facts.stray_logs if may_be(stray.key, key)}
    callbacks = (owner for owner in facts.classes if owner.kind == "callback")
    logs = [log for owner in callbacks for log in owner.logs if log.location in strays]
    if strays - {log.location for log in logs}:
        return []
    own = [log for owner in facts.trained_with(monitor) for log in owner.logs if log.feeds(key)]
    return own + [log for log in logs if log.feeds(key)]


PER_BATCH = ("training_step", "on_train_batch_end")


def last_batch_only(log: LogSite) -> bool:
    """Whether a batch's value is all there is; what is averaged by hand is not the batch's."""
    in_training = log.hook in PER_BATCH and must_be(log.on_epoch, False)
    return in_training and isinstance(log.key, Known) and any(map(_of_batch, parts(log.origin)))


def _of_batch(part: Origin) -> bool:
    return isinstance(part, (BatchValue, MetricForward, MetricObject))


def _at_epoch_end(monitor: MonitorSite) -> bool:
    return must_be(monitor.every_n_train_steps, None)


@rule("LTN113", "key-shared-by-stages", rows=("LOG13",), observers="both")
def key_shared_by_stages(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """Training and validation log under the same key.

    What it does
    ------------
    Finds a key that is logged in training and in validation, often by a helper that both steps
    call and that takes no stage. A helper that takes an argument which says whether it logs is
    left alone. So are dicts under one key in which no name is the same, and keys that name no
    stage and that nothing monitors, where the logger gets `loss_step` and `loss_epoch` of one stage
    and `loss` of the other.

    Why is this bad
    ---------------
    Logged values live in one dict: the value of training replaces that of validation before the
    callbacks look at it, and the logger draws both into one curve. In one run the best checkpoint
    was chosen by the training loss: epoch 3 (0.70) instead of epoch 0.

    Example
    -------
        def training_step(self, batch, batch_idx):
            loss = self.loss(batch)
            self.log("loss", loss, on_step=False, on_epoch=True)
            return loss

        def validation_step(self, batch, batch_idx):
            self.log("loss", self.loss(batch))

    Use instead
    -----------
        def training_step(self, batch, batch_idx):
            loss = self.loss(batch)
            self.log("train/loss", loss, on_step=False, on_epoch=True)
            return loss

        def validation_step(self, batch, batch_idx):
            self.log("val/loss", self.loss(batch))

    When to ignore
    --------------
    Where nothing monitors the key and one curve for both is what you want.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/extensions/logging.html
    - https://github.com/Lightning-AI/pytorch-lightning/issues/3626
    """
    for owner in facts.modules():
        trained = {key: log for log in owner.logs if (key := _key_in(log, "train"))}
        for log in owner.logs:
            key = _key_in(log, "validate")
            if key is None or key not in trained or not _matters(facts, log, trained[key]):
                continue
            if not _share_a_name(owner, log, trained[key]):
                continue
            if any(_as_told(facts, owner, one) for one in (log, trained[key])):
                continue
            other = trained[key].location
            same = other == log.location
            where = "by the same call in training" if same else f"in training at {other}"
            bare = OF_A_STAGE.sub("", key)
            yield self.finding(
                log.location,
                f"{key!r} is logged in validation and {where}: monitors and curves mix the two",
                remedy=f"name the stage in the key, for example 'train/{bare}' and 'val/{bare}'",
                subject=owner.short_name,
            )


def _share_a_name(owner: ClassFacts, *logs: LogSite) -> bool:
    """Whether two calls with one key log under one name. Of dicts the names in them count, and
    Lightning 2 refuses them (LTN124)."""
    if all(log.kind != "dict" for log in logs):
        return True
    shared = frozenset[str].intersection(*(log.inner for log in logs))
    return target_version(owner) < (2, 0) and bool(shared)


def _as_told(facts: ProjectFacts, owner: ClassFacts, log: LogSite) -> bool:
    """Whether a parameter of the helper decides if it logs at all: each stage may say another."""
    names = {owner.name, *owner.ancestors}
    methods = (one for known in facts.classes if known.name in names for one in known.own_methods)
    given = {name for one in methods if one.name == log.function for name in one.parameters}
    return log.function != log.hook and not given.isdisjoint(log.guards)


def _matters(facts: ProjectFacts, *logs: LogSite) -> bool:
    """Whether the mixture reaches a curve or a monitor, and is one of measured values."""
    if not any(_is_measured(part) for log in logs for part in parts(log.origin)):
        return False
    in_a_curve = any(not must_be(log.logger, False) for log in logs)
    if in_a_curve and (_names_stage(logs[0].key) or not _apart(*logs)):
        return True
    watching = (one.key for one in facts.monitors)
    return any(key == logs[0].key or (in_a_curve and isinstance(key, Unknown)) for key in watching)


STAGE = re.compile(r"(?<![a-z])(?:train(?:ing)?|val(?:id(?:ation)?)?)(?![a-z])")
"""The name of a stage as a word: ``val_loss``, ``trainLoss``, but not ``value``."""
OF_A_STAGE = re.compile(rf"^{STAGE.pattern}[/_.-]")


def _names_stage(key: Value) -> bool:
    """Whether a key says one stage: then the other is not meant by it."""
    return isinstance(key, Known) and STAGE.search(str(key.value)) is not None


def _apart(*logs: LogSite) -> bool:
    """Whether loggers get other names: one is written as ``_step`` and ``_epoch``, one is not."""
    forks = [must_be(log.on_step, True) and must_be(log.on_epoch, True) for log in logs]
    plain = [must_be(log.on_step, False) or must_be(log.on_epoch, False) for log in logs]
    return any(forks) and any(plain)


def _is_measured(part: Origin) -> bool:
    """Whether a part of a value comes from data: not a constant, and nothing that Lightning keeps
    (the learning rate in ``self.optimizers()`` is one number for both)."""
    if isinstance(part, FunctionCall):
        return not part.name.startswith("self.")
    return not isinstance(part, (Number, UnknownOrigin)) and not parts_below(part)


def _key_in(log: LogSite, stage: str) -> str | None:
    """The key that a call surely logs in the step of a stage."""
    known = isinstance(log.key, Known) and isinstance(log.key.value, str)
    return log.key.value if known and log.in_step and log.stage == stage else None


@rule("LTN114", "key-logged-twice", rows=("LOG14",), observers="both")
def key_logged_twice(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """Two lines of one step log different values under one key.

    What it does
    ------------
    Reading finds two calls at different lines of a hook that log the same key, both under no
    condition, unless they log the very same value. Running finds two that log another number for
    the same batch. One line that is reached several times, as in a loop over optimizer steps, means
    their mean and is left alone.

    Why is this bad
    ---------------
    Lightning averages both over the epoch, or keeps the second: 1.0 and 3.0 were logged, and 2.0
    was written. It raises only where the two calls have different arguments.

    Example
    -------
        def validation_step(self, batch, batch_idx):
            self.log("val_loss", self.class_loss(batch))
            self.log("val_loss", self.box_loss(batch))

    Use instead
    -----------
        def validation_step(self, batch, batch_idx):
            self.log("val_loss/class", self.class_loss(batch))
            self.log("val_loss/box", self.box_loss(batch))

    When to ignore
    --------------
    Where the two values are the same: then one of the lines does nothing.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/extensions/logging.html
    """
    for owner in facts.modules():
        first: dict[tuple[str, str], LogSite] = {}
        for log in owner.logs:
            if log.guards or not log.hook or not isinstance(log.key, Known):
                continue
            other = first.setdefault((log.hook, str(log.key.value)), log)
            both = other.location != log.location and not log.excludes(other)
            if both and not log.repeats:
                yield self.finding(
                    log.location,
                    f"{shown(log.key)} is logged a second time in {log.hook}, after "
                    f"{other.location}",
                    remedy="give each value a key of its own",
                    subject=owner.short_name,
                )
