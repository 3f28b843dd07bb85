"""Tables of pandas: in which order the rows stand of one that was made of two."""

from __future__ import annotations

from pl_lint.facts.origins import Origin, UnknownOrigin, is_listing, parts
from pl_lint.static.interpreter.abstract import Abstract, Const
from pl_lint.static.interpreter.context import Arguments, Context

INNER, LEFT = Const("inner"), Const("left")
BY_METHOD = {"merge": INNER, "join": LEFT}
BY_FUNCTION = {
    "pandas.merge": INNER,
    "pandas.merge_asof": LEFT,
    "pandas.merge_ordered": Const("outer"),
}
"""Who merges tables, and how where nobody says."""
DECIDING = {"right": (False, True), "outer": (False, False), "cross": (True, True)}
"""Whether the order of the left and of the right table decides that of the rows. Where all of both
are kept, they are sorted by what they are merged on; else they stand as those of the left one."""
TO_MANY = (Const("one_to_many"), Const("1:m"), Const("many_to_many"), Const("m:m"))


def merged(
    context: Context,
    left: Abstract | None,
    right: Abstract | None,
    how: Abstract,
    arguments: Arguments,
) -> list[Origin]:
    """What ``left.merge(right)`` is made of: files that a table lists have no say in the order of
    the rows where the other table decides it."""
    given = arguments.keywords.get("how", how)
    said = given.value if isinstance(given, Const) else None
    first, second = DECIDING.get(str(said), (True, False))
    ordered = arguments.keywords.get("sort") == Const(True)
    many = arguments.keywords.get("validate") in TO_MANY
    return [
        _deciding(context, left, first and not ordered),
        _deciding(context, right, (second or many) and not ordered),
    ]


def _deciding(context: Context, table: Abstract | None, decides: bool) -> Origin:
    origin = context.origin(table) if table is not None else UnknownOrigin()
    return origin if decides or not any(map(is_listing, parts(origin))) else UnknownOrigin()


def of_method(
    context: Context, receiver: Abstract, name: str, arguments: Arguments
) -> list[Origin]:
    """The same of ``left.merge(right)`` and ``left.join(right)``."""
    right = arguments.get(0, "other" if name == "join" else "right")
    how = arguments.get(1 if name == "merge" else 2, "how") or BY_METHOD[name]
    return merged(context, receiver, right, how, arguments)


def of_function(context: Context, name: str, arguments: Arguments) -> list[Origin]:
    """The same of ``pandas.merge(left, right)`` and its sisters."""
    left, right = arguments.get(0, "left"), arguments.get(1, "right")
    how = arguments.get(2, "how") if name == "pandas.merge" else None
    return merged(context, left, right, how or BY_FUNCTION[name], arguments)
