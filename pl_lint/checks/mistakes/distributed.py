"""Mistakes that only several processes show."""

from __future__ import annotations

from pl_lint.checks.mistakes.page import Mistake
from pl_lint.findings import Status

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

    Example
    -------
        self.log("val_loss", loss, sync_dist=True, batch_size=tokens)

    Use instead
    -----------
        self.val_loss.update(loss, weight=tokens)  # a torchmetrics MeanMetric
        self.log("val_loss", self.val_loss)

    When to ignore
    --------------
    Where all ranks have equally many samples in the runs that count.

    References
    ----------
    - `_sync_ddp` in Lightning's `fabric/utilities/distributed.py`
    """,
    status=Status.SUSPECTED,
)
