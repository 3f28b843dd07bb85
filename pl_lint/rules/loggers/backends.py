"""Code that knows one logger, or one that there is not."""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.facts.sites import CallSite, ImportSite, ProjectFacts
from pl_lint.findings import Finding, Status
from pl_lint.rules.loggers import choice
from pl_lint.rules.registry import Rule, rule
from pl_lint.rules.wording import listed

TENSORBOARD_ONLY = tuple(
    f".add_{what}"
    for what in (
        *("scalar", "scalars", "image", "images", "figure", "histogram", "text", "graph"),
        *("embedding", "video", "audio", "pr_curve", "mesh", "hparams"),
    )
)
WANDB_ONLY = tuple(f".log_{what}" for what in ("text", "image", "table", "audio", "video"))
OF_ONE = ("experiment", "save_dir", "log_dir", "name", "version")
TEXT_ARGUMENTS = frozenset({"key", "columns", "data", "dataframe", "step"})


@rule(
    "LTN901",
    "tied-to-tensorboard",
    rows=("LGR01",),
    status=Status.SUSPECTED,
    default=False,
    observers="both",
    calls=(*TENSORBOARD_ONLY, *choice.KNOWN),
    condition="if the run has another logger, or none",
)
def tied_to_tensorboard(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """`logger.experiment` is used as TensorBoard's writer, whatever logger there is.

    What it does
    ------------
    Finds `logger.experiment.add_scalar(...)` and its sisters in Lightning classes without a
    condition that asks for the logger. A project that builds a TensorBoardLogger and no other is
    left alone. Running trains with CSV files and with `logger=False`, where the code asks for its
    logger; it fails where the case or the project has no other.

    Why is this bad
    ---------------
    With another logger the experiment has no such method, with `logger=False` there is no logger,
    and with several `self.logger` is the first: an AttributeError, in the hook that comes last.

    Example
    -------
        class Model(LightningModule):
            def on_validation_epoch_end(self):
                self.logger.experiment.add_image("sample", self.sample, self.global_step)

    Use instead
    -----------
        class Model(LightningModule):
            def on_validation_epoch_end(self):
                for logger in self.loggers:
                    if isinstance(logger, TensorBoardLogger):
                        logger.experiment.add_image("sample", self.sample, self.global_step)

    When to ignore
    --------------
    Where the project has one logger and will keep it.

    References
    ----------
    - https://github.com/Lightning-AI/pytorch-lightning/issues/3635
    - https://lightning.ai/docs/pytorch/stable/extensions/logging.html
    """
    if choice.made(facts) == {choice.TENSORBOARD}:
        return
    for owner in facts.classes:
        for call in facts.calls_in(owner, *TENSORBOARD_ONLY):
            of_experiment = call.receiver.endswith("logger.experiment")
            if of_experiment and not _asked(call) and not facts.in_tests(call.location):
                yield self.finding(
                    call.location,
                    f"{call.name.rpartition('.')[2]} is TensorBoard's: any other logger raises "
                    "AttributeError here",
                    remedy="ask with isinstance, over self.loggers",
                    subject=owner.short_name,
                )


def _asked(call: CallSite) -> bool:
    """Whether a condition asks for the logger."""
    words = ("logger", "isinstance", "hasattr", "experiment", "writer", "tensorboard", "tb")
    return any(word in guard.lower() for guard in call.guards for word in words)


@rule("LTN902", "experiment-of-a-list", rows=("LGR02",))
def experiment_of_a_list(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """The list of all loggers is asked for `experiment`, as if it were one of them.

    What it does
    ------------
    Finds `self.loggers.experiment`, `trainer.loggers.experiment` and the like in Lightning classes.

    Why is this bad
    ---------------
    AttributeError: 'list' object has no attribute 'experiment', when the hook first comes there.

    Example
    -------
        class Model(LightningModule):
            def on_train_end(self):
                self.loggers.experiment[0].add_text("note", "done")

    Use instead
    -----------
        class Model(LightningModule):
            def on_train_end(self):
                self.loggers[0].experiment.add_text("note", "done")

    When to ignore
    --------------
    Never.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/extensions/logging.html
    """
    for owner in facts.classes:
        for read in owner.reads:
            head, _, attribute = read.attribute.partition(".")
            if head == "loggers" and attribute in OF_ONE:
                yield self.finding(
                    read.location,
                    f"loggers is a list, which has no {attribute}",
                    remedy=f"take one of them: loggers[0].{attribute}",
                    subject=owner.short_name,
                )


OTHERWISE = (
    *("WandBLogger", "WANDBLogger", "TensorboardLogger", "TensorBoardlogger", "CsvLogger"),
    *("MLflowLogger", "MlflowLogger", "MlFlowLogger", "MLFLowLogger", "COMETLogger"),
)
SPELLED_OTHERWISE = tuple(
    f"{package}.loggers.{name}"
    for package in ("lightning.pytorch", "pytorch_lightning")
    for name in OTHERWISE
)
"""Loggers in other capitals, as they are reached through what was imported."""


@rule(
    "LTN903",
    "logger-that-does-not-exist",
    rows=("LGR03",),
    calls=(choice.TENSORBOARD, *SPELLED_OTHERWISE),
)
def logger_that_does_not_exist(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A logger is asked for by a name that it does not have, or built without its folder.

    What it does
    ------------
    Finds names such as `WandBLogger` and `TensorboardLogger`, imported or reached through
    `loggers`, which differ from Lightning's in upper and lower case only (behind a dot the usual
    ones), and a `TensorBoardLogger` without a folder.

    Why is this bad
    ---------------
    ImportError, AttributeError or TypeError: the run does not start.

    Example
    -------
        from lightning.pytorch.loggers import WandBLogger

    Use instead
    -----------
        from lightning.pytorch.loggers import WandbLogger

    When to ignore
    --------------
    Never.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/api_references.html#loggers
    """
    right = {name.rpartition(".")[2].lower(): name.rpartition(".")[2] for name in choice.KNOWN}
    imported = {one.name for one in facts.imports}
    through = [one for one in facts.calls_of(*SPELLED_OTHERWISE) if one.name not in imported]
    for one in (*facts.imports, *through):
        module, _, name = one.name.rpartition(".")
        meant = right.get(name.lower(), name)
        optional = isinstance(one, ImportSite) and one.optional
        if module.endswith("loggers") and name != meant and not optional:
            yield self.finding(
                one.location, f"Lightning has no logger {name}", remedy=f"did you mean {meant}?"
            )
    for call in facts.calls_of(choice.TENSORBOARD):
        if call.complete and not call.gives("save_dir", 0) and not facts.in_tests(call.location):
            yield self.finding(
                call.location,
                "TensorBoardLogger needs a folder: a TypeError",
                remedy='TensorBoardLogger("lightning_logs")',
            )


@rule(
    "LTN904",
    "method-of-another-logger",
    rows=("LGR04",),
    observers="both",
    calls=(*WANDB_ONLY, *choice.KNOWN),
)
def method_of_another_logger(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A logger is called as another one would be.

    What it does
    ------------
    Finds `logger.log_text`, `log_image` and `log_table` in Lightning classes of a project whose
    loggers are all TensorBoard's or CSV files, and `log_text` with arguments that WandbLogger's
    does not take. Running finds what the logger of the case or the project raises.

    Why is this bad
    ---------------
    Only WandbLogger has these methods, and its `log_text` takes a table: AttributeError or
    TypeError, often in a branch that runs once in ten epochs.

    Example
    -------
        class Model(LightningModule):
            def on_validation_epoch_end(self):
                self.logger.log_text("samples", text_data=["a", "b"])

    Use instead
    -----------
        class Model(LightningModule):
            def on_validation_epoch_end(self):
                self.logger.log_text("samples", columns=["text"], data=[["a"], ["b"]])

    When to ignore
    --------------
    With a logger of your own that has such methods.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/extensions/generated/lightning.pytorch.loggers.WandbLogger.html
    - https://github.com/Lightning-AI/pytorch-lightning/issues/11703
    """
    kinds = choice.made(facts)
    without = bool(kinds) and kinds <= {choice.TENSORBOARD, choice.CSV}
    for owner in facts.classes:
        for call in facts.calls_in(owner, *WANDB_ONLY):
            if not call.receiver.endswith(".logger") or _asked(call):
                continue
            method = call.name.rpartition(".")[2]
            strange = [name for name, _ in call.arguments if not _of_text(name)]
            if without:
                known = listed(sorted(kind.rpartition(".")[2] for kind in kinds))
                message = f"{known} has no {method}: an AttributeError"
            elif method == "log_text" and strange:
                message = f"WandbLogger.log_text takes no {', '.join(strange)}: a TypeError"
            else:
                continue
            yield self.finding(
                call.location,
                message,
                remedy="use the methods of the logger that there is",
                subject=owner.short_name,
            )


def _of_text(argument: str) -> bool:
    return argument in TEXT_ARGUMENTS or argument.isdigit() or argument == "**"
