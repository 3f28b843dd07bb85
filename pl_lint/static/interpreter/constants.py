"""Tensors that a function makes of nothing that learns, and returns as they are."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Set

from pl_lint.findings import Location
from pl_lint.static.interpreter.context import Context, Frame
from pl_lint.static.names import dotted
from pl_lint.static.trees import walk

MAKERS = frozenset(
    "torch.tensor torch.zeros torch.ones torch.full torch.zeros_like torch.ones_like torch.Tensor "
    "torch.FloatTensor torch.rand torch.randn".split()
)
"""What copies its arguments, or makes a tensor without them: no graph leads through it."""
SHAPING = frozenset("to cuda cpu float double half type type_as squeeze mean sum clone".split())
"""Methods after which a tensor without a graph has none."""
Held = Set[ast.expr]
"""What a name may hold, as it was assigned."""


def without_graph(
    context: Context, returned: ast.expr | None, node: ast.Return, frame: Frame
) -> tuple[Location, ...]:
    """Where that is made which a ``return`` gives in some run of the function, and has no graph:
    written there, or held by the name that is returned and left alone since."""
    given: Held
    if isinstance(returned, ast.Name) and frame.code is not None:
        way = _Way(returned.id, node)
        way.along(frame.code.body, frozenset())
        given = way.arriving
    else:
        given = frozenset() if returned is None else {returned}
    found = (one for one in given if _has_no_graph(context, one, frame))
    return tuple(sorted(context.location(one, frame) for one in found))


def _has_no_graph(context: Context, node: ast.expr, frame: Frame) -> bool:
    while isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        if node.func.attr not in SHAPING:
            break
        node = node.func.value
    if not isinstance(node, ast.Call):
        return False
    asked = {one.arg for one in node.keywords} & {"requires_grad", None}
    name = context.project.resolve(dotted(node.func) or "", frame.module)
    return not asked and name in MAKERS


class _Way:
    """Follows what a name holds, until a ``return`` of the function. What is written into the
    value, and what a loop does with the name, is not followed any further; nor is what a name holds
    before branches without an ``else`` that give it a value: one of them may always be taken."""

    def __init__(self, name: str, end: ast.Return) -> None:
        self._name = name
        self._end = end
        self.arriving: Held = frozenset()

    def along(self, body: Iterable[ast.stmt], held: Held) -> Held:
        for statement in body:
            held = self._after(statement, frozenset() if self._is_headed(statement) else held)
        return held

    def _is_headed(self, statement: ast.stmt) -> bool:
        """Whether the head of a statement gives the name a value: ``if (loss := ...) > 0``."""
        match statement:
            case ast.If(head):
                heads = [head]
            case ast.With(items):
                heads = [one.optional_vars or one.context_expr for one in items]
            case _:
                return False
        parts = (one for head in heads for one in walk(head) if isinstance(one, ast.Name))
        return any(one.id == self._name and isinstance(one.ctx, ast.Store) for one in parts)

    def _after(self, statement: ast.stmt, held: Held) -> Held:
        nothing: Held = frozenset()
        match statement:
            case ast.Return():
                if statement is self._end:
                    self.arriving = held
                return nothing
            case ast.Raise() | ast.Continue() | ast.Break():
                return nothing
            case ast.Assign([ast.Name(self._name)], value):
                return {value}
            case ast.If(_, body, []):
                kept = held if _leaves_alone(statement, self._name) else nothing
                return self.along(body, held) | kept
            case ast.If(_, body, otherwise):
                return self.along(body, held) | self.along(otherwise, held)
            case ast.With(_, body):
                return self.along(body, held)
            case ast.Try(body, handlers, otherwise, last):
                left = self.along(otherwise, self.along(body, held))
                for handler in handlers:
                    left |= self.along(handler.body, nothing)
                return self.along(last, left)
        return held if _leaves_alone(statement, self._name) else nothing


def _leaves_alone(statement: ast.stmt, name: str) -> bool:
    """Whether a statement may only show what a name holds."""
    called = statement.value if isinstance(statement, ast.Expr) else None
    if isinstance(called, ast.Call):
        last = (dotted(called.func) or "").rpartition(".")[2]
        if last == "print" or last.startswith("log"):
            return True
    return not any(isinstance(one, ast.Name) and one.id == name for one in walk(statement))
