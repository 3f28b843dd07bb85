"""Splits of the numbers of things, by which these are taken afterwards."""

from __future__ import annotations

import ast
from collections.abc import Set

from pl_lint.facts.origins import SPLITTING
from pl_lint.static.interpreter.abstract import NOTHING, Abstract, Instance
from pl_lint.static.interpreter.context import Context, Frame
from pl_lint.static.interpreter.weights import only_value
from pl_lint.static.names import dotted
from pl_lint.static.naming import bindings
from pl_lint.static.trees import walk

NUMBERS = frozenset({"range", "arange"})
WRAPPING = frozenset({"list", "array", "asarray", "tensor"})


def things(context: Context, name: str, node: ast.Call, frame: Frame) -> Abstract:
    """The data set or the list of which ``train_test_split(np.arange(len(data)))`` splits the
    numbers: of a list, where the same function takes its items by numbers of the parts. A dict has
    no order."""
    counted = _counted(node.args[0], frame) if name in SPLITTING and node.args else None
    if counted is None or dotted(counted) is None:
        return NOTHING
    if isinstance(only_value(dotted(counted) or "", frame), (ast.Dict, ast.DictComp)):
        return NOTHING
    value = context.evaluate(counted, frame)
    taken = isinstance(value, Instance) or _is_indexed(ast.unparse(counted), node, frame)
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


def _is_indexed(text: str, split: ast.Call, frame: Frame) -> bool:
    """Whether items are taken by the parts of a split (``names[train]``), or by one number of
    them after the other."""
    parts = {
        ast.unparse(one)
        for part in frame.parts
        for target, value in bindings(part)
        if value is not None and split in walk(value)
        for one in (target.elts if isinstance(target, ast.Tuple) else [target])
    }
    above = frame.module.source.above
    turns = {one: one for one in frame.parts if isinstance(one, ast.For)}
    turns |= {one: above[one] for one in frame.parts if isinstance(one, ast.comprehension)}
    return any(_takes(text, parts, one) for one in frame.parts) or any(
        _takes(text, {ast.unparse(turn.target)}, one)
        for turn, around in turns.items()
        if ast.unparse(turn.iter) in parts
        for one in walk(around)
    )


def _takes(text: str, numbers: Set[str], part: ast.AST) -> bool:
    """``names[number]``"""
    item = isinstance(part, ast.Subscript) and ast.unparse(part.slice) in numbers
    return item and ast.unparse(part.value) == text
