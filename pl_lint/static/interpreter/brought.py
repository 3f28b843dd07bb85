"""What is made for an object that is built: ``Model(AutoModel.from_pretrained(name))``."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from pl_lint.findings import Location
from pl_lint.static.interpreter.context import Frame
from pl_lint.static.interpreter.handling import Scope
from pl_lint.static.trees import walk

MOVING = frozenset({"to", "cuda", "cpu", "half", "float"})
LEAVING = frozenset({"config", "resize_token_embeddings", "gradient_checkpointing_enable"})
"""What may be used of an object that nobody else is given."""


def brought(call: ast.Call, frame: Frame) -> Iterator[tuple[str, Location]]:
    """The arguments that a call makes, there or under a local name that stands for nothing else and
    is given to nobody else, each with the place of the call that makes it."""
    named = ((one.arg, one.value) for one in call.keywords if one.arg is not None)
    for key, value in (*((str(i), one) for i, one in enumerate(call.args)), *named):
        made = _only_value(value, call, frame) if isinstance(value, ast.Name) else value
        while isinstance(made, ast.Call) and _only_moves(made.func):
            made = made.func.value  # type: ignore[attr-defined]
        if isinstance(made, ast.Call):
            yield key, frame.module.source.location(made)


def _only_moves(function: ast.expr) -> bool:
    return isinstance(function, ast.Attribute) and function.attr in MOVING


def _only_value(name: ast.Name, call: ast.Call, frame: Frame) -> ast.expr | None:
    scope = Scope.around(call, frame.module.source)
    if scope is None:
        return None
    same = [one for one in walk(scope.node) if isinstance(one, ast.Name) and one.id == name.id]
    used = [one for one in same if isinstance(one.ctx, ast.Load) and one is not name]
    made = list(scope.assigned(name.id))
    return made[0] if len(made) == 1 and all(_is_left(one, scope) for one in used) else None


def _is_left(name: ast.Name, scope: Scope) -> bool:
    above = scope.above[name]
    return isinstance(above, ast.Attribute) and above.attr in LEAVING
