"""Under which conditions alone something is made of what a call gives.

``flip = random.random() < 0.5`` changes no item that is not for training where all that reads
``flip`` is ``if self.train and flip:``. This is asked of the text of one function.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

from pl_lint.static.interpreter.context import Frame
from pl_lint.static.names import dotted
from pl_lint.static.trees import walk

Parents = Mapping[ast.AST, ast.AST]
ORDERS = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)


def conditions(node: ast.Call, frame: Frame) -> tuple[str, ...]:
    """The attributes that the conditions name under which a call is made again and again (``while
    self.items[index] is None``), or under which everything stands that reads the local name that
    it is given; nothing where the call may count without a condition."""
    above = frame.module.source.above
    around = tuple(_around(node, above))
    looped = [name for one in around if isinstance(one, ast.While) for name in _asked(one.test)]
    name = next(filter(None, map(_local, around)), "")
    reads = [one for one in frame.parts if isinstance(one, ast.Name) and one.id == name]
    asked = [
        {word for test in _tests(one, above) for word in _asked(test)}
        for one in reads
        if isinstance(one.ctx, ast.Load)
    ]
    used = {word for words in asked for word in words} if asked and all(asked) else set()
    return tuple(sorted(used.union(looped)))


def _around(node: ast.AST, above: Parents) -> Iterator[ast.AST]:
    """What stands around it, up to its function."""
    outer = above.get(node)
    while outer is not None and not isinstance(outer, (ast.FunctionDef, ast.AsyncFunctionDef)):
        yield outer
        outer = above.get(outer)


def _local(statement: ast.AST) -> str:
    match statement:
        case ast.Assign([ast.Name(name)]):
            return name
    return ""


def _tests(node: ast.AST, above: Parents) -> Iterator[ast.expr]:
    """The conditions around it, and what is asked beside it in one of them."""
    for outer in _around(node, above):
        if isinstance(outer, (ast.If, ast.IfExp, ast.While)):
            yield outer.test
        elif isinstance(outer, ast.BoolOp):
            yield outer


def _asked(test: ast.expr) -> Iterator[str]:
    """The attributes of the object that a condition names; a bound for the number that was drawn
    (``chance < self.rate``) asks for nothing else."""
    bounds = {
        part
        for one in walk(test)
        if isinstance(one, ast.Compare) and any(isinstance(sign, ORDERS) for sign in one.ops)
        for part in walk(one)
    }
    for one in walk(test):
        if one in bounds:
            continue
        text = dotted(one) if isinstance(one, ast.Attribute) else None
        if text is not None and text.startswith("self."):
            yield text
