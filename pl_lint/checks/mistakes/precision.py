"""Mistakes about precision that only a run can see."""

from __future__ import annotations

from pl_lint.checks.mistakes.page import Mistake

SMALL_EPSILON = Mistake(
    "LTN604",
    "division-by-zero-in-half-precision",
    ("PRE04",),
    """A division or logarithm meets a zero that only half precision has.

    What it does
    ------------
    Names the first operation that made NaN or Inf out of finite numbers under fp16 or bf16, where
    it divides.

    Why is this bad
    ---------------
    The smallest number of fp16 is 6e-8: an epsilon of 1e-8 is zero, and 0 / 0 is NaN. Training goes
    on with NaN weights and says nothing.

    Use instead
    -----------
        x = x.float()
        x / (x.norm(dim=1, keepdim=True) + 1e-8)
    """,
)

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

    Use instead
    -----------
        energy = x.float() * x.float()
    """,
)
