"""Tables of pandas: in which order the rows stand of one that was made of two."""

from __future__ import annotations

from pl_lint.facts.origins import Origin, UnknownOrigin, is_listing, parts
from pl_lint.static.interpreter.abstract import Abstract, Const
from pl_lint.static.interpreter.context import Arguments, Context

KEEPING = (Const("inner"), Const("left"))
"""The ways to merge that keep the order of the left table."""


def merged(
    context: Context, left: Abstract, right: Abstract | None, how: Abstract | None
) -> list[Origin]:
    """What ``left.merge(right)`` is made of: its rows stand as those of the left table, so that
    files which the right one lists have no say in their order."""
    kept = how is None or how in KEEPING
    other = context.origin(right) if right is not None else UnknownOrigin()
    ordered = not kept or not any(map(is_listing, parts(other)))
    return [context.origin(left), other if ordered else UnknownOrigin()]


def merged_by(context: Context, arguments: Arguments) -> list[Origin]:
    """The same of ``pandas.merge(left, right)``."""
    left = arguments.get(0, "left") or Const(None)
    return merged(context, left, arguments.get(1, "right"), arguments.get(2, "how"))
