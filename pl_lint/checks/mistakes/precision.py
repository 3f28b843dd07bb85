"""Mistakes about precision that only a run can see."""

from __future__ import annotations

from pl_lint.checks.mistakes.page import Mistake

HALF_OVERFLOW = Mistake(
    "LTN606",
    "half-precision-differs",
    ("PRE06",),
    """Under half precision a logged value overflows, or is far from that of fp32.

    What it does
    ------------
    Compares evaluation values under mixed precision with those of fp32, with the same weights and
    samples, and names the first operation that made a number that is not finite. Operations that
    CUDA runs in fp32 are left undecided on a CPU.

    Why is this bad
    ---------------
    300 * 300 is infinite in fp16. The scaler skips the step, or the weights become NaN.

    Example
    -------
        energy = x * x

    Use instead
    -----------
        energy = x.float() * x.float()

    When to ignore
    --------------
    Where the module is never run in half precision.

    References
    ----------
    - https://docs.pytorch.org/docs/stable/amp.html
    """,
)
