"""Which checkpoint is kept, what it holds, and which one is tested."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator

from pl_lint.facts import lightning
from pl_lint.facts.sites import ClassFacts, MonitorSite, ProjectFacts, TrainerCall
from pl_lint.facts.values import Known, OneOf, Pattern, Unknown, Value, may_be, must_be
from pl_lint.findings import Finding, Status
from pl_lint.rules.judging import target_version
from pl_lint.rules.registry import Rule, rule


@rule("LTN302", "monitored-key-never-logged", rows=("CKP02",), observers="both")
def never_logged(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A monitor watches a key that the module never logs.

    What it does
    ------------
    Compares the key of ModelCheckpoint, EarlyStopping or a scheduler with every key that the
    modules trained with it can log, across files. It is silent wherever something is not known: a
    key that is computed, a base class that was not read, values passed on to other code, a
    callback of another package beside it.

    Why is this bad
    ---------------
    The run stops with an error at the end of its first epoch. Without a validation loop there is
    only a warning, and with `every_n_train_steps` nothing at all: the run ends and no checkpoint
    exists.

    Example
    -------
        def validation_step(self, batch, batch_idx):
            self.log("val_loss", self.loss(batch))

        def configure_callbacks(self):
            return [ModelCheckpoint(monitor="val/loss")]

    Use instead
    -----------
        def validation_step(self, batch, batch_idx):
            self.log("val/loss", self.loss(batch))

        def configure_callbacks(self):
            return [ModelCheckpoint(monitor="val/loss")]

    When to ignore
    --------------
    Where code that cannot be seen logs the key.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/common/checkpointing_intermediate.html
    - https://github.com/Lightning-AI/pytorch-lightning/issues/3811
    """
    for monitor in facts.monitors:
        key = _text(monitor.key)
        modules = facts.trained_with(monitor)
        if key is None or not _well_known(modules) or _fed(facts, monitor, key):
            continue
        near = _nearest(key, modules)
        hint = f"; did you mean {near!r}?" if near else ""
        names = " and ".join(sorted({module.short_name for module in modules}))
        yield self.finding(
            monitor.location,
            f"{monitor.watcher} watches {key!r}, which {names} never logs{hint}",
            remedy=f"watch {near!r}, or log {key!r}" if near else f"log {key!r} with self.log",
            subject=monitor.watcher,
        )


def _text(key: Value) -> str | None:
    return key.value if isinstance(key, Known) and isinstance(key.value, str) else None


def _well_known(modules: tuple[ClassFacts, ...]) -> bool:
    """Whether all that the modules log was seen, and they do log.

    Before 1.1 the dicts that steps return were monitored too.
    """
    return bool(modules) and all(
        module.logs and not module.open and target_version(module) >= (1, 1) for module in modules
    )


def _fed(facts: ProjectFacts, monitor: MonitorSite, key: str) -> bool:
    """Whether anything may put a value under the key."""
    if key in lightning.free_monitors(f"lightning.pytorch.callbacks.{monitor.watcher}"):
        return True
    if key.startswith("lr-"):  # LearningRateMonitor writes into callback_metrics
        return True
    if any(may_be(stray.key, key) for stray in facts.stray_logs):
        return True
    if any(log.feeds(key) for module in facts.trained_with(monitor) for log in module.logs):
        return True
    others = (log for owner in facts.classes for log in owner.logs)
    return any(not isinstance(log.key, Unknown) and log.feeds(key) for log in others)


def _nearest(key: str, modules: tuple[ClassFacts, ...]) -> str | None:
    """The logged key that was probably meant."""
    logged = {name for module in modules for log in module.logs for name in _names(log.key)}
    alike = {re.sub(r"\W|_", "", name).lower(): name for name in sorted(logged)}
    same = alike.get(re.sub(r"\W|_", "", key).lower())
    close = difflib.get_close_matches(key, sorted(logged), n=1, cutoff=0.7)
    return same or next(iter(close), None)


def _names(key: Value) -> Iterator[str]:
    match key:
        case Known(str(name)):
            yield name
        case OneOf(names):
            yield from (name for name in names if isinstance(name, str))


