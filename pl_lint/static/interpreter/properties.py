"""Properties of the class that is interpreted: long modules ask for theirs hundreds of times."""

from __future__ import annotations

from pl_lint.static.interpreter.abstract import NOTHING, Abstract, Self
from pl_lint.static.interpreter.context import Arguments, Context, Frame, State
from pl_lint.static.names import FunctionNode


def read(context: Context, function: FunctionNode, inner: Frame) -> Abstract:
    """What a property of the class is: what it was before, in the same hook and loops, as long as
    every attribute holds the very object that it held then; unless it left a trace."""
    key = (
        function,
        context.hook,
        context.around_now(),
        frozenset(context.step_lists),
        frozenset(context.brought_together),
    )
    state = tuple(context.attributes.items())
    known, result = context.properties.get(key, ((), NOTHING))
    if known and _are_the_same(known, state):
        return result
    before = context.traces()
    result = context.run(function, inner, Arguments(), Self())
    unchanged = context.traces() == before and tuple(context.attributes.items())
    if unchanged and _are_the_same(unchanged, state):
        context.properties[key] = state, result
    return result


def _are_the_same(one: State, other: State) -> bool:
    return len(one) == len(other) and all(
        name == called and value is held
        for (name, value), (called, held) in zip(one, other, strict=True)
    )
