"""Mistakes about what is watched: which checkpoint is kept, under which name, by which score."""

from __future__ import annotations

from pl_lint.checks.mistakes.page import Mistake

WRONG_DIRECTION = Mistake(
    "LTN301",
    "monitor-in-the-wrong-direction",
    ("CKP01",),
    """A monitor takes the worst value for the best.

    What it does
    ------------
    Compares the mode of ModelCheckpoint, EarlyStopping and ReduceLROnPlateau with what torchmetrics
    says of the metric that logs the key (`higher_is_better`). The user's own checkpoint callback is
    run with planted scores, and what it kept is shown. Where no metric object stands behind the
    key, its name alone is a suspicion.

    Why is this bad
    ---------------
    `mode` is "min" unless it is given. The checkpoint with the lowest F1 is kept and reported, and
    training stops while it gets better.

    Example
    -------
        ModelCheckpoint(monitor="val/f1")

    Use instead
    -----------
        ModelCheckpoint(monitor="val/f1", mode="max")

    References
    ----------
    Lightning-AI/pytorch-lightning issues 4668 and 4695.
    """,
)

ZERO_IN_NAME = Mistake(
    "LTN304",
    "filename-field-not-logged",
    ("CKP04",),
    """A checkpoint's file name says 0 for a value that is not there.

    What it does
    ------------
    Lets the user's own checkpoint callback name its files, with all keys that the module logs, and
    notes the fields of `filename` that had no value.

    Why is this bad
    ---------------
    Lightning writes 0 for what it does not find. Every file claims a score of 0.00, and people
    choose between them by their names.

    Example
    -------
        self.log("val/acc", acc)
        ModelCheckpoint(filename="{epoch}-{val_acc:.2f}")

    Use instead
    -----------
        self.log("val/acc", acc)
        ModelCheckpoint(
            filename="epoch={epoch}-val_acc={val/acc:.2f}", auto_insert_metric_name=False
        )
    """,
)

STALE_SCORE = Mistake(
    "LTN305",
    "checkpoint-judged-by-an-old-score",
    ("CKP05",),
    """Weights are kept for a score that earlier weights had.

    What it does
    ------------
    Runs the user's own checkpoint callback with planted scores, and compares the score that it
    judged weights by with what these weights are worth.

    Why is this bad
    ---------------
    With `every_n_train_steps` and a key that validation logs, the value at that moment is that of
    the last validation. Score and weights belong to different moments, and the best checkpoint is
    not the best.

    Example
    -------
        ModelCheckpoint(monitor="val_loss", every_n_train_steps=500)

    Use instead
    -----------
        Trainer(val_check_interval=500)
        ModelCheckpoint(monitor="val_loss", save_on_train_epoch_end=False)

    References
    ----------
    Lightning-AI/pytorch-lightning issues 20185, 20919, 14431 and 11979.
    """,
)
