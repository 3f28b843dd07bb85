"""What keeps its graph when a step puts it away, as it is written."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator

from pl_lint.static.interpreter.context import Context, Frame

WITHOUT = frozenset({"no_grad", "inference_mode"})
"""Under these nothing that is computed gets a graph."""
TELLING = re.compile(
    r"detach|\.item\(|float\(|numpy\(|tolist\(|\.data\b|self(?:\.forward)?\([^()]*\)$"
)
"""What a local name is assigned that says more of its graph than the name does."""


def kept(context: Context, node: ast.expr, frame: Frame) -> tuple[str, ...]:
    """The items of a dict or tuple that is put away, also under a local name, or the whole."""
    if not WITHOUT.isdisjoint((*context.guards, *context.within)):
        return ()
    return tuple(ast.unparse(_meant(one, frame, _tells)) for one in _items(node, frame))


def _items(node: ast.expr, frame: Frame) -> Iterator[ast.expr]:
    match _meant(node, frame, _holds_others):
        case ast.Dict(_, values):
            yield from values
        case ast.Tuple(items) | ast.List(items):
            yield from items
        case ast.Call(ast.Name("dict"), [], keywords):
            yield from (one.value for one in keywords)
        case _:
            yield node


def _holds_others(node: ast.expr) -> bool:
    made = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "dict"
    return made or isinstance(node, (ast.Dict, ast.Tuple, ast.List))


def _tells(node: ast.expr) -> bool:
    return TELLING.search(ast.unparse(node)) is not None


def _meant(node: ast.expr, frame: Frame, fits: Callable[[ast.expr], bool]) -> ast.expr:
    """What a local name stands for, if it is assigned once in its method, and something that fits;
    else the node."""
    if not isinstance(node, ast.Name):
        return node
    given = [one.value for one in frame.assignments if _assigns(one, node.id)]
    return given[0] if len(given) == 1 and fits(given[0]) else node


def _assigns(node: ast.Assign, name: str) -> bool:
    return any(isinstance(one, ast.Name) and one.id == name for one in node.targets)
