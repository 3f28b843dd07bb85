"""Mistakes that only several processes show."""

from __future__ import annotations

from pl_lint.checks.mistakes.page import Mistake
from pl_lint.findings import Status

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
