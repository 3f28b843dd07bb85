"""The batch size that a log call is told, where it is a setting."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from pl_lint.static.interpreter.abstract import Abstract, Const
from pl_lint.static.interpreter.context import Arguments, Context, Frame
from pl_lint.static.names import ClassInfo, FunctionNode
from pl_lint.static.naming import bindings, constant_defaults
from pl_lint.static.trees import walk

SIZE = re.compile(r"(\w+_)?(batch_?size|bs)(_\w+)?", re.IGNORECASE)
"""What people call the setting."""
SETTINGS = re.compile(r"h?params|hyper\w*|args|opts?|options|cfg|conf\w*|settings", re.IGNORECASE)
"""What people keep settings in."""
DATA = ("datamodule", "trainer")


def fixed_size(
    context: Context, node: ast.Call, arguments: Arguments, frame: Frame
) -> tuple[str, ...]:
    """The names by which ``batch_size`` is read below ``self``, where it is a setting
    (``("hparams", "batch_size")``), be it by a local name, or the number that it is; none where it
    may be what this batch has, or one that is 1 or None unless somebody says otherwise: then
    Lightning counts."""
    given = next((one.value for one in node.keywords if one.arg == "batch_size"), None)
    if isinstance(given, ast.Name):
        given = _only_value(given.id, frame) or given
    last, *steps = _steps(given) if given is not None else [""]
    if steps[-1:] != ["self"]:
        return _number(arguments.keywords.get("batch_size"))
    if not SIZE.fullmatch(last) or not _holds_settings(steps[:-1]):
        return ()
    return () if any(_without_size(last, context)) else (*reversed(steps[:-1]), last)


def _number(value: Abstract | None) -> tuple[str, ...]:
    """A number that is written out. Who writes 1 wants all batches alike."""
    known = isinstance(value, Const) and type(value.value) is int and value.value > 1
    return (str(value.value),) if known else ()  # type: ignore[union-attr]


def _only_value(name: str, frame: Frame) -> ast.expr | None:
    """What a local name is given, where it is given one thing and is no parameter."""
    code = frame.code
    found = [
        value
        for part in frame.parts
        for target, value in bindings(part)
        if isinstance(target, ast.Name) and target.id == name
    ]
    return found[0] if code and len(found) == 1 and name not in _parameters(code) else None


def _parameters(code: FunctionNode) -> set[str]:
    return {one.arg for one in walk(code.args) if isinstance(one, ast.arg)}


def _steps(node: ast.expr) -> Iterator[str]:
    """The names by which it is reached, the last first; none after what is no name."""
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


def _holds_settings(steps: list[str]) -> bool:
    """Whether what stands between the setting and ``self`` is nothing, holds settings, or is the
    data module."""
    return not steps or tuple(steps) == DATA or SETTINGS.search(steps[-1]) is not None


def _without_size(name: str, context: Context) -> Iterator[bool]:
    """Whether the files of the class have such a parameter that is None or 1 by default."""
    files = {
        info.module.path: info.module for info in context.ancestors if isinstance(info, ClassInfo)
    }
    for module in files.values():
        for one in walk(module.source.tree):
            if isinstance(one, ast.arguments):
                yield constant_defaults(one).get(name, name) in (None, 1)
