"""Splits of the numbers of things, by which these are taken afterwards."""

from __future__ import annotations

import ast

from pl_lint.facts.origins import SPLITTING
from pl_lint.static.interpreter.abstract import NOTHING, Abstract, Instance
from pl_lint.static.interpreter.context import Context, Frame
from pl_lint.static.interpreter.weights import only_value
from pl_lint.static.names import dotted

NUMBERS = frozenset({"range", "arange"})
WRAPPING = frozenset({"list", "array", "asarray", "tensor"})


def things(context: Context, name: str, node: ast.Call, frame: Frame) -> Abstract:
    """The data set or the list of which ``train_test_split(np.arange(len(data)))`` splits the
    numbers: of a list, where the same function takes its items by numbers that are not written
    out."""
    counted = _counted(node.args[0], frame) if name in SPLITTING and node.args else None
    if counted is None or dotted(counted) is None:
        return NOTHING
    value = context.evaluate(counted, frame)
    taken = isinstance(value, Instance) or _is_indexed(ast.unparse(counted), frame)
    return value if taken else NOTHING


def _counted(node: ast.expr, frame: Frame) -> ast.expr | None:
    """What ``np.arange(len(data))`` counts, be it by a local name."""
    if isinstance(node, ast.Name):
        node = only_value(node.id, frame) or node
    while isinstance(node, ast.Call) and _last(node) in WRAPPING and len(node.args) == 1:
        node = node.args[0]
    match node:
        case ast.Call(_, [ast.Call(ast.Name("len"), [things])]) if _last(node) in NUMBERS:
            return things
    return None


def _last(node: ast.Call) -> str:
    return (dotted(node.func) or "").rpartition(".")[2]


def _is_indexed(text: str, frame: Frame) -> bool:
    return any(
        isinstance(one, ast.Subscript)
        and not isinstance(one.slice, (ast.Constant, ast.Slice))
        and ast.unparse(one.value) == text
        for one in frame.parts
    )
