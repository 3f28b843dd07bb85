"""What people count steps by: the number of the batch, and what they make of it and of the epoch.

``epoch * len(loader) + batch_idx`` goes on and on; ``epoch * batch_idx`` is 0 again in each epoch.
"""

from __future__ import annotations

import ast
from typing import Literal

from pl_lint.facts.values import BATCH_TIMES_EPOCH
from pl_lint.static.interpreter.abstract import Abstract, Reference
from pl_lint.static.interpreter.context import Frame
from pl_lint.static.names import dotted

NUMBER, AGAIN = Reference("batch_idx"), Reference(BATCH_TIMES_EPOCH.name)


def counted(node: ast.BinOp, left: Abstract, right: Abstract, frame: Frame) -> Reference | None:
    """``batch_idx`` times the epoch or times itself, and ``batch_idx`` on top of that."""
    sides = {_kind(node.left, left, frame), _kind(node.right, right, frame)}
    times = isinstance(node.op, ast.Mult) and "batch" in sides and sides <= {"batch", "epoch"}
    on_top = isinstance(node.op, ast.Add) and sides == {"batch"} and AGAIN in (left, right)
    return AGAIN if times or on_top else None


def _kind(node: ast.expr, value: Abstract, frame: Frame) -> Literal["batch", "epoch", ""]:
    if value in (NUMBER, AGAIN):
        return "batch"
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):  # counted from 1
        node = node.left if isinstance(node.right, ast.Constant) else node
    return "epoch" if frame.meant(dotted(node) or "").endswith(".current_epoch") else ""
