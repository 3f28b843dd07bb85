"""The value of a log call as it is written, and whether that is one number for each sample."""

from __future__ import annotations

import ast

from pl_lint.static.interpreter.abstract import Abstract, Const
from pl_lint.static.interpreter.context import Context, Frame
from pl_lint.static.names import dotted
from pl_lint.static.naming import identifiers

EACH = frozenset({"abs", "square", "torch.abs", "torch.square"})
"""What is done to each number by itself."""


def written(node: ast.Call, key: Abstract) -> ast.expr | None:
    """What a log call is given as the value of a key, where that can be seen."""
    given = {one.arg: one.value for one in node.keywords}
    table = given.get("dictionary", node.args[0] if node.args else None)
    if isinstance(table, ast.Dict) and isinstance(key, Const):
        pairs = zip(table.keys, table.values, strict=True)
        found = [
            one for name, one in pairs if isinstance(name, ast.Constant) and name.value == key.value
        ]
        return found[-1] if found else None
    return given.get("value", node.args[1] if len(node.args) > 1 else None)


def name_of(node: ast.expr | None, frame: Frame) -> str:
    """A local name that is assigned once in its method."""
    if not isinstance(node, ast.Name):
        return ""
    return node.id if _stores(frame, node.id) == 1 else ""


def negated(node: ast.expr | None) -> frozenset[str]:
    """The names in what is given with a minus before it: ``loss`` of ``-loss.item()``."""
    match node:
        case ast.UnaryOp(ast.USub(), operand):
            return frozenset(identifiers(operand))
    return frozenset()


def is_result(node: ast.expr | None, frame: Frame) -> bool:
    """Whether it is all that a call on an attribute gives, ``self.each(x, y)``, or a local name
    that is assigned this once: no element of it, as a loop takes them."""
    if isinstance(node, ast.Name) and _stores(frame, node.id) == 1:
        given = (one.value for one in frame.assignments if _names(one.targets, node.id))
        node = next(given, None)
    return isinstance(node, ast.Call) and (dotted(node.func) or "").startswith("self.")


def _names(targets: list[ast.expr], name: str) -> bool:
    return any(isinstance(one, ast.Name) and one.id == name for one in targets)


def is_vector(context: Context, node: ast.expr | None, frame: Frame) -> bool:
    """Whether it is ``(prediction - y).abs()``, where the step unpacks ``y`` from its batch."""
    inner = of_each(node)
    if not isinstance(inner, ast.BinOp) or not isinstance(inner.op, ast.Sub) or frame.depth:
        return False
    sides = (inner.left, inner.right)
    names = [one.id for one in sides if isinstance(one, ast.Name)]
    return any(_is_of_batch(context, one, frame) for one in names)


def of_each(node: ast.expr | None) -> ast.expr | None:
    match node:
        case ast.Call(ast.Attribute(inner, method), []) if method in EACH:
            return inner
        case ast.Call(function, [inner]) if dotted(function) in EACH:
            return inner
        case ast.BinOp(inner, ast.Pow(), ast.Constant()):
            return inner
    return None


def _is_of_batch(context: Context, name: str, frame: Frame) -> bool:
    """Whether a name is unpacked from the batch of the step, and is nothing else."""
    function = frame.code if frame.defining is not None else None
    if function is None or not context.hook.name.endswith("_step") or _stores(frame, name) != 1:
        return False
    batch = next((one.arg for one in function.args.args[1:2]), "")
    return any(
        isinstance(one.value, ast.Name)
        and one.value.id == batch
        and any(name in _unpacked(target) for target in one.targets)
        for one in frame.assignments
    )


def _unpacked(target: ast.expr) -> set[str]:
    items = target.elts if isinstance(target, (ast.Tuple, ast.List)) else ()
    return {one.id for one in items if isinstance(one, ast.Name)}


def _stores(frame: Frame, name: str) -> int:
    """How often a method assigns a name."""
    return sum(
        isinstance(one, ast.Name) and one.id == name and isinstance(one.ctx, ast.Store)
        for one in frame.parts
    )
