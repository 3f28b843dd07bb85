"""Where something is made of the gradient of a parameter. Asked of the text of one function."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from pl_lint.static.interpreter.context import Frame
from pl_lint.static.names import dotted
from pl_lint.static.naming import identifiers

PARAMETERS = frozenset({"parameters", "named_parameters"})
OF_LAYERS = (".weight", ".bias")


def is_used(node: ast.Attribute, frame: Frame) -> bool:
    """``p.grad.norm()``, ``g = p.grad``; not where it is only asked for (``p.grad is None``) or
    changed in place (``p.grad.zero_()``)."""
    if node.attr != "grad" or not _is_parameter(node.value, frame):
        return False
    above = frame.module.source.above
    inner: ast.AST = node
    while isinstance(above.get(inner), ast.Attribute):
        inner = above[inner]
    in_place = isinstance(inner, ast.Attribute) and inner.attr.endswith("_")
    return not in_place and not isinstance(above.get(inner), (ast.Compare, ast.Expr, ast.If))


def _is_parameter(node: ast.expr, frame: Frame) -> bool:
    """Whether it is what a loop over parameters is at, or what a layer has."""
    text = dotted(node) or ""
    return text.endswith(OF_LAYERS) or text in _looped(frame)


def _looped(frame: Frame) -> Iterator[str]:
    """The names of loops over parameters, be it in a list that is made of them before."""
    lists = {
        target.id
        for one in frame.assignments
        for target in one.targets
        if isinstance(target, ast.Name) and not PARAMETERS.isdisjoint(identifiers(one.value))
    }
    loops = (one for one in frame.parts if isinstance(one, (ast.For, ast.comprehension)))
    for loop in loops:
        if not (PARAMETERS | lists).isdisjoint(identifiers(loop.iter)):
            yield from identifiers(loop.target)
