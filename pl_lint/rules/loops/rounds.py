"""What the rounds of a loop share although it remembers: callbacks."""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.facts.lightning import EARLY_STOPPING, MODEL_CHECKPOINT
from pl_lint.facts.sites import ProjectFacts
from pl_lint.findings import Finding, Status
from pl_lint.rules.registry import Rule, rule

REMEMBERED = {
    EARLY_STOPPING: "the best score and the count of epochs without progress",
    MODEL_CHECKPOINT: "the best score and the path of the best checkpoint",
}


@rule(
    "LTN747",
    "callback-of-an-earlier-round",
    rows=(),
    status=Status.SUSPECTED,
    condition="unless all rounds are meant as one training or one search",
)
def earlier_round(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """One EarlyStopping or ModelCheckpoint is given to a new Trainer in each round of a loop.

    What it does
    ------------
    Finds a Trainer that a `for` makes and fits in each round (over folds, seeds, settings), each
    time with a module of that round, and with an EarlyStopping or a ModelCheckpoint with a monitor
    that the same function made before the loop, by itself or in a list. Silent where the callback
    stands anywhere else than in `callbacks=`, but to read `best_model_path` and the like in the
    loop, where anything unknown is done with the Trainer, with `ckpt_path`, where the loop may be
    left early or a round skipped, where the project names `wait_count` or `best_k_models`, and in
    tests.

    Why is this bad
    ---------------
    A Trainer does not set its callbacks back. EarlyStopping keeps its best score and its count of
    epochs without progress: after a first fold that it has stopped, it stops every other one in its
    first epoch, and says nothing. ModelCheckpoint keeps its best score: a fold that does not beat
    those before saves nothing, and `best_model_path` is the checkpoint of another fold, whose
    training data were other ones.

    Example
    -------
        stopping = EarlyStopping("val_loss")
        for fold in folds:
            trainer = Trainer(callbacks=[stopping])
            trainer.fit(Model(), datamodule=fold)

    Use instead
    -----------
        for fold in folds:
            stopping = EarlyStopping("val_loss")
            trainer = Trainer(callbacks=[stopping])
            trainer.fit(Model(), datamodule=fold)

    When to ignore
    --------------
    Where the rounds go on training one model, or are one search of which only the best checkpoint
    is wanted.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/api/lightning.pytorch.callbacks.EarlyStopping.html
    """
    for trainer in facts.trainers:
        shared = [name for name in REMEMBERED if name in trainer.again]
        if shared and not facts.in_tests(trainer.location):
            short = shared[0].rpartition(".")[2]
            yield self.finding(
                trainer.at("callbacks"),
                f"every round of the loop has the same {short}: it keeps "
                f"{REMEMBERED[shared[0]]} of the rounds before",
                remedy=f"make a {short} in each round",
            )
