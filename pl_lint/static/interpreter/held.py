"""What a step leaves for the end of the epoch: in a list, or as what it returns."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from pl_lint.facts.sites import ADDED, HeldSite
from pl_lint.findings import Location
from pl_lint.static.interpreter import extents, graphs
from pl_lint.static.interpreter.abstract import Abstract, Const, Mapping, Sequence, options
from pl_lint.static.interpreter.context import Arguments, Context, Frame
from pl_lint.static.interpreter.listing import own_attribute_of

STEPS = ("_step", "_batch_end")


def note_append(
    context: Context, function: ast.Attribute, arguments: Arguments, frame: Frame
) -> None:
    """``self.scores.append(score)`` in a step."""
    if function.attr != "append" or not context.hook.name.endswith(STEPS):
        return
    attribute = own_attribute_of(context, function.value, frame)
    if attribute is not None and len(arguments.positional) == 1:
        where = context.location(function, frame)
        _note(context, attribute, arguments.positional[0], where)
        _note_by_key(context, attribute, function.value, arguments.positional[0], where, frame)


def _note_by_key(
    context: Context,
    attribute: str,
    target: ast.expr,
    value: Abstract,
    where: Location,
    frame: Frame,
) -> None:
    """``self.scores["loss"].append(loss)``: it is told by the key of its list as well."""
    key = context.evaluate(target.slice, frame) if isinstance(target, ast.Subscript) else None
    if isinstance(key, Const) and isinstance(key.value, str) and not isinstance(value, Mapping):
        _note(context, attribute, Mapping(((key, value),)), where)


def note_extended(context: Context, node: ast.AugAssign, value: Abstract, frame: Frame) -> None:
    """``self.scores += [score]`` in a step."""
    match node.value, value:
        case ast.List([_]), Sequence((only,)) if context.hook.name.endswith(STEPS):
            attribute = own_attribute_of(context, node.target, frame)
            if attribute is not None and isinstance(node.op, ast.Add):
                where = context.location(node, frame)
                _note(context, attribute, only, where)
                _note_by_key(context, attribute, node.target, only, where, frame)


def note_added(context: Context, node: ast.AugAssign, value: Abstract, frame: Frame) -> None:
    """``self.total += loss.item()`` in a step; by another operator it is no sum of them."""
    plain = isinstance(node.target, ast.Attribute) and context.hook.name.endswith(STEPS)
    attribute = own_attribute_of(context, node.target, frame) if plain else None
    if attribute is None:
        return
    extent = extents.left_by_step(context, value) if isinstance(node.op, ast.Add) else "other"
    where, origin = context.location(node, frame), context.origin(value)
    looped = context.loops > 0
    put_away = graphs.kept(context, node.value, frame) if isinstance(node.op, ast.Add) else ()
    text = "".join(put_away[:1])
    site = HeldSite(attribute, ADDED, origin, context.hook.name, where, looped, extent, text)
    context.recorder.add(site)


def note_returned(context: Context, value: Abstract, where: Location) -> None:
    """``return {"loss": loss}`` of a step, which Lightning 1 keeps for the end of the epoch."""
    if context.hook.name.endswith("_step"):
        _note(context, "", value, where)


def _note(context: Context, attribute: str, value: Abstract, where: Location) -> None:
    for key, item in _items(value):
        origin = context.origin(item)
        looped, extent = context.loops > 0, extents.left_by_step(context, item)
        site = HeldSite(attribute, key, origin, context.hook.name, where, looped, extent)
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
