"""Mistakes about metric objects that only a run can see."""

from __future__ import annotations

from pl_lint.checks.mistakes.page import Mistake

HALF_SUM = Mistake(
    "LTN210",
    "sum-in-half-precision",
    ("MET10",),
    """A module adds up in half precision, or counts in a few bits.

    What it does
    ------------
    Looks at the module's own numbers and buffers after each batch. Where the logged value moves
    with the batches, a sum in bf16 or fp16 is named if its rounding explains by how much; a counter
    of 8 or 16 bits is, where it begins again. Under mixed precision a number of the module's own is
    named to which each batch adds in half precision, where somebody trains so.

    Why is this bad
    ---------------
    A count in bf16 stops at 256, one in int8 goes from 127 to -128. Sums lose what is added.

    Example
    -------
        self.total += loss.detach() * len(x)  # in bf16, under autocast

    Use instead
    -----------
        self.total += loss.detach().float() * len(x)

    When to ignore
    --------------
    Where the sums stay so small that nothing is lost: whole numbers up to 256 are exact in bf16.

    References
    ----------
    - https://github.com/Lightning-AI/pytorch-lightning/issues/18620
    """,
)
