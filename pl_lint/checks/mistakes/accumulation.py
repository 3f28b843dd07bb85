"""Mistakes about accumulated batches that only a run can see."""

from __future__ import annotations

from pl_lint.checks.mistakes.page import Mistake

DIVIDED_BY_HAND = Mistake(
    "LTN724",
    "divided-by-accumulated-batches",
    ("LOOP24",),
    """The loss is divided by `accumulate_grad_batches` by hand.

    What it does
    ------------
    Compares a training epoch with and without accumulation, on the same batches and with the
    weights held: the logged value is the true one divided by the number of accumulated batches.

    Why is this bad
    ---------------
    Lightning divides the loss, too. The gradients are smaller than they should be by that number,
    and so is the loss that is logged; nothing else shows it.

    Use instead
    -----------
        loss = F.cross_entropy(self(x), y)
        self.log("train_loss", loss)
        return loss

    References
    ----------
    https://lightning.ai/docs/pytorch/stable/advanced/training_tricks.html
    """,
)
