"""A table that is cut in two by numbers that are drawn, one for each row. Asked of the text."""

from __future__ import annotations

import ast

from pl_lint.static.interpreter.context import Frame
from pl_lint.static.names import dotted

DRAWN = frozenset({"numpy.random.rand", "numpy.random.random", "numpy.random.random_sample"})
ORDERS = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)


def splits(node: ast.Call, frame: Frame) -> bool:
    """``mask = np.random.rand(len(table)) < 0.8``, of which the same function takes ``table[mask]``
    and ``table[~mask]``."""
    compared = frame.module.source.above.get(node)
    if not isinstance(compared, ast.Compare) or not isinstance(compared.ops[0], ORDERS):
        return False
    made = [one.targets[0] for one in frame.assignments if one.value is compared]
    names = [one.id for one in made if isinstance(one, ast.Name)]
    if len(names) != 1:
        return False
    taken = [one for one in frame.parts if isinstance(one, ast.Subscript)]
    held = {_whole(one) for one in taken if _is(one.slice, names[0])}
    others = {_whole(one) for one in taken if _is_other(one.slice, names[0])}
    return bool((held & others) - {""})


def _whole(node: ast.Subscript) -> str:
    return (dotted(node.value) or "").removesuffix(".loc")


def _is(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _is_other(node: ast.expr, name: str) -> bool:
    return (
        isinstance(node, ast.UnaryOp)
        and isinstance(node.op, ast.Invert)
        and _is(node.operand, name)
    )
