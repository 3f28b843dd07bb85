"""What a call is given."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from pl_lint.facts.origins import BatchValue, parts
from pl_lint.static.interpreter.abstract import (
    NONE,
    Abstract,
    Choice,
    Const,
    Mapping,
    Opaque,
    Sequence,
    join,
)
from pl_lint.static.interpreter.context import Arguments, Context, Frame
from pl_lint.static.interpreter.derivation import derived


def evaluated(context: Context, node: ast.Call, frame: Frame) -> Arguments:
    positional: list[Abstract] = []
    keywords: dict[str, Abstract] = {}
    hidden: list[Abstract] = []
    outer, context.assigned = context.assigned, ""
    for argument in node.args:
        value = context.evaluate(argument, frame)
        if not isinstance(argument, ast.Starred):
            positional.append(value)
        elif isinstance(value, Sequence) and value.complete:
            positional += value.items
        else:
            hidden.append(value)
    for keyword in node.keywords:
        value = context.evaluate(keyword.value, frame)
        if keyword.arg is not None:
            keywords[keyword.arg] = value
        elif not _spread(value, keywords):
            hidden.append(value)
    context.assigned = outer
    spread = tuple(_items(context, hidden))
    return Arguments(tuple(positional), keywords, not hidden, spread)


def _items(context: Context, hidden: list[Abstract]) -> Iterator[Abstract]:
    """What stands in a batch that is handed on as a whole, as where it is unpacked."""
    for origin in map(context.origin, hidden):
        if any(isinstance(part, BatchValue) for part in parts(origin)):
            yield Opaque(derived("call", (origin,)))


def _spread(value: Abstract, keywords: dict[str, Abstract]) -> bool:
    """Add the items of ``**value``; whether all of them are known. Of several dicts it may be, each
    gives what it has: what only some have may be left out, which is None to most functions."""
    if isinstance(value, Choice) and all(isinstance(one, Mapping) for one in value.options):
        given: list[dict[str, Abstract]] = [{} for _ in value.options]
        known = [_spread(*pair) for pair in zip(value.options, given, strict=True)]
        for name in dict.fromkeys(key for one in given for key in one):
            found = [one[name] for one in given if name in one]
            keywords[name] = join(*found, *([NONE] if len(found) < len(given) else []))
        return all(known)
    if not isinstance(value, Mapping):
        return False
    named = {
        k.value: v for k, v in value.items if isinstance(k, Const) and isinstance(k.value, str)
    }
    keywords.update(named)
    return value.complete and len(named) == len(value.items)
