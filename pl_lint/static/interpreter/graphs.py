"""What keeps its graph when a step puts it away, as it is written."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping

from pl_lint.static.interpreter.context import Context, Frame
from pl_lint.static.names import dotted
from pl_lint.static.naming import bindings, named
from pl_lint.static.trees import walk

WITHOUT = frozenset({"no_grad", "inference_mode"})
"""Under these nothing that is computed gets a graph."""
CUTTING = frozenset({"detach", "item", "tolist", "numpy"})
"""What is asked of a tensor, and leaves its graph behind."""
TELLING = re.compile(
    r"detach|\.item\(|float\(|numpy\(|tolist\(|\.data\b|self(?:\.forward)?\([^()]*\)$"
)
"""What a local name is assigned that says more of its graph than the name does."""


def kept(context: Context, node: ast.expr, frame: Frame) -> tuple[str, ...]:
    """The items of a dict or tuple that is put away, also under a local name, or the whole; but for
    what surely has no graph."""
    if not WITHOUT.isdisjoint((*context.guards, *context.within)):
        return ()
    items = (one for one in _items(node, frame) if not _has_none(one, frame))
    graphed = (one for one in items if not (isinstance(one, ast.Name) and one.id in frame.cut))
    return tuple(ast.unparse(_meant(one, frame, _tells)) for one in graphed)


def cut(given: Mapping[str, ast.expr], frame: Frame) -> Iterator[str]:
    """The parameters that a call gives what has no graph any more: ``self.keep(loss.item())``."""
    for name, value in given.items():
        if _is_cut_off(value) or (isinstance(value, ast.Name) and value.id in frame.cut):
            yield name


def is_cut(context: Context, node: ast.expr | None, frame: Frame) -> bool:
    """Whether a value surely has no graph: made without one, a plain number, or what a method gives
    that returns nothing but these."""
    if node is None:
        return False
    without = not WITHOUT.isdisjoint((*context.guards, *context.within))
    return without or _is_free(node, frame, frozenset()) or _gives_numbers(context, node, frame)


def _gives_numbers(context: Context, node: ast.expr, frame: Frame) -> bool:
    """``self.overlap(y_hat, y)``, where that ends with ``return total.item()``."""
    match _meant(node, frame, lambda one: isinstance(one, ast.Call)):
        case ast.Call(ast.Attribute(ast.Name("self"), name)):
            found = context.find_method(name)
            inside = walk(found[1]) if found is not None else ()
            given = [one.value for one in inside if isinstance(one, ast.Return)]
            return bool(given) and all(map(_is_cut_off, given))
    return False


def _is_cut_off(node: ast.expr | None) -> bool:
    """``loss.item()``, ``float(loss)``"""
    match node:
        case ast.Call(ast.Attribute(_, method)):
            return method in CUTTING
        case ast.Call(ast.Name("float" | "int")):
            return True
    return False


def _has_none(node: ast.expr, frame: Frame) -> bool:
    """Whether a loss is computed of nothing but the batch and what is made without a graph:
    ``F.mse_loss(target, y)`` of a target made under ``no_grad``."""
    if isinstance(node, ast.Call) and dotted(node.func) not in (None, "self", "self.forward"):
        return all(_is_free(one, frame, frozenset()) for one in _given(node))
    return isinstance(node, ast.Name) and _is_free(node, frame, frozenset())


def _given(node: ast.Call) -> Iterator[ast.expr]:
    yield from node.args
    yield from (one.value for one in node.keywords)


def _is_free(node: ast.expr, frame: Frame, seen: frozenset[str]) -> bool:
    """Whether a value is seen to have no graph: where in doubt, it may have one."""
    if _is_cut_off(node):
        return True
    match node:
        case ast.Constant():
            return True
        case ast.Name(name):
            return name in seen or _is_free_name(name, frame, seen | {name})
        case ast.Call(ast.Attribute(ast.Name("F" | "torch"))):
            return all(_is_free(one, frame, seen) for one in _given(node))
        case ast.Call(ast.Attribute(of)):
            return all(_is_free(one, frame, seen) for one in (of, *_given(node)))
        case ast.Attribute(of) | ast.Subscript(of) | ast.UnaryOp(_, of):
            return _is_free(of, frame, seen)
        case ast.Tuple(items) | ast.List(items):
            return all(_is_free(one, frame, seen) for one in items)
        case ast.BinOp(left, _, right):
            return _is_free(left, frame, seen) and _is_free(right, frame, seen)
    return False


def _is_free_name(name: str, frame: Frame, seen: frozenset[str]) -> bool:
    """Whether all that a local name is given has no graph: the batch of a training step, what is
    made under ``no_grad``, and what is made of these."""
    given = [
        (part, part.value if isinstance(part, ast.AugAssign) else value)
        for part in frame.parts
        for target, value in bindings(part)
        if named(target) == name
    ]
    plain = all(isinstance(part, (ast.Assign, ast.AugAssign)) for part, _ in given)
    if name in ("self", "cls") or not plain:
        return False
    free = _made_without(frame)
    outside = [value for part, value in given if part not in free]
    if not all(value is not None and _is_free(value, frame, seen) for value in outside):
        return False
    return bool(given) or (frame.function == "training_step" and _is_parameter(frame, name))


def _is_parameter(frame: Frame, name: str) -> bool:
    return frame.code is not None and any(one.arg == name for one in frame.code.args.args)


def _made_without(frame: Frame) -> list[ast.AST]:
    """What stands under ``with torch.no_grad():`` in a function."""
    blocks = [one for one in frame.parts if isinstance(one, ast.With) and _frees(one)]
    return [inner for block in blocks for one in block.body for inner in ast.walk(one)]


def _frees(block: ast.With) -> bool:
    called = (one.context_expr for one in block.items)
    names = (dotted(one.func) or "" for one in called if isinstance(one, ast.Call))
    return any(name.rpartition(".")[2] in WITHOUT for name in names)


def _items(node: ast.expr, frame: Frame) -> Iterator[ast.expr]:
    match _meant(node, frame, _holds_others):
        case ast.Dict(_, values):
            yield from values
        case ast.Tuple(items) | ast.List(items):
            yield from items
        case ast.Call(ast.Name("dict"), [], keywords):
            yield from (one.value for one in keywords)
        case _:
            yield node


def _holds_others(node: ast.expr) -> bool:
    made = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "dict"
    return made or isinstance(node, (ast.Dict, ast.Tuple, ast.List))


def _tells(node: ast.expr) -> bool:
    return TELLING.search(ast.unparse(node)) is not None


def _meant(node: ast.expr, frame: Frame, fits: Callable[[ast.expr], bool]) -> ast.expr:
    """What a local name stands for, if it is assigned once in its method, and something that fits;
    else the node."""
    if not isinstance(node, ast.Name):
        return node
    given = [one.value for one in frame.assignments if _assigns(one, node.id)]
    return given[0] if len(given) == 1 and fits(given[0]) else node


def _assigns(node: ast.Assign, name: str) -> bool:
    return any(isinstance(one, ast.Name) and one.id == name for one in node.targets)
