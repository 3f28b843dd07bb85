"""What is added to a probability before its logarithm is taken: ``torch.log(p + 1e-8)``.

A sigmoid has the precision of what it is given, a softmax is of fp32 under autocast. So this is
told where a sigmoid is seen to make the probability, and nothing casts it.
"""

from __future__ import annotations

import ast

from pl_lint.facts.sites import ABSENT
from pl_lint.facts.values import Value
from pl_lint.static.interpreter.abstract import to_value
from pl_lint.static.interpreter.context import Context, Frame
from pl_lint.static.naming import identifiers
from pl_lint.static.trees import walk

CAST = frozenset("float double float32 float64 softmax log_softmax to type".split())


def added(context: Context, node: ast.Call, frame: Frame) -> Value:
    """What the logarithm is kept from zero by."""
    match node:
        case ast.Call(ast.Attribute(ast.Name("torch"), "log"), [ast.BinOp() as inner]) | ast.Call(
            ast.Attribute(ast.BinOp() as inner, "log"), []
        ) if isinstance(inner.op, ast.Add):
            number = isinstance(inner.right, (ast.Constant, ast.Name, ast.Attribute))
            if number and _of_a_sigmoid(inner.left, frame):
                return to_value(context.evaluate(inner.right, frame))
    return ABSENT


def _of_a_sigmoid(node: ast.expr, frame: Frame) -> bool:
    words = set(identifiers(node))
    for part in frame.assignments:
        if not words.isdisjoint(_names(part)):
            words = words | set(identifiers(part.value))
    return "sigmoid" in words and words.isdisjoint(CAST)


def _names(node: ast.Assign) -> set[str]:
    return {one.id for target in node.targets for one in walk(target) if isinstance(one, ast.Name)}
