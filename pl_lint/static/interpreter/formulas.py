"""Scores of the project's own that are objects: ``self.iou(prediction, mask)``.

A class whose call computes from its arguments and from settings alone is a function with another
spelling, and is run like one. What calls parts of its own, but for losses of torch and for other
such objects, is not followed: a network's arithmetic says nothing of what is logged, and costs more
than all the rest.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Sequence

from pl_lint.static.interpreter import following
from pl_lint.static.interpreter.abstract import Abstract, Instance
from pl_lint.static.interpreter.context import Arguments, Context, Frame
from pl_lint.static.interpreter.lookup import class_of
from pl_lint.static.names import ClassInfo, FunctionNode, dotted
from pl_lint.static.naming import givers

CALLED = ("forward", "__call__")
LOSS = re.compile(r"torch\.nn\.(modules\.loss\.)?\w+Loss")


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
    context: Context, info: ClassInfo, names: Sequence[str]
) -> tuple[ClassInfo, FunctionNode] | None:
    """The method that computes from its arguments, asked once for each class: one that is asked for
    while it is looked at, in a circle, is none."""
    known = context.remembered.formulas
    method = next((one for name in names if (one := context.project.method(info, name))), None)
    if method is None or not method[1].args.args:
        return None
    if (info, method[1]) not in known:
        known[info, method[1]] = False
        known[info, method[1]] = all(map(_is_known(context, info), _parts_called(context, *method)))
    return method if known[info, method[1]] else None


def _parts_called(context: Context, info: ClassInfo, function: FunctionNode) -> Iterator[str]:
    """The attributes that a method calls, methods of its class left out."""
    own = function.args.args[0].arg
    for node in info.module.source.parts(function):
        name = dotted(node.func) if isinstance(node, ast.Call) else None
        first, _, attribute = (name or "").partition(".")
        if first == own and context.project.method(info, attribute) is None:
            yield attribute


def _is_known(context: Context, info: ClassInfo) -> Callable[[str], bool]:
    """Whether an attribute is a loss of torch or another formula: ``self.mse = nn.MSELoss()``,
    ``self.dice = Dice()``."""
    init = info.methods.get("__init__")
    given = info.module.source.once(givers, init) if init is not None else {}

    def known(attribute: str) -> bool:
        made = [value for _, value in given.get(f"self.{attribute}", ())]
        callee = dotted(made[0].func) if len(made) == 1 and isinstance(made[0], ast.Call) else None
        found = context.project.resolve(callee, info.module) if callee is not None else None
        if isinstance(found, ClassInfo):
            return _formula(context, found, CALLED) is not None
        return isinstance(found, str) and LOSS.fullmatch(found) is not None

    return known
