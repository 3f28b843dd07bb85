"""What a hook reads before it is there: the value of the epoch before."""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.facts import lightning
from pl_lint.facts.sites import (
    AssignmentSite,
    ClassFacts,
    GivenReadSite,
    LoggedReadSite,
    LogSite,
    ProjectFacts,
    ReachSite,
    TrainerSite,
)
from pl_lint.facts.values import Known, Table, may_be, must_be
from pl_lint.findings import Finding, Location, Status
from pl_lint.plain import replace
from pl_lint.rules.judging import target_version
from pl_lint.rules.logging.keys import last_batch_only
from pl_lint.rules.registry import Rule, rule
from pl_lint.rules.wording import listed, shown

WITHIN = ("validation_step", "on_validation_batch_end", "on_validation_epoch_end")
WITHIN += ("on_validation_end",)
"""Hooks of validation, which runs before the epoch of training ends."""
OF_TRAINING = ("training_step", "on_train_batch_end", "on_train_epoch_end")
ENDS = ("on_validation_epoch_end", "on_train_epoch_end")
EACH_EPOCH = (*ENDS, "on_validation_end", "on_validation_epoch_start", "on_validation_start")
EACH_EPOCH += ("on_train_epoch_start",)
LAST = ("lightning.pytorch.callbacks.Checkpoint", "lightning.pytorch.callbacks.ModelCheckpoint")
LAST += (lightning.EARLY_STOPPING,)
"""Callbacks whose ``on_train_epoch_end`` comes after that of the module."""
ORDERED = (2, 0)
"""Since then the order of hooks is the one that was tried (2.6.6)."""


