"""Methods of dicts, lists and strings."""

from __future__ import annotations

import ast
import string
from collections.abc import Callable, Iterator

from pl_lint.plain import replace
from pl_lint.static.interpreter import lookup
from pl_lint.static.interpreter.abstract import (
    NOTHING,
    Abstract,
    Const,
    Mapping,
    Opaque,
    Sequence,
    Text,
    join,
)
from pl_lint.static.interpreter.context import Arguments, Context, Frame
from pl_lint.static.interpreter.derivation import derived
from pl_lint.static.interpreter.unions import united

SAFE = frozenset(
    [
        "lower",
        "upper",
        "title",
        "capitalize",
        "strip",
        "lstrip",
        "rstrip",
        "replace",
        "removeprefix",
        "removesuffix",
        "split",
        "startswith",
        "endswith",
    ]
)
"""String methods that are computed: short results whatever the arguments."""
LONGEST = 1_000
CHANGING = frozenset({"update", "setdefault", "pop"})
"""Methods that change a dict and are followed."""


def changes(name: str, node: ast.Call, frame: Frame) -> bool:
    """Whether a method changes in place what a local name stands for."""
    target = node.func.value if isinstance(node.func, ast.Attribute) else None
    return name in CHANGING and isinstance(target, ast.Name) and target.id in frame.names


def change_each(
    context: Context,
    choices: tuple[Abstract, ...],
    then: Callable[[Abstract], Abstract],
    node: ast.Call,
    frame: Frame,
) -> Abstract:
    """One of several containers is changed: its name stands for any of them, each changed."""
    assert isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name)
    name = node.func.value.id
    results: list[Abstract] = []
    changed: list[Abstract] = []
    with context.may_be_another():
        for option in choices:
            frame.names[name] = option
            results.append(then(option))
            changed.append(frame.names[name])
    frame.names[name] = join(*changed)
    return join(*results)


def call(
    context: Context,
    receiver: Abstract,
    name: str,
    arguments: Arguments,
    node: ast.Call,
    frame: Frame,
) -> Abstract:
    match receiver:
        case Mapping():
            return _of_mapping(context, receiver, name, arguments, node, frame)
        case Const(str(text)):
            return _of_string(context, text, name, arguments)
        case Sequence() if name in ("copy", "values", "modules"):
            return receiver
    origins = [context.origin(value) for value in (receiver, *arguments.all())]
    return Opaque(derived("mean" if name == "mean" else "call", origins))


def _of_mapping(
    context: Context,
    receiver: Mapping,
    name: str,
    arguments: Arguments,
    node: ast.Call,
    frame: Frame,
) -> Abstract:
    match name:
        case "items":
            pairs = tuple(Sequence((key, value)) for key, value in receiver.items)
            return Sequence(pairs, receiver.complete)
        case "keys":
            return Sequence(tuple(key for key, _ in receiver.items), receiver.complete)
        case "values":
            return Sequence(tuple(value for _, value in receiver.items), receiver.complete)
        case "copy":
            return receiver
        case "get" | "pop" | "setdefault":
            return _of_key(context, receiver, name, arguments, node, frame)
        case "add_module" | "register_module" if len(arguments.positional) == 2:
            target = node.func.value if isinstance(node.func, ast.Attribute) else node.func
            lookup.rebind(context, target, receiver.with_item(*arguments.positional), frame)
            return Const(None)
        case "update":
            _update(context, receiver, arguments, node, frame)
            return Const(None)
    return Opaque(derived("call", [context.origin(value) for _, value in receiver.items]))


def _of_key(
    context: Context,
    receiver: Mapping,
    name: str,
    arguments: Arguments,
    node: ast.Call,
    frame: Frame,
) -> Abstract:
    """``get``, ``pop``, ``setdefault``: the value of a key, and what becomes of the dict."""
    key, default = arguments.get(0, "key") or NOTHING, arguments.get(1, "default")
    found = receiver.get(key)
    if name == "get" or not isinstance(node.func, ast.Attribute):
        return found or default or NOTHING
    if name == "pop":
        lookup.rebind(context, node.func.value, receiver.without(key), frame)
        return found or default or NOTHING
    held = found or default or Const(None)
    grown = receiver.with_item(key, held)  # of one pass: others may bring other keys
    lookup.rebind(context, node.func.value, replace(grown, complete=False), frame)
    return held


def _update(
    context: Context, receiver: Mapping, arguments: Arguments, node: ast.Call, frame: Frame
) -> None:
    named = tuple((Const(key), value) for key, value in arguments.keywords.items())
    grown = united(receiver, arguments.get(0, "") or Mapping())
    if isinstance(node.func, ast.Attribute):
        grown = united(grown, Mapping(named, arguments.complete))
        lookup.rebind(context, node.func.value, grown, frame)


# --- strings --------------------------------------------------------------------------------------


def _of_string(context: Context, text: str, name: str, arguments: Arguments) -> Abstract:
    if name == "format":
        return join(_formatted(text, arguments))
    if name == "join" and arguments.positional:
        return _joined(text, arguments.positional[0])
    values = [value.value for value in arguments.positional if isinstance(value, Const)]
    known = len(values) == len(arguments.positional) and not arguments.keywords
    if name in SAFE and known and len(text) <= LONGEST:
        try:
            return _wrapped(getattr(text, name)(*values))
        except (TypeError, ValueError):
            return NOTHING
    return NOTHING


def _wrapped(result: object) -> Abstract:
    if isinstance(result, list):
        return Sequence(tuple(Const(item) for item in result))
    return Const(result) if len(str(result)) <= LONGEST else NOTHING


def _joined(separator: str, parts: Abstract) -> Abstract:
    known = isinstance(parts, Sequence) and parts.complete
    if not known or not all(isinstance(item, Const) for item in parts.items):
        return Text((None,))
    return _wrapped(separator.join(str(item.value) for item in parts.items))


def _formatted(template: str, arguments: Arguments) -> Abstract:
    """``"{}/loss".format(stage)`` with what is known filled in."""
    try:
        fields = list(string.Formatter().parse(template))
    except ValueError:
        return Text((None,))
    pieces = list(_pieces(fields, arguments))
    if all(piece is not None for piece in pieces):
        return _wrapped("".join(piece for piece in pieces if piece))
    return Text(tuple(pieces))


def _pieces(
    fields: list[tuple[str, str | None, str | None, str | None]], arguments: Arguments
) -> Iterator[str | None]:
    for automatic, (literal, name, form, conversion) in enumerate(fields):
        if literal:
            yield literal
        if name is None:
            continue
        index = int(name) if name.isdigit() else (automatic if not name else -1)
        value = arguments.get(index, name)
        plain = isinstance(value, Const) and not form and not conversion
        yield str(value.value) if plain else None
