"""Mistakes about loops and modes that only a run can see."""

from __future__ import annotations

from pl_lint.checks.mistakes.page import Mistake

TRAINING_MODE = Mistake(
    "LTN715",
    "training-mode-while-evaluating",
    ("LOOP15",),
    """Dropout or batch norm is in training mode while evaluating.

    What it does
    ------------
    Looks at the layers during validation and test, where a logged value changes with the batches.

    Why is this bad
    ---------------
    The value depends on chance and on the other samples of the batch, and the running statistics of
    batch norm learn from validation data.

    Use instead
    -----------
    Do not call self.train() or self.eval() in hooks. Lightning sets the mode, and restores it.
    """,
)
