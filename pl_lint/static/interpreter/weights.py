"""The batch size that a log call is told, where it is a setting or a number."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from pl_lint.facts.sites import FixedSize
from pl_lint.static.interpreter.abstract import Abstract, Const
from pl_lint.static.interpreter.context import Arguments, Context, Frame
from pl_lint.static.interpreter.entries import counted
from pl_lint.static.names import ClassInfo, FunctionNode, dotted
from pl_lint.static.naming import bindings, constant_defaults

SIZE = re.compile(r"(\w+_)?(batch_?size|bs)(_\w+)?", re.IGNORECASE)
"""What people call the setting."""


def fixed_size(
    context: Context, node: ast.Call, arguments: Arguments, frame: Frame
) -> FixedSize | None:
    """The setting or number that ``batch_size`` is, or what it counts in place of samples, be it by
    a local name; None where it may be what this batch has, or is None or 1 unless somebody says
    otherwise: then Lightning counts, or all batches are alike."""
    given = next((one.value for one in node.keywords if one.arg == "batch_size"), None)
    if isinstance(given, ast.Name):
        given = only_value(given.id, frame) or given
    if given is None:
        return None
    entries = counted(context, given, frame)
    if entries:
        return FixedSize(ast.unparse(given), counts=entries)
    first, *path = reversed(list(_steps(given)))
    if first != "self":
        return _number(arguments.keywords.get("batch_size"), given)
    is_size = bool(path) and SIZE.fullmatch(path[-1]) is not None
    if not is_size or any(_may_be_of_a_batch(path, context)):
        return None
    return FixedSize(ast.unparse(given), tuple(path))


def _number(value: Abstract | None, written: ast.expr) -> FixedSize | None:
    """A number that is written out, there or under a name. Who writes 1 wants all batches alike."""
    known = isinstance(value, Const) and type(value.value) is int and value.value > 1
    return FixedSize(ast.unparse(written)) if known else None


def only_value(name: str, frame: Frame) -> ast.expr | None:
    """What a local name is given, where it is given one thing and is no parameter."""
    code = frame.code
    found = [
        value
        for part in frame.parts
        for target, value in bindings(part)
        if isinstance(target, ast.Name) and target.id == name
    ]
    return found[0] if code and len(found) == 1 and not _is_parameter(name, code) else None


def _is_parameter(name: str, code: FunctionNode) -> bool:
    every = (*code.args.posonlyargs, *code.args.args, *code.args.kwonlyargs)
    return any(one.arg == name for one in every)


def _steps(node: ast.expr) -> Iterator[str]:
    """The names by which it is reached, the last first; nothing after what is no name."""
    match node:
        case ast.Attribute(value, attr):
            yield attr
            yield from _steps(value)
        case ast.Subscript(value, ast.Constant(str(key))):
            yield key
            yield from _steps(value)
        case ast.Name(name):
            yield name
        case _:
            yield ""


def _may_be_of_a_batch(path: list[str], context: Context) -> Iterator[bool]:
    """Whether a network that the class calls counts it, ``__init__`` leaves it to Lightning, or
    another method sets it under its name: ``self.cfg["batch_size"] = len(x)``."""
    network = f"self.{path[0]}" if len(path) > 1 else ""
    for info in context.ancestors:
        for node in info.methods.values() if isinstance(info, ClassInfo) else ():
            if node.name == "__init__":
                yield constant_defaults(node.args).get(path[-1], path) in (None, 1)
                continue
            for part in info.module.source.parts(node):
                yield isinstance(part, ast.Call) and dotted(part.func) == network
                yield _sets_by_name(part, path[-1])


def _sets_by_name(part: ast.AST, name: str) -> bool:
    match part:
        case ast.Subscript(_, ast.Constant(key), ast.Store()):
            return bool(key == name)
        case ast.Call(ast.Attribute(_, "update"), arguments, keywords):
            dicts = (one for one in arguments if isinstance(one, ast.Dict))
            keys = (key for one in dicts for key in one.keys if isinstance(key, ast.Constant))
            return any(one.arg == name for one in keywords) or any(k.value == name for k in keys)
    return False
