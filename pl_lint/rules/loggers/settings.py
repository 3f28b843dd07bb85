"""How loggers are built, and what is sent to them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pl_lint.facts.sites import ABSENT, CallSite, ProjectFacts
from pl_lint.facts.values import Known, Pattern, Value, must_be
from pl_lint.findings import Finding, Status
from pl_lint.fixes import DropArgument, Fix, SetArgument
from pl_lint.rules.loggers import choice
from pl_lint.rules.registry import Rule, rule

HPARAMS = ".log_hyperparams"
ILLEGAL = re.compile(r"[^a-zA-Z0-9_/. -]")
"""What MLFlowLogger deletes from names (loggers/mlflow.py)."""
RATES = frozenset({"lr", "learning_rate", "learning-rate", "current_lr", "epoch_lr"})


@rule(
    "LTN906",
    "placeholder-hp-metric",
    rows=("LGR06",),
    status=Status.SUSPECTED,
    default=False,
    calls=(choice.TENSORBOARD, HPARAMS),
    condition="if anyone looks at TensorBoard's HPARAMS tab",
    fixable=True,
)
def placeholder_hp_metric(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """TensorBoard's table of hyper-parameters shows -1 as the metric of every run.

    What it does
    ------------
    Finds a TensorBoardLogger without `default_hp_metric=False` where a module saves its
    hyper-parameters and nothing logs them with metrics.

    Why is this bad
    ---------------
    The logger writes `hp_metric = -1` beside the hyper-parameters and nobody ever replaces it: the
    table cannot compare runs.

    Example
    -------
        class Model(LightningModule):
            def __init__(self, lr):
                super().__init__()
                self.save_hyperparameters()

        logger = TensorBoardLogger("logs")

    Use instead
    -----------
        class Model(LightningModule):
            def __init__(self, lr):
                super().__init__()
                self.save_hyperparameters()

        logger = TensorBoardLogger("logs", default_hp_metric=False)

    When to ignore
    --------------
    Where the tab is not used, or the module logs `hp_metric`.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/extensions/generated/lightning.pytorch.loggers.TensorBoardLogger.html
    - https://github.com/Lightning-AI/pytorch-lightning/issues/12494
    """
    saved = any(one.hyperparameters and one.hyperparameters.saved for one in facts.classes)
    given = any(call.gives("metrics", 1) for call in facts.calls_of(HPARAMS))
    keys = {log.key.value for one in facts.classes for log in one.logs if _literal(log.key)}
    if not saved or given or "hp_metric" in keys:
        return
    for call in facts.calls_of(choice.TENSORBOARD):
        if call.complete and not call.gives("default_hp_metric", 4):
            yield self.finding(
                call.location,
                "the table of hyper-parameters shows hp_metric = -1 for every run",
                remedy="add default_hp_metric=False",
                fix=Fix("add default_hp_metric=False", (_without_placeholder(call),)),
            )


def _without_placeholder(call: CallSite) -> SetArgument:
    return SetArgument(call.location, "default_hp_metric", "False", 4)


def _literal(value: object) -> bool:
    return isinstance(value, Known) and isinstance(value.value, str)


@rule(
    "LTN907",
    "key-changed-by-mlflow",
    rows=("LGR07",),
    observers="both",
    calls=(choice.MLFLOW,),
)
def key_changed_by_mlflow(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A key holds characters that MLFlowLogger deletes.

    What it does
    ------------
    Finds keys of `self.log` with other characters than letters, digits, `_`, `/`, `.`, `-` and
    space in a project that uses MLFlowLogger. Running reads the keys in MLflow's store, and finds
    those that W&B has a value of its own for (`_step`, `_runtime`, `_timestamp`).

    Why is this bad
    ---------------
    The metric is stored under another name, and keys that differ in those characters only become
    one: `iou>0.5` and `iou<0.5` are both `iou0.5`. A warning in the console is all that tells.

    Example
    -------
        logger = MLFlowLogger()

        class Model(LightningModule):
            def validation_step(self, batch, batch_idx):
                self.log("val/recall@5", self.recall(batch))

    Use instead
    -----------
        logger = MLFlowLogger()

        class Model(LightningModule):
            def validation_step(self, batch, batch_idx):
                self.log("val/recall_at_5", self.recall(batch))

    When to ignore
    --------------
    Where the shortened names are known and differ.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/extensions/generated/lightning.pytorch.loggers.MLFlowLogger.html
    """
    if not facts.calls_of(choice.MLFLOW):
        return
    for owner in facts.classes:
        for log in owner.logs:
            key = log.key.value if _literal(log.key) else ""  # type: ignore[union-attr]
            if ILLEGAL.search(key) and not must_be(log.logger, False):
                yield self.finding(
                    log.location,
                    f"MLFlowLogger stores {key!r} as {ILLEGAL.sub('', key)!r}",
                    remedy="use letters, digits, '_', '/', '.', '-' and spaces",
                    subject=owner.short_name,
                )
            lost = _lost(log.key)
            if lost and not must_be(log.logger, False):
                yield self.finding(
                    log.location,
                    f"MLFlowLogger deletes {lost!r} from this key",
                    remedy="use letters, digits, '_', '/', '.', '-' and spaces",
                    subject=owner.short_name,
                )


