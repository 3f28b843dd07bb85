"""Dicts of weights that share their tensors with a module: ``state_dict()`` copies none."""

from __future__ import annotations

import ast

from pl_lint.static.interpreter.abstract import Reference
from pl_lint.static.interpreter.context import Context, Frame
from pl_lint.static.names import dotted

SHALLOW = frozenset(map(Reference, ("builtins.dict", "copy.copy", "collections.OrderedDict")))
"""Functions that make another dict of the same tensors."""


def owner_of(context: Context, written: ast.expr | None, frame: Frame) -> str:
    """The module whose own weights a value holds, as it is written: ``self.net`` of
    ``dict(self.net.state_dict())``; empty for any other value."""
    match written:
        case ast.Call(ast.Attribute(owner, "state_dict"), [], []):
            return frame.meant(dotted(owner) or "")
        case ast.Call(ast.Attribute(inner, "copy"), [], []):
            return owner_of(context, inner, frame)
        case ast.Call(function, [inner], []):
            found = owner_of(context, inner, frame)
            return found if found and context.evaluate(function, frame) in SHALLOW else ""
        case ast.DictComp(
            value=value,
            generators=[
                ast.comprehension(
                    target=ast.Tuple([_, ast.Name(item)]),
                    iter=ast.Call(ast.Attribute(inner, "items"), [], []),
                )
            ],
        ) if _is_same(value, item):
            return owner_of(context, inner, frame)
    return ""


def _is_same(value: ast.expr, item: str) -> bool:
    """Whether a value is the item, or another tensor of the same numbers."""
    match value:
        case ast.Call(ast.Attribute(ast.Name(name), "detach"), [], []):
            return name == item
        case ast.Name(name) | ast.Attribute(ast.Name(name), "data"):
            return name == item
    return False
