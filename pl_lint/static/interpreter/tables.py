"""Tables of pandas: in which order the rows stand of one that was made of two."""

from __future__ import annotations

import re

from pl_lint.facts.origins import Origin, UnknownOrigin, is_listing, parts
from pl_lint.static.interpreter.abstract import Abstract, Const, options
from pl_lint.static.interpreter.context import Arguments, Context

INNER, LEFT = Const("inner"), Const("left")
BY_FUNCTION = {
    "pandas.merge": INNER,
    "pandas.merge_asof": LEFT,
    "pandas.merge_ordered": Const("outer"),
}
"""Who merges two tables, and how where nobody says."""
OF_TABLES = frozenset({"on", "how", "lsuffix", "rsuffix", "validate"})
"""Arguments by which ``join`` is one of tables."""
LEFT_DECIDES = frozenset({"inner", "left", "cross"})
RIGHT_DECIDES = frozenset({"right", "cross"})
"""Whose rows keep their order. Where all of both are kept, they are sorted by the key, and rows of
one key stand as before."""
ONE_EACH = re.compile(
    r"(?<![a-z])(file|path|filename|image|img|audio|wav|video|id|uuid|key|name)s?(?![a-z])"
    r"|(file|image|img|audio|video|sample)_?(id|name)"
)
"""Keys of which each file has one: sorted by them, it does not matter how files were listed."""
KEYS = ("on", "left_on", "right_on")
TO_ONE = (Const("one_to_one"), Const("1:1"))
TO_MANY = (Const("one_to_many"), Const("1:m"), Const("many_to_many"), Const("m:m"))


def is_join(name: str, arguments: Arguments) -> bool:
    """Whether a method joins tables."""
    return name == "merge" or (name == "join" and bool(OF_TABLES & arguments.keywords.keys()))


def of_method(
    context: Context, receiver: Abstract, name: str, arguments: Arguments
) -> list[Origin]:
    """What ``left.merge(right)`` and ``left.join(right)`` are made of."""
    if name == "merge":
        right, how = arguments.get(0, "right"), arguments.get(1, "how") or INNER
    else:
        right, how = arguments.get(0, "other"), arguments.get(2, "how") or LEFT
    return _merged(context, (receiver, right), how, arguments)


def of_function(context: Context, name: str, arguments: Arguments) -> list[Origin]:
    """What ``pandas.merge(left, right)`` and its sisters are made of."""
    tables = arguments.get(0, "left"), arguments.get(1, "right")
    place = {"pandas.merge": 2}.get(name, -1)
    how = arguments.get(place, "how") or BY_FUNCTION[name]
    return _merged(context, tables, how, arguments)


def _merged(
    context: Context,
    tables: tuple[Abstract | None, Abstract | None],
    how: Abstract,
    arguments: Arguments,
) -> list[Origin]:
    """Files that a table lists have no say in the order of the rows where the other table decides
    it, or the key by which they are sorted."""
    said = {one.value if isinstance(one, Const) else "inner" for one in options(how)}
    ordered = arguments.keywords.get("sort") == Const(True) or "outer" in said
    unique = arguments.keywords.get("validate") in TO_ONE
    keys = map(arguments.keywords.get, KEYS)
    by_key = ordered and not unique and not any(map(_is_of_each_file, keys))
    many = arguments.keywords.get("validate") in TO_MANY
    first = by_key or (bool(LEFT_DECIDES & said) and not ordered)
    second = by_key or ((many or bool(RIGHT_DECIDES & said)) and not ordered)
    left, right = tables
    return [_deciding(context, left, first), _deciding(context, right, second)]


def _is_of_each_file(key: Abstract | None) -> bool:
    return isinstance(key, Const) and ONE_EACH.search(str(key.value).lower()) is not None


def _deciding(context: Context, table: Abstract | None, decides: bool) -> Origin:
    origin = context.origin(table) if table is not None else UnknownOrigin()
    return origin if decides or not any(map(is_listing, parts(origin))) else UnknownOrigin()
