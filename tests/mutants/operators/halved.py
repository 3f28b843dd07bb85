"""Mistakes that only half precision shows (rows PRE)."""

from __future__ import annotations

from collections.abc import Iterator

from operators.registry import Change, operator
from operators.source import Source

PRECISION = ("precision",)


@operator("PRE06", "LTN606", checks=PRECISION)
def overflow_between(source: Source) -> Iterator[Change]:
    """Outputs are scaled up and down again: fp16 has no room for what is between."""
    for value in source.outputs:
        edit = source.replace(value, f"({source.operand(value)} * 1e6) / 1e6")
        yield Change((edit,), "an overflow in fp16")


@operator("PRE04", "LTN604", "LTN606", checks=PRECISION)
def epsilon_below_half_precision(source: Source) -> Iterator[Change]:
    """An epsilon of 1e-8, which is zero in fp16, keeps nothing from being divided by zero.

    Where the outputs are finite, the expression is exactly the outputs in fp32.
    """
    for value in source.outputs:
        small = "(out - out + 1e-8)"
        edit = source.replace(
            value, f"(lambda out: out * ({small} / {small}))({source.code(value)})"
        )
        yield Change((edit,), "an epsilon of 1e-8")