def _lost(key: Value) -> str:
    """The characters that MLflow refuses among those of a key that are written out."""
    written = "".join(part or "" for part in key.parts) if isinstance(key, Pattern) else ""
    return "".join(dict.fromkeys(ILLEGAL.findall(written)))


@rule("LTN909", "learning-rate-by-hand", rows=("LGR09",), default=False)
def learning_rate_by_hand(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """The learning rate is logged by hand.

    What it does
    ------------
    Finds `self.log("lr", ...)` and the like.

    Why is this bad
    ---------------
    Code such as `trainer.optimizers[0].param_groups[0]["lr"]` sees one group of one optimizer.
    LearningRateMonitor sees all, under names that tell them apart.

    Example
    -------
        class Model(LightningModule):
            def training_step(self, batch, batch_idx):
                self.log("lr", self.optimizers().param_groups[0]["lr"])
                return self.loss(batch)

    Use instead
    -----------
        trainer = Trainer(callbacks=[LearningRateMonitor()])

    When to ignore
    --------------
    With one group of parameters, where the name matters.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/api/lightning.pytorch.callbacks.LearningRateMonitor.html
    """
    for owner in facts.modules():
        for log in owner.logs:
            key = log.key.value if _literal(log.key) else ""  # type: ignore[union-attr]
            if re.split("[/.]", key)[-1].lower() in RATES:
                yield self.finding(
                    log.location,
                    "this sees one learning rate; an optimizer may have several groups",
                    remedy="use the callback LearningRateMonitor",
                    subject=owner.short_name,
                )


@rule(
    "LTN911",
    "runs-in-one-folder",
    rows=("LGR11",),
    status=Status.SUSPECTED,
    default=False,
    calls=(choice.TENSORBOARD, choice.CSV),
    condition="if the script runs twice",
    fixable=True,
)
def runs_in_one_folder(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A logger has a constant version, so that every run writes into the same folder.

    What it does
    ------------
    Finds CSVLogger and TensorBoardLogger with a constant `version`.

    Why is this bad
    ---------------
    CSVLogger deletes what an earlier run left there; TensorBoard draws the curves of both runs as
    one.

    Example
    -------
        logger = CSVLogger("logs", name="digits", version=0)

    Use instead
    -----------
        logger = CSVLogger("logs", name="digits")

    When to ignore
    --------------
    Where each run gets a folder of its own by other means.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/extensions/generated/lightning.pytorch.loggers.CSVLogger.html
    """
    for call in facts.calls_of(choice.TENSORBOARD, choice.CSV):
        if _constant(call, "version", 2) and not facts.in_tests(call.location):
            yield self.finding(
                call.location,
                "every run writes into the same folder: the version is a constant",
                remedy="leave version out",
                fix=Fix("leave version out", (DropArgument(call.location, "version"),)),
            )


def _constant(call: CallSite, name: str, position: int) -> bool:
    """Whether an argument is a constant, and the folder is one."""
    value = call.argument(name, position)
    told = isinstance(value, Known) and value not in (ABSENT, Known(""))
    return told and isinstance(call.argument("save_dir", 0), Known)


AUTOLOG = ("mlflow.pytorch.autolog", "mlflow.autolog")
"""What takes the values of ``self.log`` without a logger of the Trainer's."""


@rule("LTN912", "nowhere-to-log", rows=("LGR12",), default=False, calls=AUTOLOG)
def nowhere_to_log(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """`self.log` asks for the logger, and no Trainer has one.

    What it does
    ------------
    Finds `self.log(..., logger=True)` in a project all of whose Trainers say `logger=False`, and
    which does not have MLflow take what is logged (`mlflow.pytorch.autolog()`).

    Why is this bad
    ---------------
    Nothing is written anywhere. Lightning warns once.

    Example
    -------
        class Model(LightningModule):
            def training_step(self, batch, batch_idx):
                loss = self.loss(batch)
                self.log("loss", loss, logger=True)
                return loss

        trainer = Trainer(logger=False)

    Use instead
    -----------
        class Model(LightningModule):
            def training_step(self, batch, batch_idx):
                loss = self.loss(batch)
                self.log("loss", loss, logger=True)
                return loss

        trainer = Trainer(logger=True)

    When to ignore
    --------------
    Where others train the module with a logger.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/extensions/logging.html
    """
    silent = (
        bool(facts.trainers)
        and not facts.calls_of(*AUTOLOG)
        and all(
            must_be(one.argument("logger"), False) and not facts.in_tests(one.location)
            for one in facts.trainers
        )
    )
    for owner in facts.modules() if silent else ():
        for log in owner.logs:
            if must_be(log.logger, True):
                yield self.finding(
                    log.location,
                    "logger=True, but every Trainer of the project says logger=False",
                    remedy="give the Trainer a logger",
                    subject=owner.short_name,
                )
