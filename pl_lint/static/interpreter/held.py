"""What a step leaves for the end of the epoch: in a list, or as what it returns."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from pl_lint.facts.sites import HeldSite
from pl_lint.findings import Location
from pl_lint.static.interpreter.abstract import Abstract, Const, Mapping, options
from pl_lint.static.interpreter.context import Arguments, Context, Frame
from pl_lint.static.interpreter.listing import own_attribute_of


def note_append(
    context: Context, function: ast.Attribute, arguments: Arguments, frame: Frame
) -> None:
    """``self.scores.append(score)`` in a step."""
    if function.attr != "append" or not context.hook.name.endswith(("_step", "_batch_end")):
        return
    attribute = own_attribute_of(context, function.value, frame)
    if attribute is not None and len(arguments.positional) == 1:
        where = context.location(function, frame)
        _note(context, attribute, arguments.positional[0], where)


def note_returned(context: Context, value: Abstract, where: Location) -> None:
    """``return {"loss": loss}`` of a step, which Lightning 1 keeps for the end of the epoch."""
    if context.hook.name.endswith("_step"):
        _note(context, "", value, where)


def _note(context: Context, attribute: str, value: Abstract, where: Location) -> None:
    for key, item in _items(value):
        origin = context.origin(item)
        looped = context.loops > 0
        site = HeldSite(attribute, key, origin, context.hook.name, where, looped)
        context.recorder.add(site)


def _items(value: Abstract) -> Iterator[tuple[str, Abstract]]:
    """The items of a dict by their keys, else the value under no key."""
    for option in options(value):
        if not isinstance(option, Mapping):
            yield "", option
            continue
        for key, item in option.items:
            if isinstance(key, Const) and isinstance(key.value, str):
                yield key.value, item
