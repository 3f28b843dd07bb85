"""Mistakes about loggers that only a run can see."""

from __future__ import annotations

from pl_lint.checks.mistakes.page import Mistake

STEP_AS_KEY = Mistake(
    "LTN119",
    "step-logged-as-key",
    ("LOG19",),
    """A logged key `step` replaces the x-axis, and does not go forward.

    What it does
    ------------
    Reads the event file back. Where the module logs a key `step`, the points of all that is logged
    with it must come at rising steps.

    Why is this bad
    ---------------
    Lightning takes `step` out of what is logged and uses it as the step of everything else. A batch
    index begins again in every epoch; an epoch logged in each training step puts all batches on one
    point.

    Example
    -------
        self.log("step", float(batch_idx))

    Use instead
    -----------
    Leave the key out, or log it with the epoch's values only:

        self.log("train_loss", loss, on_step=False, on_epoch=True)
        self.log("step", float(self.current_epoch), on_step=False, on_epoch=True)

    References
    ----------
    Lightning-AI/pytorch-lightning issue 17671.
    """,
)
