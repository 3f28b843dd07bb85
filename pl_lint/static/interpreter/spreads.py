"""Medians, quantiles and spreads, which are made of all values of a batch at once."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from pl_lint.facts.origins import BatchValue, parts
from pl_lint.facts.words import words_of
from pl_lint.static.interpreter import vectors
from pl_lint.static.interpreter.context import Context, Frame
from pl_lint.static.names import dotted
from pl_lint.static.naming import identifiers
from pl_lint.static.trees import walk

STATISTICS = frozenset(
    {"median", "nanmedian", "quantile", "nanquantile", "percentile", "std", "var"}
)
"""What is made of all values at once, and of no parts of them."""
AS_NUMBER = ("item", "cpu", "detach", "float", "double")
LIBRARIES = ("torch", "numpy")
ERRORS = frozenset("error errors err errs residual residuals diff difference deviation".split())
"""What the distance of an output from its target is called."""
SEVERAL = frozenset({"stack"})
"""What puts values of several models beside each other, or of several parts."""
MAX_NAMES = 16
"""Local names that are followed to what they were made of."""


def statistic(context: Context, value: ast.expr | None, frame: Frame) -> str:
    """The name of a median or the like, also under a local name. In a loop over the samples of a
    batch it is that of one sample."""
    found = _found(value, frame) if not context.sample_loops else None
    return _name(found[0]) if found is not None else ""


def is_of_errors(value: ast.expr | None, frame: Frame) -> bool:
    """Whether it is made of distances of two things: one of outputs may be meant as it is."""
    found = _found(value, frame)
    return found is not None and _is_error(found[1], frame)


def is_sum_of_errors(context: Context, value: ast.expr | None, frame: Frame) -> bool:
    """``((p - y) ** 2).sum()``, all of it: no sum over one dimension, of one sample or over
    something afterwards (``error /= n``), and nothing that may be a weight."""
    call = _behind_number(_meant(value, frame)) if value is not None else None
    if not isinstance(call, ast.Call) or _name(call) != "sum" or call.keywords:
        return False
    if context.loops or any(_is_changed(value, part) for part in frame.parts):
        return False
    operand = _operand(call, frame)
    alone = call.args == ([operand] if operand in call.args else [])
    each = vectors.of_each(_meant(operand, frame)) if operand is not None and alone else None
    match _meant(each, frame) if each is not None else None:
        case ast.BinOp(left, ast.Sub(), right) as apart if _is_distance(apart):
            return _is_of_samples(context, left, frame) and _is_of_samples(context, right, frame)
    return False


def _is_changed(value: ast.expr | None, part: ast.AST) -> bool:
    """``error /= n``"""
    match value, part:
        case ast.Name(name), ast.AugAssign(ast.Name(changed)):
            return name == changed
    return False


def _is_of_samples(context: Context, side: ast.expr, frame: Frame) -> bool:
    """Whether it is the batch, a part of it, or what the model makes of it: no moment or histogram
    of it, and no weights."""
    side = _behind_number(side)
    call = isinstance(side, ast.Call) and (dotted(side.func) or "").partition(".")[0] == "self"
    names = [one for one in walk(side) if isinstance(one, ast.Name) and one.id != "self"]
    made = (part for one in names for part in parts(context.origin(context.evaluate(one, frame))))
    plain = call or isinstance(side, (ast.Name, ast.Attribute, ast.Subscript))
    return plain and any(isinstance(part, BatchValue) for part in made)


def _behind_number(value: ast.expr) -> ast.expr:
    """What a plain number is made of: ``error`` of ``error.item()``."""
    match value:
        case ast.Call(ast.Attribute(inner, method), []) if method in AS_NUMBER:
            return _behind_number(inner)
        case ast.Call(ast.Name("float"), [inner]):
            return _behind_number(inner)
    return value


def _found(value: ast.expr | None, frame: Frame) -> tuple[ast.Call, ast.expr] | None:
    """The statistic that a value is, and what that is made of."""
    call = _last_call(_meant(value, frame)) if value is not None else None
    operand = _operand(call, frame) if call is not None else None
    return (call, operand) if call is not None and operand is not None else None


def _last_call(value: ast.expr) -> ast.Call | None:
    """The statistic, behind what makes a plain number of it."""
    while isinstance(value, ast.Call):
        name = _name(value)
        if name in STATISTICS:
            return value
        if name == "float" and len(value.args) == 1:
            value = value.args[0]
        elif name in AS_NUMBER and isinstance(value.func, ast.Attribute):
            value = value.func.value
        else:
            break
    return None


def _name(call: ast.Call) -> str:
    return (dotted(call.func) or getattr(call.func, "attr", "")).rpartition(".")[2]


def _operand(call: ast.Call, frame: Frame) -> ast.expr | None:
    """What a function of torch or NumPy is given, or whose method it is: that of ``self.loss`` is
    the user's own."""
    match call.func:
        case ast.Attribute(value):
            head, *_ = (dotted(value) or "").split(".")
            if head == "self":
                return None
            if head not in frame.module.imports:
                return value
    target = (dotted(call.func) or "").split(".")
    library = frame.module.imports.get(target[0], "").partition(".")[0]
    return call.args[0] if library in LIBRARIES and call.args else None


def _is_error(operand: ast.expr, frame: Frame) -> bool:
    """Whether it is a distance of two things, none of which are several."""
    nodes = list(_made_of(operand, frame))
    names = {word for one in nodes for word in identifiers(one)}
    loops = any(isinstance(one, (ast.ListComp, ast.GeneratorExp)) for one in nodes)
    apart = any(map(_is_distance, nodes))
    called_so = any(not ERRORS.isdisjoint(words_of(name)) for name in names)
    return not loops and SEVERAL.isdisjoint(names) and (apart or called_so)


def _is_distance(node: ast.AST) -> bool:
    """Whether it is a difference of two things: not of something from a number, from its own mean,
    or of its parts from each other."""
    match node:
        case ast.BinOp(ast.expr() as left, ast.Sub(), ast.expr() as right):
            one, other = set(identifiers(left)), set(identifiers(right))
            return bool(one) and bool(other) and one != other and "mean" not in other
    return False


def _made_of(value: ast.expr, frame: Frame) -> Iterator[ast.AST]:
    """The nodes of an expression, and of what its local names were made of."""
    waiting, seen = [value], set[str]()
    while waiting and len(seen) < MAX_NAMES:
        for node in walk(waiting.pop()):
            yield node
            if isinstance(node, ast.Name) and node.id not in seen:
                seen.add(node.id)
                waiting += _assigned(node.id, frame)


def _meant(value: ast.expr, frame: Frame) -> ast.expr:
    """What a local name was made of that is assigned once."""
    made = _assigned(value.id, frame) if isinstance(value, ast.Name) else []
    return made[0] if len(made) == 1 else value


def _assigned(name: str, frame: Frame) -> list[ast.expr]:
    return [
        one.value
        for one in frame.assignments
        if any(isinstance(target, ast.Name) and target.id == name for target in one.targets)
    ]
