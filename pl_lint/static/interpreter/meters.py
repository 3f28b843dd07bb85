"""Meters and counters of the project's own: what a step adds up holds what this process saw."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from pl_lint.facts.origins import BatchValue, Gathered, Origin, parts
from pl_lint.static.interpreter.abstract import Abstract, Instance
from pl_lint.static.interpreter.context import Arguments, Context, Frame
from pl_lint.static.interpreter.listing import own_attribute_of
from pl_lint.static.interpreter.lookup import class_of
from pl_lint.static.names import ClassInfo

TOGETHER = re.compile("gather|reduce|distributed|sync|world_size")
"""What a meter that knows of several processes has in its text."""
LIBRARIES = ("torchmetrics", "torcheval", "ignite", "monai", "accelerate", "evaluate")
"""What brings processes together inside."""


def counts(context: Context, target: ast.expr, added: Abstract, frame: Frame) -> None:
    """``self.correct += (prediction == y).sum()``."""
    plain = isinstance(target, ast.Attribute)
    attribute = own_attribute_of(context, target, frame) if plain else None
    if attribute is not None and _in_step(context) and _of_batch(context.origin(added)):
        context.step_lists.add(attribute)


def fed(
    context: Context,
    function: ast.Attribute,
    receiver: Abstract,
    arguments: Arguments,
    node: ast.Call,
    frame: Frame,
) -> None:
    """``self.meter.update(loss.item(), len(x))``, of an object that is neither a torchmetrics
    metric nor a module, and whose class knows of one process only."""
    if context.dropped is not node or not _in_step(context) or not isinstance(receiver, Instance):
        return
    attribute = own_attribute_of(context, function.value, frame)
    given = any(_of_batch(context.origin(one)) for one in arguments.all())
    if attribute is not None and given and _is_meter(context, receiver, function.attr, frame):
        context.step_lists.add(attribute)


def _in_step(context: Context) -> bool:
    steps = context.hook.name.endswith(("_step", "_batch_end"))
    return steps and context.hook.stage in ("train", "validate", "test")


def _of_batch(origin: Origin) -> bool:
    found = [part for part in parts(origin) if isinstance(part, (BatchValue, Gathered))]
    return bool(found) and not any(isinstance(part, Gathered) for part in found)


def _is_meter(context: Context, made: Instance, method: str, frame: Frame) -> bool:
    """Whether the class of an object is the project's own from top to bottom, has the method, and
    nothing in its files' classes brings processes together."""
    info = class_of(context, made, frame)
    if info is None or context.project.method(info, method) is None:
        return False
    bases = context.project.ancestors(info)
    plain = all(isinstance(one, ClassInfo) or one in ("object", "builtins.object") for one in bases)
    own = [one for one in bases if isinstance(one, ClassInfo)]
    return plain and not any(_knows_of_others(one) for one in own)


def _knows_of_others(info: ClassInfo) -> bool:
    """Whether a class may bring processes together: by hand, or by the metrics that it names. What
    else its file imports is for others: a meter often stands beside the module that has metrics."""
    named = any(one.partition(".")[0] in LIBRARIES for one in _from_libraries(info))
    return named or bool(TOGETHER.search(ast.unparse(info.node)))


def _from_libraries(info: ClassInfo) -> Iterator[str]:
    """What a class may have from outside: by the names in it, its own imports and star imports."""
    yield from info.module.stars
    for part in info.module.source.parts(info.node):
        match part:
            case ast.Name(name):
                yield info.module.imports.get(name, "")
            case ast.ImportFrom(module):
                yield module or ""
            case ast.Import(names):
                yield from (one.name for one in names)
