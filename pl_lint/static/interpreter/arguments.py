"""What a call is given."""

from __future__ import annotations

import ast

from pl_lint.static.interpreter.abstract import (
    NONE,
    Abstract,
    Choice,
    Const,
    Mapping,
    Sequence,
    join,
)
from pl_lint.static.interpreter.context import Arguments, Context, Frame


def evaluated(context: Context, node: ast.Call, frame: Frame) -> Arguments:
    positional: list[Abstract] = []
    keywords: dict[str, Abstract] = {}
    complete = True
    outer, context.assigned = context.assigned, ""
    for argument in node.args:
        value = context.evaluate(argument, frame)
        if not isinstance(argument, ast.Starred):
            positional.append(value)
        elif isinstance(value, Sequence) and value.complete:
            positional += value.items
        else:
            complete = False
    for keyword in node.keywords:
        value = context.evaluate(keyword.value, frame)
        if keyword.arg is not None:
            keywords[keyword.arg] = value
        else:
            complete = _spread(value, keywords) and complete
    context.assigned = outer
    return Arguments(tuple(positional), keywords, complete)


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
