"""Scores of the project's own that are objects: ``self.iou(prediction, mask)``.

A class whose call computes from its arguments and from settings alone is a function with another
spelling, and is run like one. What calls parts of its own, but for losses of torch, is not
followed: a network's arithmetic says nothing of what is logged, and costs more than all the rest.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from pl_lint.static.interpreter import following
from pl_lint.static.interpreter.abstract import Abstract, Instance
from pl_lint.static.interpreter.context import Arguments, Context, Frame
from pl_lint.static.interpreter.lookup import class_of
from pl_lint.static.names import ClassInfo, FunctionNode, dotted

CALLED = ("forward", "__call__")
LOSS = re.compile(r"torch\.nn\.(modules\.loss\.)?\w+Loss")


def value(context: Context, made: Instance, arguments: Arguments, frame: Frame) -> Abstract | None:
    """What the call of an object gives; ``None`` where its class is no formula."""
    info = class_of(context, made, frame)
    found = _called(context, info) if info is not None else None
    if found is None:
        return None
    owner, function = found
    inner = Frame(owner.module, {}, owner, depth=frame.depth + 1)
    return following.follow(context, function, inner, arguments, made)


def _called(context: Context, info: ClassInfo) -> tuple[ClassInfo, FunctionNode] | None:
    found = (context.project.method(info, name) for name in CALLED)
    method = next((one for one in found if one is not None), None)
    if method is None or not method[1].args.args:
        return None
    return method if not any(_parts_called(context, *method)) else None


def _parts_called(context: Context, info: ClassInfo, function: FunctionNode) -> Iterator[str]:
    """The attributes that a method calls: neither methods of its class nor losses of torch."""
    own = function.args.args[0].arg
    losses = set(_losses(context, info))
    for node in ast.walk(function):
        name = dotted(node.func) if isinstance(node, ast.Call) else None
        first, _, attribute = (name or "").partition(".")
        is_method = context.project.method(info, attribute) is not None
        if first == own and attribute not in losses and not is_method:
            yield attribute


def _losses(context: Context, info: ClassInfo) -> Iterator[str]:
    """``self.mse = nn.MSELoss()``."""
    for node in ast.walk(info.methods["__init__"]) if "__init__" in info.methods else ():
        match node:
            case ast.Assign([ast.Attribute(_, attribute)], ast.Call(callee)):
                found = context.project.resolve(dotted(callee) or "", info.module)
                if isinstance(found, str) and LOSS.fullmatch(found):
                    yield attribute
