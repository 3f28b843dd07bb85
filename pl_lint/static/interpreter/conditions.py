"""What conditions ask: the names in them, and what of a batch decides them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TypeGuard

from pl_lint.facts.origins import BatchValue, local_parts
from pl_lint.static.interpreter.context import Context, Frame
from pl_lint.static.naming import function_around, gives, mentioned
from pl_lint.static.trees import walk

OVER_ANYTHING = ("any", "all")
"""Python's own, which go over names and parameters as well; a tensor's are methods."""
ASKING_FOR_FILES = frozenset({"exists", "is_dir", "is_file", "isdir", "isfile"})
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def read_by(context: Context, test: ast.expr, frame: Frame) -> tuple[str, ...]:
    """The names in a condition, and in those that its names stand for. They are looked for once: a
    helper is interpreted for each of its calls."""
    if test not in context.read_by:
        context.read_by[test] = tuple(asked_by(test))
    names = context.read_by[test]
    if frame.asked.keys().isdisjoint(names):
        return names
    return tuple(one for name in names for one in frame.asked.get(name, (name,)))


def asked_by(test: ast.expr) -> Iterator[str]:
    """The names that a condition reads: ``is_global_zero`` of ``self.trainer.is_global_zero``,
    and the strings in it: ``'fit'``, quoted."""
    for node in walk(test):
        match node:
            case ast.Constant(str(text)):
                yield repr(text)
            case ast.Name(name) if name in OVER_ANYTHING:
                continue
            case _:
                yield from mentioned(node)


def asks_how_many(context: Context, test: ast.expr, frame: Frame) -> tuple[str, ...]:
    """``len(y[mask])`` and ``y[mask].shape[0]`` ask what ``numel`` does: how much of a batch a
    comparison picks."""
    if {"len", "shape"}.isdisjoint(read_by(context, test, frame)):
        return ()
    for part in walk(test):
        match part:
            case ast.Call(ast.Name("len"), [ast.Subscript(value, mask)]) | ast.Subscript(
                ast.Attribute(ast.Subscript(value, mask), "shape"), ast.Constant(0)
            ) if _compares(mask, part, frame):
                found = local_parts(context.origin(context.evaluate(value, frame)))
                if any(isinstance(one, BatchValue) for one in found):
                    return ("numel",)
    return ()


COUNTING = frozenset({"sum", "count_nonzero"})


def asks_for_any(context: Context, test: ast.expr, frame: Frame) -> tuple[str, ...]:
    """``mask.sum() > 0`` asks what ``mask.any()`` does, of a batch; so does a name that only stands
    for the sum."""
    if COUNTING.isdisjoint(read_by(context, test, frame)):
        return ()
    for part in walk(test):
        counted = part.left if isinstance(part, ast.Compare) and _with_nothing(part) else part
        if (part is test or counted is not part) and _is_a_count(counted, frame):
            found = local_parts(context.origin(context.evaluate(counted, frame)))
            if any(isinstance(one, BatchValue) for one in found):
                return ("any",)
    return ()


def _with_nothing(node: ast.Compare) -> bool:
    """``> 0``, ``== 0``, ``>= 1``"""
    match node.ops, node.comparators:
        case [ast.Gt() | ast.Eq() | ast.NotEq()], [ast.Constant(0)]:
            return True
        case [ast.GtE() | ast.Lt()], [ast.Constant(1)]:
            return True
    return False


def _is_a_count(node: ast.AST, frame: Frame) -> TypeGuard[ast.expr]:
    match node:
        case ast.Call(ast.Attribute(of, "item" | "detach" | "cpu")) | ast.Call(
            ast.Name("int" | "float"), [of]
        ):
            return _is_a_count(of, frame)
        case ast.Call(ast.Attribute(_, method)):
            return method in COUNTING
        case ast.Name(name):
            return not COUNTING.isdisjoint(frame.asked.get(name, ()))
    return False


def _compares(mask: ast.expr, node: ast.AST, frame: Frame) -> bool:
    """Whether an index is a comparison, or a name that only stands for one."""
    if not isinstance(mask, ast.Name):
        return isinstance(mask, ast.Compare)
    function = function_around(node, frame.module.source.above)
    given = list(_given(mask.id, function)) if function is not None else []
    return bool(given) and all(
        isinstance(one, ast.Assign) and isinstance(one.value, ast.Compare) for one in given
    )


def missing_in(test: ast.expr) -> int | None:
    """The branch (0: the condition holds) in which a file or a folder is not there yet: ``if not
    path.exists():``. What is done there is done once, and kept; None where a condition asks for
    nothing of the kind."""
    match test:
        case ast.UnaryOp(ast.Not(), asked) if missing_in(asked) is not None:
            return 1 - (missing_in(asked) or 0)
        case ast.BoolOp(_, several):
            return next((one for one in map(missing_in, several) if one is not None), None)
        case ast.Call(ast.Attribute(_, asking)) if asking in ASKING_FOR_FILES:
            return 1
    return None


def nothing_if(context: Context, node: ast.Return, frame: Frame) -> tuple[str, ...]:
    """The names in the condition by which a ``return`` gives None at times: ``loss if
    torch.isfinite(loss) else None``, and a ``loss`` that is None unless a branch has said more."""
    match node.value:
        case ast.IfExp(test, one, other) if _is_none(one) != _is_none(other):
            return read_by(context, test, frame)
        case ast.Name(name):
            test = _only_set_under(name, function_around(node, frame.module.source.above))
            return read_by(context, test, frame) if test is not None else ()
    return ()


def _is_none(node: ast.AST | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _only_set_under(name: str, function: ast.AST | None) -> ast.expr | None:
    """The test of the one branch that gives a name more than the None that it begins with."""
    if not isinstance(function, FUNCTIONS):
        return None
    setting = [one for one in function.body if any(_given(name, one))]
    if any(_looks_at(name, one) for one in function.body if one not in setting):
        return None
    match setting:
        case [ast.Assign([ast.Name()], ast.Constant(None)), ast.If(test, body, other)]:
            inside = [one for part in body for one in _given(name, part)]
            passed = other and isinstance(other[-1], (ast.Return, ast.Raise))
            filled = any(True for part in other for _ in _given(name, part))
            emptied = any(_is_none(getattr(one, "value", None)) for one in inside)
            return None if passed or filled or emptied else test
    return None


def _looks_at(name: str, node: ast.stmt) -> bool:
    """``if loss is None:``, ``assert torch.is_tensor(loss)``: somebody sees to it."""
    tests = (one.test for one in walk(node) if isinstance(one, (ast.If, ast.Assert, ast.IfExp)))
    return any(name in asked_by(test) for test in tests)


def _given(name: str, tree: ast.AST | None) -> Iterator[ast.AST]:
    """The pieces of code that give a name a value."""
    for part in walk(tree) if tree is not None else ():
        if gives(part, name):
            yield part
