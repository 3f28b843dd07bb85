"""What ``len(batch)`` counts, where that is not the samples: the keys of a dict, the members of a
tuple. A number of these is the same for every batch."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Literal

from pl_lint.static.interpreter.context import Context, Frame
from pl_lint.static.names import FunctionNode, Module

Entries = Literal["", "keys", "members"]
DICTS = re.compile(r"(\w+\.)*([Dd]ict|Mapping|MutableMapping|BatchEncoding|Any)\b.*|")
"""Annotations of a batch that is read by keys and whose length is the number of these."""
OF_SAMPLES = re.compile(r"\b(?:torch_geometric|tensordict|TensorDict|torchrl|dgl)\b")
"""Libraries whose batches are read by keys, too, and have their samples for a length."""
FOLLOWED = 3
"""Methods that are handed the batch are looked into so deep."""


def counted(context: Context, given: ast.expr, frame: Frame) -> Entries:
    """What ``len(batch)`` counts of a parameter of this function that it does not change. That it
    is taken apart into two names or more, or read by a text, is enough: here, or in a method that
    is handed it."""
    match given:
        case ast.Call(ast.Name("len"), [ast.Name(name)]) if frame.code is not None:
            found = set(_of_parameter(context, name, frame.code, frame.module, FOLLOWED))
            return found.pop() if len(found) == 1 else ""
    return ""


def _of_parameter(
    context: Context, name: str, code: FunctionNode, module: Module, depth: int
) -> Iterator[Entries]:
    """What says so; an empty text where nobody can tell, because the name gets another object, or
    is asked what it is."""
    every = (*code.args.posonlyargs, *code.args.args, *code.args.kwonlyargs)
    annotations = [one.annotation for one in every if one.arg == name]
    for part in module.source.parts(code) if annotations else ():
        match part:
            case ast.Name(stored, ast.Store()) if stored == name:
                yield ""
            case ast.Call(ast.Name("isinstance" | "hasattr"), [ast.Name(asked), *_]):
                yield from [""] if asked == name else []
            case ast.Assign([ast.Tuple(targets) | ast.List(targets)], ast.Name(taken)):
                apart = len(targets) > 1 and not any(isinstance(t, ast.Starred) for t in targets)
                yield from ["members"] if taken == name and apart and _always(part, module) else []
            case ast.Subscript(ast.Name(read), ast.Constant(str())) if read == name:
                yield "keys" if _is_dict(annotations[0], context) else ""
            case ast.Call(ast.Attribute(ast.Name("self"), method), given) if depth:
                yield from _handed(context, name, method, given, depth)


def _always(part: ast.AST, module: Module) -> bool:
    """Whether a piece of code stands in no branch: in the other one the batch may be a tensor."""
    above = module.source.above
    while not isinstance(part, (ast.FunctionDef, ast.AsyncFunctionDef)):
        if isinstance(part, (ast.If, ast.Try, ast.Match)):
            return False
        part = above[part]
    return True


def _handed(
    context: Context, name: str, method: str, given: list[ast.expr], depth: int
) -> Iterator[Entries]:
    """What a method of the class does with what it is given under that name."""
    found = context.find_method(method)
    if found is None:
        return
    info, node = found
    names = [each.arg for each in (*node.args.posonlyargs, *node.args.args)][1:]
    for place, one in enumerate(given):
        if isinstance(one, ast.Name) and one.id == name and place < len(names):
            within = _of_parameter(context, names[place], node, info.module, depth - 1)
            yield from filter(None, within)


def _is_dict(annotation: ast.expr | None, context: Context) -> bool:
    text = ast.unparse(annotation) if annotation is not None else ""
    others = any(one.source.found(OF_SAMPLES) for one in context.project.modules)
    return DICTS.fullmatch(text) is not None and not others
