"""Scores of the project's own that are objects: ``self.iou(prediction, mask)``.

A class whose call computes from its arguments and from settings alone is a function with another
spelling, and is run like one. What calls parts of its own, but for losses of torch and for other
such objects, is not followed: a network's arithmetic says nothing of what is logged, and costs more
than all the rest.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence

from pl_lint.static.interpreter import following
from pl_lint.static.interpreter.abstract import Abstract, Instance
from pl_lint.static.interpreter.context import Arguments, Context, Frame
from pl_lint.static.interpreter.lookup import class_of
from pl_lint.static.names import ClassInfo, FunctionNode, dotted

CALLED = ("forward", "__call__")
LOSS = re.compile(r"torch\.nn\.(modules\.loss\.)?\w+Loss")
MAX_DEPTH = 3
"""Objects that hold objects are followed so far."""


def value(context: Context, made: Instance, arguments: Arguments, frame: Frame) -> Abstract | None:
    """What the call of an object gives; ``None`` where its class is no formula."""
    return _followed(context, made, CALLED, arguments, frame)


def of_method(
    context: Context, made: Instance, name: str, arguments: Arguments, frame: Frame
) -> Abstract | None:
    """The same of a method of an object: ``self.scores.iou(prediction, mask)``."""
    return _followed(context, made, (name,), arguments, frame)


def _followed(
    context: Context, made: Instance, names: Sequence[str], arguments: Arguments, frame: Frame
) -> Abstract | None:
    info = class_of(context, made, frame)
    found = _formula(context, info, names) if info is not None else None
    if found is None:
        return None
    owner, function = found
    inner = Frame(owner.module, {}, owner, depth=frame.depth + 1)
    return following.follow(context, function, inner, arguments, made)


def _formula(
    context: Context, info: ClassInfo, names: Sequence[str], depth: int = 0
) -> tuple[ClassInfo, FunctionNode] | None:
    found = (context.project.method(info, name) for name in names)
    method = next((one for one in found if one is not None), None)
    if method is None or not method[1].args.args or depth > MAX_DEPTH:
        return None
    return method if not any(_parts_called(context, *method, depth)) else None


def _parts_called(
    context: Context, info: ClassInfo, function: FunctionNode, depth: int
) -> Iterator[str]:
    """The attributes that a method calls: neither methods of its class, nor losses of torch, nor
    other formulas."""
    own = function.args.args[0].arg
    formulas = set(_formulas(context, info, depth))
    for node in info.module.source.parts(function):
        name = dotted(node.func) if isinstance(node, ast.Call) else None
        first, _, attribute = (name or "").partition(".")
        is_method = context.project.method(info, attribute) is not None
        if first == own and attribute not in formulas and not is_method:
            yield attribute


def _formulas(context: Context, info: ClassInfo, depth: int) -> Iterator[str]:
    """``self.mse = nn.MSELoss()``, ``self.dice = Dice()``."""
    init = info.methods.get("__init__")
    for node in info.module.source.parts(init) if init is not None else ():
        match node:
            case ast.Assign([ast.Attribute(_, attribute)], ast.Call(callee)):
                found = context.project.resolve(dotted(callee) or "", info.module)
                if isinstance(found, ClassInfo):
                    known = _formula(context, found, CALLED, depth + 1) is not None
                else:
                    known = isinstance(found, str) and LOSS.fullmatch(found) is not None
                yield from [attribute] if known else []
