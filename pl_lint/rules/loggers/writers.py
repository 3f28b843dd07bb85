"""What a class writes past Lightning: graphs, and events of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pl_lint.facts.sites import ProjectFacts
from pl_lint.findings import Finding, Status
from pl_lint.rules.distributed.evidence import for_one_rank
from pl_lint.rules.loggers import choice
from pl_lint.rules.registry import Rule, rule

GRAPHS = (".add_graph", ".log_graph")


@rule("LTN913", "graph-again-and-again", rows=("LGR13",), observers="both", calls=GRAPHS)
def graph_again_and_again(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """The graph of the network is drawn in every epoch, or for every batch.

    What it does
    ------------
    Finds `add_graph` and `log_graph` in hooks that come again, under no condition but one that asks
    which logger there is. Running counts
    how often `add_graph` is called in two epochs.

    Why is this bad
    ---------------
    The network is traced each time, in the middle of training; an input on the CPU fails with a
    module on a GPU.

    Example
    -------
        class Model(LightningModule):
            def on_train_epoch_end(self):
                self.logger.experiment.add_graph(self, torch.randn(1, 3, 32, 32))

    Use instead
    -----------
        class Model(LightningModule):
            def __init__(self):
                super().__init__()
                self.example_input_array = torch.randn(1, 3, 32, 32)

        logger = TensorBoardLogger("logs", log_graph=True)

    When to ignore
    --------------
    Where the network changes while it trains.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/extensions/generated/lightning.pytorch.loggers.TensorBoardLogger.html
    """
    again = re.compile(r"_step$|_batch_|_epoch_")
    for owner in facts.classes:
        for call in facts.calls_in(owner, *GRAPHS):
            often = again.search(call.hook) and call.stage not in ("test", "predict")
            if often and all(map(_asks_for_logger, call.guards)) and choice.of_logger(call):
                yield self.finding(
                    call.location,
                    f"the network is traced again each time that {call.hook} runs",
                    remedy="TensorBoardLogger(log_graph=True), and self.example_input_array",
                    subject=owner.short_name,
                )


ASKING = ("isinstance", "hasattr", "self", "trainer", "pl", "L", "pytorch")


def _asks_for_logger(guard: str) -> bool:
    """Whether a word of a condition only asks which logger there is."""
    return guard in ASKING or "logger" in guard.lower()


WRITERS = (
    "wandb.init",
    "torch.utils.tensorboard.SummaryWriter",
    "torch.utils.tensorboard.writer.SummaryWriter",
    "tensorboardX.SummaryWriter",
    "wandb.log",
)


@rule(
    "LTN914",
    "logger-beside-lightning-s",
    rows=("LGR14",),
    status=Status.SUSPECTED,
    default=False,
    calls=WRITERS,
    condition="if the Trainer has a logger as well, or several processes run",
)
def logger_beside_lightning_s(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A Lightning class writes to TensorBoard or W&B by itself.

    What it does
    ------------
    Finds `SummaryWriter(...)`, `wandb.init(...)` and `wandb.log(...)` in Lightning classes, under
    no condition on the rank.

    Why is this bad
    ---------------
    Every process writes, along an axis of its own, beside what Lightning's logger writes once.

    Example
    -------
        class Model(LightningModule):
            def on_fit_start(self):
                self.writer = torch.utils.tensorboard.SummaryWriter("runs")

    Use instead
    -----------
        class Model(LightningModule):
            def on_train_epoch_end(self):
                self.log("score", self.score)

    When to ignore
    --------------
    For pictures and tables, on rank zero.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/extensions/logging.html
    """
    for owner in facts.classes:
        for call in facts.calls_in(owner, *WRITERS):
            if for_one_rank(call.guards):
                continue
            yield self.finding(
                call.location,
                f"{call.name.rpartition('.')[2]} writes beside the Trainer's logger, in every "
                "process",
                remedy="use self.log, or self.logger.experiment",
                subject=owner.short_name,
            )
