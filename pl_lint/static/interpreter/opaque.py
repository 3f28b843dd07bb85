"""Methods of values of which nothing is known but what they are made of."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from pl_lint.facts.origins import DRAWN_ROWS, Gathered
from pl_lint.facts.sites import DeviceSite
from pl_lint.static.interpreter import (
    best,
    counting,
    extents,
    logs,
    metrics,
    outside,
    slices,
    tables,
)
from pl_lint.static.interpreter.abstract import (
    NOTHING,
    Abstract,
    Const,
    Instance,
    Opaque,
    Reference,
    options,
)
from pl_lint.static.interpreter.context import Arguments, Context, Frame
from pl_lint.static.interpreter.derivation import called, derived

TRANSPARENT = frozenset(
    (
        "item detach cpu cuda float double half to numpy tolist squeeze unsqueeze clone type "
        "type_as contiguous view reshape flatten requires_grad_ bfloat16 long int"
    ).split()
)
"""Methods that return the same value in another shape or place."""
LISTING = frozenset({"iterdir", "rglob", "glob"})
"""Methods of a path that list what lies below it, in the order of the file system."""
TYPE_OF_CUDA = re.compile(r"torch\.cuda\.\w+Tensor")
TELLING = {
    **dict.fromkeys(("argmax", "round", "gt", "ge", "lt", "le"), "decided"),
    "sqrt": "sqrt",
    "exp": "exp",
    "log": "log",
    "sqrt_": "sqrt",
    "mean": "mean",
}


def method(
    context: Context,
    receiver: Abstract,
    name: str,
    arguments: Arguments,
    node: ast.Call,
    frame: Frame,
) -> Abstract:
    note_device(context, name, arguments, node, frame)
    logs.note_foreign(context, node, name, arguments, frame)
    if name == "get" and isinstance(arguments.get(1, "default"), Const):
        metrics.note_item(context, receiver, arguments.get(0, "key") or NOTHING, node, frame)
    origins = [context.origin(receiver), *map(context.origin, arguments.all())]
    same = name in TRANSPARENT
    extent = extents.of_method(name, receiver, outside.pairs(arguments), same)
    if same:
        return Opaque(origins[0], extent)
    if tables.is_join(name, arguments):
        origins = tables.of_method(context, receiver, name, arguments)
    if name in LISTING:
        return Opaque(called(f"pathlib.Path.{name}", outside.pairs(arguments), origins))
    slices.note_rest(context, name, arguments, node, frame)
    if name == "sample" and "frac" in arguments.keywords:
        return Opaque(called(DRAWN_ROWS, outside.pairs(arguments), origins))
    if name == "parse_args" and _may_be_parser(receiver):
        return Opaque(called("argparse.Namespace", (), ()))
    if outside.gathers(name) and not outside.picks(name, arguments):
        return Opaque(Gathered(tuple(dict.fromkeys(origins))))
    pair = best.along(name, arguments, 0, origins)
    if pair is not None:
        return pair
    if counting.is_total(name, node) and isinstance(node.func, ast.Attribute):
        return Opaque(counting.total(origins, node.func.value), extent)
    bounded = counting.bounded(name, origins)
    if bounded is not None:
        return Opaque(bounded, extent)
    alone = name in extents.LOGARITHMS and not context.loops
    of_mean = alone and extents.of(receiver) == "mean"
    operation = "logarithm" if of_mean else TELLING.get(name, "call")
    return Opaque(derived(operation, origins), extent)


def _may_be_parser(receiver: Abstract) -> bool:
    """Whether nothing else is known of a value than that it may be of ``argparse``."""
    return not isinstance(receiver, Instance) or receiver.name.endswith(".ArgumentParser")


def _tied_to(value: Abstract) -> Iterator[str]:
    """The devices that a value may be: ``cuda``, or ``cuda:0`` where there is one."""
    found = options(value)
    for option in found:
        text = option.value if isinstance(option, Const) and isinstance(option.value, str) else ""
        kind, number, _ = text.partition(":")
        if kind in ("cuda", "mps") and (number or len(found) == 1):
            yield text


def _of_cuda(given: Abstract | None) -> str:
    """The type of tensors that only GPUs have, by its name: ``torch.cuda.FloatTensor``."""
    match given:
        case Reference(name) | Const(str(name)) if TYPE_OF_CUDA.fullmatch(name):
            return name
    return ""


def note_device(
    context: Context, name: str, arguments: Arguments, node: ast.Call, frame: Frame
) -> None:
    """``x.cuda()``, ``x.to("cuda")``, ``device="cuda"`` and ``x.type(torch.cuda.FloatTensor)`` in
    the class that is interpreted. One of several is told where it has a number: what is called
    ``cuda`` alone is the process' own."""
    if not context.owner:
        return
    values = [arguments.keywords.get("device"), *(arguments.positional[:1] if name == "to" else ())]
    text = next((text for value in values if value for text in _tied_to(value)), None)
    shown = f'"{text}"' if text else (".cuda()" if name == "cuda" else None)
    shown = shown or (_of_cuda(arguments.get(0, "dtype")) if name == "type" else None)
    if shown:
        where = context.location(node, frame)
        context.recorder.add(DeviceSite(shown, context.hook.name, where, context.guards))
