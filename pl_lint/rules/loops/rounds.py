"""What the rounds of a loop share although it remembers: callbacks, and the module of each fold."""

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
    Finds a Trainer that a `for` makes and fits in each round (over folds, seeds, settings), with an
    EarlyStopping or a ModelCheckpoint that the same function made before the loop, by itself or in
    a list. Silent where the loop sets or calls anything of the callback, may be left early or makes
    the Trainer under a condition, and in tests.

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


@rule(
    "LTN748",
    "module-of-an-earlier-fold",
    rows=(),
    status=Status.SUSPECTED,
    condition="unless the folds are meant to go on from each other",
)
def earlier_fold(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """Each fold of a cross-validation trains the module that the folds before have trained.

    What it does
    ------------
    Finds `trainer.fit(model, ...)` in a loop over folds (by the names in its head, or over what a
    `KFold` or its like splits) with a Trainer that each fold makes, and a module that the same
    function made before the loop and gives to nobody else in it. Silent where the fit stands under
    a condition, where the loop may be left early, with a copy of the module, and in tests.

    Why is this bad
    ---------------
    The second fold begins with the weights of the first, which was trained on what is validation
    data now. The scores rise from fold to fold, and their mean says nothing.

    Example
    -------
        model = Model()
        for fold in folds:
            trainer = Trainer(max_epochs=10)
            trainer.fit(model, datamodule=fold)

    Use instead
    -----------
        for fold in folds:
            model = Model()
            trainer = Trainer(max_epochs=10)
            trainer.fit(model, datamodule=fold)

    When to ignore
    --------------
    Where each fold holds later data than those before, and training is meant to go on.

    References
    ----------
    - https://scikit-learn.org/stable/modules/cross_validation.html
    """
    for call in facts.trainer_calls:
        if call.folded and not facts.in_tests(call.location):
            yield self.finding(
                call.location,
                f"every fold trains {call.written} on, which has seen the validation data of this "
                "one",
                remedy="build the module in each fold",
                subject=call.model.rpartition(".")[2],
            )
