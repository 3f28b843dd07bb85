"""Mistakes about loggers that only a run can see."""

from __future__ import annotations

from pl_lint.checks.mistakes.page import Mistake

WRONG_AXIS = Mistake(
    "LTN908",
    "curve-goes-backwards",
    ("LGR08",),
    """A curve's x-axis does not go forward.

    What it does
    ------------
    Reads the event file back and compares the steps of consecutive points of each tag.

    Why is this bad
    ---------------
    `batch_idx` begins again in each epoch: the epochs are drawn over each other, and cannot be laid
    beside curves that Lightning draws over global_step.

    Use instead
    -----------
        self.logger.experiment.add_scalar("grad_norm", norm, self.global_step)
    """,
)
