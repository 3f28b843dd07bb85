"""Mistakes that only several processes show."""

from __future__ import annotations

from pl_lint.checks.mistakes.page import Mistake
from pl_lint.findings import Status

BEST_OF_EACH_RANK = Mistake(
    "LTN107",
    "best-checkpoint-of-one-process",
    ("LOG07",),
    """The best checkpoint is chosen by a value that differs between ranks.

    What it does
    ------------
    Compares `best_model_score` and `best_model_path` of each monitored checkpoint on all ranks
    after a fit on two of them, and on three.

    Why is this bad
    ---------------
    Each rank believes in a best of its own. The file is named by rank zero's value: on rank 1
    `best_model_path` was `epoch=0-val_loss=3.00.ckpt`, which does not exist, and
    `trainer.test(ckpt_path="best")` loads different weights, or none.

    Example
    -------
        self.log("val_loss", loss)
        ModelCheckpoint(monitor="val_loss", filename="{epoch}-{val_loss:.2f}")

    Use instead
    -----------
        self.log("val_loss", loss, sync_dist=True)

    References
    ----------
    Lightning-AI/pytorch-lightning issue 4319.
    """,
)

MIXED_KEYS = Mistake(
    "LTN110",
    "keys-averaged-together",
    ("LOG10",),
    """Ranks log different keys with sync_dist, or in another order.

    What it does
    ------------
    Compares the sequence of reduced keys on all ranks, in steps and at the ends of epochs, and what
    was logged with the mean of those that met.

    Why is this bad
    ---------------
    The reductions pair up by their order, not by key. Where one rank logs `even` and the other
    `odd`, both become the mean of the two: 6.0 was logged for 5.0 and 7.0. Where one rank logs a
    key more, it waits for ever.

    Example
    -------
        for label in batch["label"].unique():
            self.log(f"val_acc_{label}", ..., sync_dist=True)

    Use instead
    -----------
    Log the same keys on every rank, in the same order; keep classes apart in a torchmetrics object.

    References
    ----------
    Lightning-AI/pytorch-lightning issues 21409 and 19604.
    """,
)

ON_RANK_ZERO_ONLY = Mistake(
    "LTN111",
    "key-on-rank-zero-only",
    ("LOG11",),
    """A key is logged on rank zero only, and other ranks need it.

    What it does
    ------------
    Looks for keys that some ranks log and others lack, and for a checkpoint, an EarlyStopping or a
    scheduler that asks every rank for them. In validation a guard without `rank_zero_only=True`
    is enough.

    Why is this bad
    ---------------
    Callbacks run on every rank. A checkpoint that monitors such a key raises on rank 1 that it
    could not find it; where it does not (there is no validation, or `strict=False`), rank 0 waits
    for ever for a save or a decision that the others do not make, or lowers its rate alone.

    Example
    -------
        if self.trainer.is_global_zero:
            self.log("val_r2", r2)

    Use instead
    -----------
        self.log("val_r2", r2)  # on every rank, from gathered values

    References
    ----------
    Lightning-AI/pytorch-lightning issue 19056.
    """,
)

UNUSED_PARAMETERS = Mistake(
    "LTN504",
    "unused-parameters",
    ("DDP04",),
    """Trainable parameters never get a gradient, which stops DDP at its second step.

    What it does
    ------------
    Watches the gradients of a fit on two ranks, with `find_unused_parameters=True`, and names the
    parameters of its optimizers that none reached in any step. Those in no optimizer are a note.
    Where neither the case's own Trainer arguments nor a script of the project that fits this module
    name DDP or several devices, it is suspected only: one process trains such a module well.

    Why is this bad
    ---------------
    Since Lightning 2.0 plain `ddp` looks for no unused parameters: the second step raises
    RuntimeError. `fast_dev_run` has one step only. And what gets no gradient learns nothing.

    Use instead
    -----------
    Remove the layers, or freeze them with `requires_grad_(False)`; or, where some steps do not need
    them, `Trainer(strategy="ddp_find_unused_parameters_true")`.

    References
    ----------
    Lightning-AI/pytorch-lightning issue 16611.
    """,
)

TRUNCATED_MEAN = Mistake(
    "LTN514",
    "mean-over-ranks-cut-off",
    ("DDP14",),
    """Lightning's own: with unequal ranks the mean of sync_dist is wrong.

    What it does
    ------------
    A note, and never the module's fault. It recognises a value that is wrong by this formula only.

    Why is this bad
    ---------------
    Lightning adds up the batch sizes of an epoch in an int64 tensor. On gloo its mean over ranks is
    taken in place, and cut off: with 2 and 1 samples on two ranks 1.5 was logged where every value
    was 1.0. NCCL divides otherwise, and was not measured.

    Use instead
    -----------
        self.val_loss.update(loss, weight=tokens)  # a torchmetrics MeanMetric
        self.log("val_loss", self.val_loss)
    """,
    status=Status.SUSPECTED,
)
