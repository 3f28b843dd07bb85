"""Functions of the project that are run where they are called."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from pl_lint.facts.origins import Gathered
from pl_lint.static.interpreter import outside
from pl_lint.static.interpreter.abstract import (
    NOTHING,
    Abstract,
    Choice,
    Const,
    Mapping,
    Opaque,
    Sequence,
    Text,
)
from pl_lint.static.interpreter.context import Arguments, Context, Frame
from pl_lint.static.interpreter.derivation import derived
from pl_lint.static.names import FunctionNode, dotted


def follow(
    context: Context,
    function: FunctionNode,
    inner: Frame,
    arguments: Arguments,
    receiver: Abstract | None,
) -> Abstract:
    """Execute a function of the project with its arguments bound."""
    outer = context.via
    context.via = (*outer, function.name)
    result = context.run(function, inner, arguments, receiver)
    context.via = outer
    if outside.gathers(function.name):
        origins = [context.origin(value) for value in (result, *arguments.all())]
        return Opaque(Gathered(tuple(dict.fromkeys(origins))))
    return result


IDLE = 8
"""A function that has found nothing new so often in a row, for data alone, is not run any more for
data. Libraries have helpers that are called from everywhere, each time with other values. Who is
given a function, a class or an object may do something else with each."""


def remembered(
    context: Context, function: FunctionNode, inner: Frame, arguments: Arguments
) -> Abstract:
    """The same of a function around the classes. What has left no trace is not run again for
    nothing but constants and what nothing is known of."""
    memory = context.remembered
    given = [*enumerate(arguments.positional), *arguments.keywords.items()]
    given += [("*", one) for one in arguments.spread]
    key = (function, arguments.complete, context.around_now(), *(_plain(*one) for one in given))
    if key in memory.results:
        return memory.results[key]
    of_data = all(map(_is_data, arguments.all()))
    if of_data and memory.idle[function] >= IDLE:
        return Opaque(derived("call", [context.origin(one) for one in arguments.all()]))
    traces, found = context.traces(), context.recorder.found
    result = follow(context, function, inner, arguments, None)
    memory.idle[function] = 0 if context.recorder.found > found else memory.idle[function] + of_data
    if context.traces() == traces and None not in key:
        memory.results[key] = result
    return result


def _is_data(value: Abstract) -> bool:
    match value:
        case Opaque() | Const() | Text():
            return True
        case Sequence(items) | Choice(items):
            return all(map(_is_data, items))
        case Mapping(items):
            return all(_is_data(one) for pair in items for one in pair)
    return False


def _plain(name: int | str, value: Abstract) -> tuple[object, ...] | None:
    """What tells an argument from others; None where two that are equal may be two."""
    if isinstance(value, Const) and isinstance(value.value, (str, int, float, type(None))):
        return name, type(value.value), value.value
    return (name,) if value == NOTHING else None


def handed(
    function: FunctionNode, node: ast.Call, frame: Frame, first: int = 0
) -> Iterator[tuple[str, str]]:
    """The parameters of a function that are given an attribute whole: what it does to the one, it
    does to the other. ``first`` is where they begin."""
    for name, value in given(function, node, first).items():
        text = frame.meant(dotted(value) or "") if isinstance(value, ast.Attribute) else ""
        if text.startswith("self."):
            yield name, text


def given(function: FunctionNode, node: ast.Call, first: int = 0) -> dict[str, ast.expr]:
    """What a call gives the parameters of a function, as it is written."""
    by_place = dict(zip((one.arg for one in function.args.args[first:]), node.args, strict=False))
    return by_place | {one.arg: one.value for one in node.keywords if one.arg is not None}