@rule("LTN303", "slash-in-checkpoint-filename", rows=("CKP03",), observers="both")
def slash_in_filename(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A key with "/" in a checkpoint's filename makes a folder for every checkpoint.

    What it does
    ------------
    Finds `filename="{epoch}-{val/acc:.2f}"` without `auto_insert_metric_name=False`.

    Why is this bad
    ---------------
    Lightning writes the metric's name into the file name, so each checkpoint goes to a folder of
    its own: `best-epoch=02-val/acc=0.70.ckpt`. Code that looks for `*.ckpt` in the checkpoint
    folder finds nothing, and the folders of deleted checkpoints stay.

    Example
    -------
        ModelCheckpoint(monitor="val/acc", filename="best-{epoch:02d}-{val/acc:.2f}")

    Use instead
    -----------
        ModelCheckpoint(
            monitor="val/acc",
            filename="best-epoch={epoch:02d}-val_acc={val/acc:.2f}",
            auto_insert_metric_name=False,
        )

    When to ignore
    --------------
    Where a folder for each checkpoint is what you want.

    References
    ----------
    - https://github.com/Lightning-AI/pytorch-lightning/issues/4012
    - https://lightning.ai/docs/pytorch/stable/api/lightning.pytorch.callbacks.ModelCheckpoint.html
    """
    for monitor in facts.monitors:
        field = _field_with_slash(monitor.filename)
        if field is not None and must_be(monitor.auto_insert_metric_name, True):
            plain = field.replace("/", "_")
            yield self.finding(
                monitor.location,
                f"the '/' of {field!r} in the filename puts every checkpoint into a folder of its "
                "own",
                remedy=f"write {plain}={{{field}}} in the filename and add "
                "auto_insert_metric_name=False",
                subject=monitor.watcher,
            )


def _field_with_slash(filename: Value) -> str | None:
    """The first replacement field of a file name that holds a slash."""
    match filename:
        case Known(str(text)):
            pieces: tuple[str | None, ...] = (text,)
        case Pattern(parts):
            pieces = parts
        case _:
            return None
    for piece in pieces:
        found = re.search(r"\{([^{}:]*/[^{}:]*)(?::[^{}]*)?\}", piece or "")
        if found:
            return found[1]
    return None


@rule(
    "LTN317",
    "last-weights-tested",
    rows=("CKP17",),
    status=Status.SUSPECTED,
    observers="both",
    condition="if the best checkpoint is what you mean to report",
)
def last_weights_tested(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """After fit, the last weights are tested although a ModelCheckpoint kept the best ones.

    What it does
    ------------
    Finds `trainer.test(model, ...)` or `trainer.validate(model, ...)` without `ckpt_path` after
    `trainer.fit` of the same model in the same function, where the Trainer has a ModelCheckpoint
    with a monitor.

    Why is this bad
    ---------------
    With a model given, Lightning takes its current weights: those of the last epoch. In one run
    -2.114 was reported where the best checkpoint had -1.314. Only without a model does Lightning
    use the best checkpoint by itself, and say so.

    Example
    -------
        trainer.fit(model, datamodule=data)
        trainer.test(model, datamodule=data)

    Use instead
    -----------
        trainer.fit(model, datamodule=data)
        trainer.test(model, datamodule=data, ckpt_path="best")

    When to ignore
    --------------
    Where the last weights are what you report.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/common/evaluation_intermediate.html
    - https://github.com/Lightning-AI/pytorch-lightning/issues/2046
    """
    for call in facts.trainer_calls:
        if call.method in ("test", "validate") and _after_fit(facts, call):
            yield self.finding(
                call.location,
                f"trainer.{call.method} with a model takes its last weights, not those of the "
                "best checkpoint",
                remedy='add ckpt_path="best"',
                subject=call.model.rpartition(".")[2],
            )


def _best_is_tested(facts: ProjectFacts, call: TrainerCall) -> bool:
    """Whether the same function also runs a checkpoint: then the last weights are meant."""
    return any(
        (other.method, other.scope, other.trainer) == (call.method, call.scope, call.trainer)
        and not must_be(other.ckpt_path, None)
        for other in facts.trainer_calls
    )


def _after_fit(facts: ProjectFacts, call: TrainerCall) -> bool:
    if not (call.passes_model and call.model and call.monitored and must_be(call.ckpt_path, None)):
        return False
    if _best_is_tested(facts, call):
        return False
    return any(
        other.method == "fit"
        and (other.scope, other.trainer, other.model) == (call.scope, call.trainer, call.model)
        and other.reloaded == call.reloaded
        and other.location < call.location
        for other in facts.trainer_calls
    )


@rule(
    "LTN318",
    "untrained-module-tested",
    rows=("CKP18",),
    status=Status.SUSPECTED,
    condition="unless its weights come from elsewhere, such as a pretrained network in __init__",
)
def untrained_module_tested(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A module is tested as it was built: nothing in this file has trained it or loaded weights.

    What it does
    ------------
    Finds `trainer.test(model, ...)` without `ckpt_path` for a module that was built by calling its
    class, in a file in which no `trainer.fit` trains such a module and no weights are loaded into
    it.

    Why is this bad
    ---------------
    The table then shows what random weights score. Nothing says so: `trainer.test` takes any
    module. It happens when training and testing were split into two scripts.

    Example
    -------
        model = LitModel()
        trainer = L.Trainer()
        trainer.test(model, datamodule=data)

    Use instead
    -----------
        trainer.test(model, datamodule=data, ckpt_path="checkpoints/best.ckpt")

    When to ignore
    --------------
    Where the module loads trained weights when it is built, or the untrained score is what you
    want to know.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/common/evaluation_intermediate.html
    """
    for call in facts.trainer_calls:
        if call.method == "test" and _is_untrained(facts, call):
            yield self.finding(
                call.location,
                "trainer.test takes the module as it was built: nothing in this file has trained "
                "it or loaded weights into it",
                remedy="add ckpt_path=, or build it with load_from_checkpoint",
                subject=call.model.rpartition(".")[2],
            )


def _is_untrained(facts: ProjectFacts, call: TrainerCall) -> bool:
    """What another function of the file fits may be the same object; so may what a function that
    takes any module fits, wherever it stands."""
    if not (call.passes_model and call.model and must_be(call.ckpt_path, None)) or call.reloaded:
        return False
    return not any(
        other.method == "fit"
        and (
            not other.model
            or (other.location.path, other.model) == (call.location.path, call.model)
        )
        for other in facts.trainer_calls
    )


@rule("LTN306", "hyperparameters-not-saved", rows=("CKP06",), default=False, observers="both")
def hyperparameters_not_saved(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A module takes arguments and does not save them with its checkpoints.

    What it does
    ------------
    Finds a LightningModule whose `__init__` has parameters and neither it nor a base class calls
    `save_hyperparameters()`.

    Why is this bad
    ---------------
    `load_from_checkpoint` builds the module again. Arguments without a default are an error then;
    those with one silently get it: a module trained with dropout 0.7 was loaded with 0.0.

    Example
    -------
        def __init__(self, hidden=128, dropout=0.0):
            super().__init__()

    Use instead
    -----------
        def __init__(self, hidden=128, dropout=0.0):
            super().__init__()
            self.save_hyperparameters()

    When to ignore
    --------------
    Where checkpoints are loaded with all arguments given, or by LightningCLI, which saves them
    itself.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/common/hyperparameters.html
    - https://github.com/Lightning-AI/pytorch-lightning/issues/4390
    """
    for owner in facts.modules():
        site = owner.hyperparameters
        if site is None or site.saved or not site.parameters or owner.open:
            continue
        names = ", ".join(site.parameters[:3]) + (", ..." if len(site.parameters) > 3 else "")
        yield self.finding(
            site.location,
            f"checkpoints of {owner.short_name} do not hold its arguments ({names})",
            remedy="call self.save_hyperparameters() after super().__init__()",
            subject=owner.short_name,
        )
