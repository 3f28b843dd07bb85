"""From a place that facts know to the expression that is meant."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from pl_lint.fixes import (
    Argument,
    Assigned,
    Callee,
    Command,
    Receiver,
    Samples,
    Spot,
    Statement,
)
from pl_lint.places import Location
from pl_lint.static.fixing.nodes import Syntax
from pl_lint.static.trees import walk


class CannotFix(Exception):
    """A change that this text has no safe place for; the finding stands without a fix."""


def call_at(syntax: Syntax, place: Location) -> ast.Call:
    call = syntax.call(place)
    if call is None:
        raise CannotFix
    return call


def statement_at(syntax: Syntax, place: Location) -> tuple[ast.stmt, list[ast.stmt]]:
    """The innermost statement that holds a place, with its block."""
    found = syntax.statement(place)
    if found is None:
        raise CannotFix
    return found


def node_at(syntax: Syntax, spot: Spot) -> ast.expr | ast.stmt:
    """What stands at a spot that is described, not pointed at."""
    match spot:
        case Argument():
            return _argument(syntax, spot)
        case Callee(call):
            return call_at(syntax, call).func
        case Command(call):
            return _command(syntax, call)
        case Receiver(call):
            return _receiver(call_at(syntax, call))
        case Assigned(place):
            return _assigned(statement_at(syntax, place)[0])
        case Statement(place):
            return statement_at(syntax, place)[0]
    raise CannotFix


def _command(syntax: Syntax, place: Location) -> ast.expr:
    call, (statement, _) = call_at(syntax, place), statement_at(syntax, place)
    if not isinstance(statement, ast.Expr) or statement.value is not call:
        raise CannotFix
    return call.func


def _receiver(call: ast.Call) -> ast.expr:
    if not isinstance(call.func, ast.Attribute):
        raise CannotFix
    return call.func.value


def place_of(syntax: Syntax, spot: Spot) -> Location:
    return spot if isinstance(spot, Location) else syntax.source.location(node_at(syntax, spot))


def given(call: ast.Call, name: str, position: int) -> ast.expr | None:
    """What a call surely is given for a parameter; None where it is surely left out."""
    for keyword in call.keywords:
        if keyword.arg == name:
            return keyword.value
    if 0 <= position < len(call.args):
        if any(isinstance(one, ast.Starred) for one in call.args[: position + 1]):
            raise CannotFix
        return call.args[position]
    if any(keyword.arg is None for keyword in call.keywords):  # ** may hold it already
        raise CannotFix
    return None


def _argument(syntax: Syntax, spot: Argument) -> ast.expr:
    value = given(call_at(syntax, spot.call), spot.name, spot.position)
    if isinstance(value, ast.Dict) and spot.entry is not None:
        entries = zip(value.keys, value.values, strict=True)
        named = [one for key, one in entries if _is_text(key, spot.entry)]
        value = named[0] if len(named) == 1 else None
    if value is None:
        raise CannotFix
    return value


def _is_text(node: ast.expr | None, text: str) -> bool:
    return isinstance(node, ast.Constant) and node.value == text


def has_text_keys(node: ast.Dict, refused: frozenset[str]) -> bool:
    """Whether every key of a dict is a text of its own that is not refused."""
    keys = [key.value if isinstance(key, ast.Constant) else None for key in node.keys]
    texts = [key for key in keys if isinstance(key, str) and "." not in key and key]
    return len(texts) == len(keys) and refused.isdisjoint(texts)


def _assigned(statement: ast.stmt) -> ast.expr:
    match statement:
        case ast.Assign(targets=[_], value=value):
            return value
        case ast.AnnAssign(value=ast.expr() as value):
            return value
    raise CannotFix


def samples(syntax: Syntax, wanted: Samples) -> str:
    """``len(y)`` of the last of the names that the batch is unpacked to: targets have one entry
    for each sample, inputs may have other shapes. Else of names that say targets, or of an item
    of the batch."""
    function = syntax.function(wanted.place)
    nodes = list(walk(function)) if function is not None else []
    counted = (*_unpacked(nodes, wanted.batch), *_items(nodes, wanted.batch))
    if not counted:
        raise CannotFix
    return f"len({counted[0]})"


TARGETS = frozenset({"targets", "target", "labels", "label", "y", "y_true", "ys"})


def _unpacked(nodes: list[ast.AST], batch: str) -> Iterator[str]:
    for node in nodes:
        match node:
            case ast.Assign(
                targets=[ast.Tuple(elts=[*_, ast.Name(id=last)])], value=ast.Name(id=name)
            ) if name == batch and last != "_":
                yield last
            case ast.Assign(targets=[ast.Tuple(elts=[*_, ast.Name(id=last)])]) if last in TARGETS:
                yield last


def _items(nodes: list[ast.AST], batch: str) -> Iterator[str]:
    for node in nodes:
        match node:
            case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant()) if name == batch:
                yield ast.unparse(node)


def doubled(text: str) -> str:
    """A text as an f-string says it."""
    return text.replace("{", "{{").replace("}", "}}")


def rehomed(statement: ast.stmt, old: str, new: str) -> str:
    """An import of one module with another package in its place."""
    match statement:
        case ast.ImportFrom(module=str(module), level=0) if _below(module, old):
            statement.module = new + module[len(old) :]
            text = ast.unparse(statement)
            statement.module = module
            return text
        case ast.Import(names=[ast.alias(name=module, asname=asname)]) if _below(module, old):
            if asname is None and module != old:
                raise CannotFix  # the file says the whole path
            return f"import {new}{module[len(old) :]} as {asname or module}"
    raise CannotFix


def _below(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


# --- what a name stands for -----------------------------------------------------------------------


def is_call_of(node: ast.expr, target: str, method: str) -> bool:
    """Whether a node reads ``target(...)``, or ``target.method()``."""
    if not isinstance(node, ast.Call):
        return False
    if not method:
        return _reads(node.func, target)
    return not node.args and not node.keywords and _reads(node.func, f"{target}.{method}")


def _reads(node: ast.expr, text: str) -> bool:
    return ast.dump(node) == ast.dump(ast.parse(text, mode="eval").body)


def stands_for_call(syntax: Syntax, node: ast.expr, target: str, method: str) -> bool:
    """Whether a local name is only ever bound to such a call."""
    function = syntax.function(syntax.source.location(node))
    if not isinstance(node, ast.Name) or function is None:
        return False
    bound = [one for one in walk(function) if _binds(one, node.id)]
    calls = [
        one
        for one in walk(function)
        if isinstance(one, ast.Assign) and len(one.targets) == 1 and one.targets[0] in bound
        if is_call_of(one.value, target, method)
    ]
    return bool(bound) and len(calls) == len(bound)


def _binds(node: ast.AST, name: str) -> bool:
    if isinstance(node, ast.arg):
        return node.arg == name
    return isinstance(node, ast.Name) and node.id == name and not isinstance(node.ctx, ast.Load)