@rule(
    "LTN140",
    "logged-value-read-too-early",
    rows=(),
    status=Status.SUSPECTED,
    condition="if the value of this epoch is meant",
)
def logged_value_read_too_early(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A hook reads a logged value before Lightning has that of the epoch.

    What it does
    ------------
    Finds `trainer.callback_metrics["train_loss"]`, also by `get`, in a hook of validation, where
    the key is logged in training alone and only when its epoch ends (`on_step=False,
    on_epoch=True`, or `train_loss_epoch` of both); and in a callback's hook where the module logs
    the key in the same hook and nowhere else; there also a loop over `callback_metrics.items()`
    under no condition, and a copy of it that is kept or written as a whole, where all modules of
    the project log in that hook. Silent where anything else may log the key.

    Why is this bad
    ---------------
    Validation runs inside the epoch of training, and the hooks of callbacks run before those of the
    module. So the value is that of the epoch before: a gap between training and validation compares
    two epochs, a history is one epoch late, and a best score belongs to other weights. In the first
    epoch there is none, or that of the sanity check.

    Example
    -------
        class Model(LightningModule):
            def training_step(self, batch, batch_idx):
                loss = self.loss(batch)
                self.log("train_loss", loss, on_step=False, on_epoch=True)
                return loss

            def on_validation_epoch_end(self):
                print(self.trainer.callback_metrics.get("train_loss"))

    Use instead
    -----------
        class Model(LightningModule):
            def training_step(self, batch, batch_idx):
                loss = self.loss(batch)
                self.log("train_loss", loss, on_step=False, on_epoch=True)
                return loss

            def on_train_epoch_end(self):
                print(self.trainer.callback_metrics.get("train_loss"))

    What a module logs in `on_validation_epoch_end`, callbacks find in `on_validation_end`.

    When to ignore
    --------------
    Where the value of the epoch before is what you want.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/common/lightning_module.html#hooks
    """
    for owner in facts.logging_classes():
        found: dict[tuple[Location, str, str], list[str]] = {}
        for read in _reads(facts, owner) if target_version(owner) >= ORDERED else ():
            logs = [] if facts.in_tests(read.location) else _logs_of(facts, read)
            how = _too_early(owner, read, logs)
            if how:
                place = (read.location, how, _later(read, logs))
                found.setdefault(place, []).append(shown(read.key))
        for (location, how, remedy), keys in found.items():
            yield self.finding(
                location,
                f"{listed(keys)}: {how}, so this is the value of the epoch before",
                remedy=remedy,
                subject=owner.short_name,
            )


def _reads(facts: ProjectFacts, owner: ClassFacts) -> Iterator[LoggedReadSite]:
    """What a class reads of what was logged. Who goes over all of it reads what the module logs in
    that hook, whichever module it is; nobody knows whether other values are meant as well."""
    for read in owner.logged_reads:
        if not read.whole:
            yield read
            continue
        logs = [[log for log in one.logs if log.hook == read.hook] for one in _that_log(facts)]
        for log in (log for each in logs for log in each) if all(logs) else ():
            yield replace(read, key=log.key)


def _that_log(facts: ProjectFacts) -> list[ClassFacts]:
    return [one for one in facts.modules() if one.logs]


def _logs_of(facts: ProjectFacts, read: LoggedReadSite) -> list[tuple[ClassFacts, LogSite]]:
    """Who logs what is read; nobody where somebody unknown may."""
    key = read.key.value if isinstance(read.key, Known) else None
    if not isinstance(key, str) or any(may_be(stray.key, key) for stray in facts.stray_logs):
        return []
    return [(one, log) for one in facts.classes for log in one.logs if log.feeds(key)]


def _too_early(
    owner: ClassFacts, read: LoggedReadSite, logs: list[tuple[ClassFacts, LogSite]]
) -> str:
    """Why what is read is not there yet, in words."""
    if not logs or not isinstance(read.key, Known):
        return ""
    key = str(read.key.value)
    if read.hook in WITHIN and all(_at_the_end(log, key) for _, log in logs):
        return "Lightning has it when the epoch of training ends, which is after validation"
    own = owner.kind == "callback" and not _comes_last(owner, read.hook)
    same = all(
        one.kind == "module" and log.hook == read.hook and log.key == read.key for one, log in logs
    )
    if own and same and read.hook in ENDS:
        return f"the module logs it in its own {read.hook}, which runs after the callbacks'"
    return ""


def _at_the_end(log: LogSite, key: str) -> bool:
    """Whether a value is there under a key only when the epoch of training has ended."""
    stem = key.removesuffix("_epoch")
    both = stem != key and log.key == Known(stem) and must_be(log.on_step, True)
    alone = log.key == Known(key) and must_be(log.on_step, False)
    return log.hook in OF_TRAINING and must_be(log.on_epoch, True) and (alone or both)


def _later(read: LoggedReadSite, logs: list[tuple[ClassFacts, LogSite]]) -> str:
    """Where the value of the epoch is to be had."""
    if any(log.hook == "on_train_epoch_end" for _, log in logs):
        return "log it in the step, and read it in on_train_epoch_end"
    if any(log.hook == read.hook for _, log in logs):
        return f"read it in {read.hook.replace('_epoch_end', '_end')}"
    return "read it in on_train_epoch_end"


def _comes_last(owner: ClassFacts, hook: str) -> bool:
    """Whether a callback is one that Lightning calls after the module."""
    known = {lightning.canonical(one) or one for one in owner.ancestors}
    return hook == "on_train_epoch_end" and (owner.open or not known.isdisjoint(LAST))


@rule(
    "LTN142",
    "last-batch-read",
    rows=("LOG12",),
    status=Status.SUSPECTED,
    condition="if the value of the epoch is meant",
)
def last_batch_read(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """At the end of an epoch a training value is read that is logged per step only.

    What it does
    ------------
    Finds `trainer.callback_metrics["train_loss"]`, also by `get`, in a hook at the end of an epoch
    or of validation, where the key is logged nowhere but in `training_step` or
    `on_train_batch_end`, without `on_epoch=True`. Silent where anything else may log the key, in
    hooks of a test, where the value is made of an attribute that the step sets (a running mean),
    and where a Trainer in sight has `limit_train_batches=1`.

    Why is this bad
    ---------------
    In `training_step` the default is `on_step=True, on_epoch=False`, so what is read is whatever
    the last batch happened to give. In one run it was 6.5 where the mean of the epoch was 3.5. A
    curve of it is noise, beside that of validation, which is a mean.

    Example
    -------
        class Model(LightningModule):
            def training_step(self, batch, batch_idx):
                loss = self.loss(batch)
                self.log("train_loss", loss)
                return loss

        class History(Callback):
            def on_train_epoch_end(self, trainer, pl_module):
                self.losses.append(trainer.callback_metrics["train_loss"].item())

    Use instead
    -----------
        class Model(LightningModule):
            def training_step(self, batch, batch_idx):
                loss = self.loss(batch)
                self.log("train_loss", loss, on_epoch=True)
                return loss

        class History(Callback):
            def on_train_epoch_end(self, trainer, pl_module):
                self.losses.append(trainer.callback_metrics["train_loss"].item())

    When to ignore
    --------------
    Where the last batch is what you want to see.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/extensions/logging.html#automatic-logging
    """
    for owner in [] if any(map(_has_one_batch, facts.trainers)) else facts.logging_classes():
        found: dict[Location, dict[str, LogSite]] = {}
        for read in owner.logged_reads:
            logs = [] if facts.in_tests(read.location) else _logs_of(facts, read)
            if read.hook in ENDING and logs and all(_is_of_last_batch(*one) for one in logs):
                found.setdefault(read.location, {}).setdefault(shown(read.key), logs[0][1])
        for location, keys in found.items():
            log = next(iter(keys.values()))
            yield self.finding(
                location,
                f"{listed(keys)}: {log.hook} logs per step only, so this is the value of the "
                "epoch's last batch",
                remedy=f"log the mean of the epoch, with on_epoch=True, at {log.location}",
                subject=owner.short_name,
            )


ENDING = ("on_train_epoch_end", "training_epoch_end", "on_validation_epoch_end")
ENDING += ("validation_epoch_end", "on_validation_end")
"""Hooks of a fit that look back at an epoch."""


def _has_one_batch(trainer: TrainerSite) -> bool:
    """Whether an epoch of training is one batch; ``1.0`` is all of them."""
    limit = trainer.argument("limit_train_batches")
    return isinstance(limit, Known) and limit.value == 1 and isinstance(limit.value, int)


def _is_of_last_batch(owner: ClassFacts, log: LogSite) -> bool:
    """Whether a log gives what one batch gave: an attribute that its hook sets may hold more."""
    set_here = {one.attribute for one in owner.assignments if one.hook == log.hook}
    return last_batch_only(log) and set_here.isdisjoint(log.made_of | log.shows)


@rule(
    "LTN143",
    "value-of-another-run-read",
    rows=(),
    status=Status.SUSPECTED,
    condition="unless something else logs it in that run",
)
def value_of_another_run_read(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A test reads a value that only a fit has, or a fit one that only a test has.

    What it does
    ------------
    Finds `trainer.callback_metrics["val_f1"]` in a hook of the test, where the key is logged in
    training and validation alone, and the other way round; under no condition, in no comprehension,
    and where nothing catches what it raises. Silent where anything else may log the key: code that
    was not read, and is given the module, may.

    Why is this bad
    ---------------
    Lightning forgets what was logged when another run begins: in `trainer.test` there is nothing of
    the fit, and a KeyError ends the test, after all batches were tested.

    Example
    -------
        def validation_step(self, batch, batch_idx):
            self.log("val_f1", self.f1(batch))

        def test_step(self, batch, batch_idx):
            self.log("test_f1", self.f1(batch))

        def on_test_epoch_end(self):
            print(self.trainer.callback_metrics["val_f1"])

    Use instead
    -----------
        def validation_step(self, batch, batch_idx):
            self.log("val_f1", self.f1(batch))

        def test_step(self, batch, batch_idx):
            self.log("test_f1", self.f1(batch))

        def on_test_epoch_end(self):
            print(self.trainer.callback_metrics["test_f1"])

    When to ignore
    --------------
    Where the hook is never reached.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/extensions/logging.html
    """
    for owner in facts.logging_classes():
        for read in owner.logged_reads if target_version(owner) >= ORDERED else ():
            logs = (
                _logs_of(facts, read) if read.raises and not facts.in_tests(read.location) else []
            )
            runs = {RUNS.get(log.stage or "", "") for _, log in logs}
            here = RUNS.get(read.stage or "", "")
            if logs and here and "" not in runs and here not in runs:
                yield self.finding(
                    read.location,
                    f"{shown(read.key)} is logged in the {listed(sorted(runs))} alone, at "
                    f"{logs[0][1].location}: in the {here} this raises KeyError",
                    remedy=f"read a key that the {here} logs",
                    subject=owner.short_name,
                )


RUNS = {"train": "fit", "validate": "fit", "test": "test"}
"""In which run a stage can log what another one finds; validation alone finds its own."""


@rule(
    "LTN141",
    "attribute-read-too-early",
    rows=(),
    status=Status.SUSPECTED,
    default=False,
    condition="if the value of this epoch is meant",
)
def attribute_read_too_early(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A callback reads in its hook what the module sets in the same hook, which runs later.

    What it does
    ------------
    Finds `pl_module.score` or `trainer.score`, also by `getattr`, in the hook of a callback, where
    a module works the attribute out in the same hook (`self.score = ...`, `self.trainer.score =
    ...`) and nowhere else but in `__init__`. Silent where it is set to a constant or an empty
    container there, which is a reset, where it is worked out from what it was (a best score so
    far), and where steps fill it.

    Why is this bad
    ---------------
    Lightning calls the hooks of all callbacks, and then that of the module (in `on_train_epoch_end`
    those of ModelCheckpoint and EarlyStopping come last). So the callback sees the value of the
    epoch before, in the first epoch the initial one, that of the sanity check, or an
    AttributeError.

    Example
    -------
        class Model(LightningModule):
            def on_validation_epoch_end(self):
                self.score = self.evaluate(self.outputs)

        class Report(Callback):
            def on_validation_epoch_end(self, trainer, pl_module):
                print(pl_module.score)

    Use instead
    -----------
        class Model(LightningModule):
            def on_validation_epoch_end(self):
                self.score = self.evaluate(self.outputs)

        class Report(Callback):
            def on_validation_end(self, trainer, pl_module):
                print(pl_module.score)

    When to ignore
    --------------
    Where the value of the epoch before is what you want.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/extensions/callbacks.html
    """
    for owner in facts.classes:
        early = owner.kind == "callback" and target_version(owner) >= ORDERED
        for read in owner.given_reads if early else ():
            late = read.hook not in EACH_EPOCH or _comes_last(owner, read.hook)
            found = [] if late or facts.in_tests(read.location) else _settings(facts, read)
            if found and all(_is_made(one, read) for one in found):
                yield self.finding(
                    read.location,
                    f"the module sets {read.of}.{read.attribute} in its own {read.hook}, which runs"
                    " after the callbacks': here it is the value of the epoch before",
                    remedy="read it in a later hook, or set it in an earlier one",
                    subject=owner.short_name,
                )


Setting = AssignmentSite | ReachSite
BUILDING = ("__init__", "setup", "configure_model")


def _settings(facts: ProjectFacts, read: GivenReadSite) -> list[Setting]:
    """Where an attribute of the module, or of the Trainer, is given a value, once it is built;
    nothing where it may be filled in other ways."""
    reached: list[Setting] = [one for one in facts.reaches if one.attribute == read.attribute]
    own: list[Setting] = []
    for module in facts.all_modules():
        own += [one for one in module.assignments if one.attribute == read.attribute]
        filled = (*module.lists, *module.items)
        if any(one.attribute == read.attribute for one in filled):
            return []
    if read.of == "trainer":
        known = all(getattr(one, "receiver", "") == "self.trainer" for one in reached)
        return reached if known else []
    return [] if reached else [one for one in own if one.hook not in BUILDING]


def _is_made(one: Setting, read: GivenReadSite) -> bool:
    """Whether a hook works out what a callback reads in the same one."""
    reset = isinstance(one.value, Known) or one.value == Table(())
    carried = isinstance(one, AssignmentSite) and (one.carried or one.augmented)
    return one.hook == read.hook and not reset and not carried
