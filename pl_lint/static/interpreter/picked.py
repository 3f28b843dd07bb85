"""The one entry of a list that a value is taken from."""

from __future__ import annotations

import ast

from pl_lint.facts.sites import Entry
from pl_lint.static.interpreter.context import Frame
from pl_lint.static.interpreter.weights import only_value

OF_IT = frozenset({"item", "detach", "cpu", "float", "mean", "clone", "items", "values", "tolist"})
"""Methods that give what they are called on, or what is in it."""


def entry(
    node: ast.expr | None, frame: Frame, looked_up: frozenset[str] = frozenset()
) -> Entry | None:
    """``self.outputs[0]``, a part of it, or a local name that stands for either."""
    match node:
        case ast.Name(name) if name not in looked_up:
            return entry(_meant(node, frame), frame, looked_up | {name})
        case ast.Call(ast.Attribute(inner, method), []) if method in OF_IT:
            return entry(inner, frame, looked_up)
        case ast.Call(ast.Name("float"), [inner]):
            return entry(inner, frame, looked_up)
        case ast.Subscript(whole, index):
            return entry(whole, frame, looked_up) or _numbered(_meant(whole, frame), index)
    return None


def _meant(node: ast.expr, frame: Frame) -> ast.expr:
    """What a local name is given, where that is one thing and stays as it is."""
    if not isinstance(node, ast.Name) or _is_changed(node.id, frame):
        return node
    return only_value(node.id, frame) or node


def _is_changed(name: str, frame: Frame) -> bool:
    """Whether something is put into what a local name holds, or the name is given another value."""
    return sum(_changes(part, name) for part in frame.parts) > 1


def _changes(part: ast.AST, name: str) -> int:
    """How much of that a piece of code does; a first value is one."""
    match part:
        case ast.Name(given, ast.Store()):
            return int(given == name)
        case ast.Subscript(ast.Name(filled), _, ast.Store()):
            return int(filled == name)
        case ast.Call(ast.Attribute(ast.Name(filled), "update" | "setdefault" | "pop")):
            return int(filled == name)
    return 0


def _numbered(whole: ast.expr, index: ast.expr) -> Entry | None:
    text, number = ast.unparse(whole), _number(index)
    if number is None or not text.startswith("self."):
        return None
    return Entry(text.removeprefix("self."), number)


def _number(index: ast.expr) -> int | None:
    match index:
        case ast.Constant(int(number)) if number is not True and number is not False:
            return number
        case ast.UnaryOp(ast.USub(), ast.Constant(int(number))):
            return -number
    return None
