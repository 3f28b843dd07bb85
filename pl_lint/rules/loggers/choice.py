"""Which loggers a project uses."""

from __future__ import annotations

from pl_lint.facts.sites import CallSite, ProjectFacts

LOGGERS = "lightning.pytorch.loggers."
TENSORBOARD, WANDB = f"{LOGGERS}TensorBoardLogger", f"{LOGGERS}WandbLogger"
MLFLOW, CSV = f"{LOGGERS}MLFlowLogger", f"{LOGGERS}CSVLogger"
OTHERS = tuple(f"{LOGGERS}{name}Logger" for name in ("Comet", "Neptune"))
KNOWN = (TENSORBOARD, WANDB, MLFLOW, CSV, *OTHERS)


def made(facts: ProjectFacts) -> set[str]:
    """The loggers that the code builds, for a rule that asks for calls of them."""
    return {name for name in KNOWN if facts.calls_of(name)}


def of_logger(call: CallSite) -> bool:
    """Whether a method is called on Lightning's own logger: ``self.logger.x``,
    ``trainer.logger.x``, and what belongs to it (``logger.experiment.x``)."""
    return call.receiver.removesuffix(".experiment").endswith("logger")
