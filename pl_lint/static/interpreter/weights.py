"""The batch size that a log call is told, where it is the same for every batch."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from pl_lint.static.interpreter.context import Frame
from pl_lint.static.names import dotted
from pl_lint.static.naming import function_around
from pl_lint.static.trees import walk

SIZE = re.compile(r"(\w+_)?(batch_?size|bs)(_\w+)?", re.IGNORECASE)
"""What people call the setting."""


def fixed_size(node: ast.Call, frame: Frame) -> str:
    """How ``batch_size`` is written where it is a setting (``self.hparams.batch_size``), be it by a
    local name; empty where it may be what this batch has."""
    given = next((one.value for one in node.keywords if one.arg == "batch_size"), None)
    if isinstance(given, ast.Name):
        assigned = [one.value for one in frame.assignments if _is_target(given.id, one)]
        given = assigned[0] if len(assigned) == 1 else None
    if given is None or not _is_setting(given):
        return ""
    open_to_lightning = any(_none_by_default(next(_steps(given)), frame))
    return "" if open_to_lightning or any(_assigned_in_use(given, frame)) else ast.unparse(given)


def _is_target(name: str, node: ast.Assign) -> bool:
    return any(isinstance(one, ast.Name) and one.id == name for one in node.targets)


def _is_setting(node: ast.expr) -> bool:
    """Whether it is read below ``self`` by names alone, and called a batch size."""
    steps = list(_steps(node))
    return steps[-1:] == ["self"] and SIZE.fullmatch(steps[0]) is not None


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


def _assigned_in_use(node: ast.expr, frame: Frame) -> Iterator[bool]:
    """Whether the file assigns it elsewhere than in ``__init__``: each batch may have its own."""
    source, name = frame.module.source, dotted(node)
    for one in walk(source.tree) if name else ():
        for target in one.targets if isinstance(one, ast.Assign) else ():
            around = function_around(one, source.above)
            if dotted(target) == name and getattr(around, "name", "") != "__init__":
                yield True


def _none_by_default(name: str, frame: Frame) -> Iterator[bool]:
    """Whether the file has such a parameter that is None unless somebody says otherwise: Lightning
    counts then."""
    for one in walk(frame.module.source.tree):
        if isinstance(one, ast.arguments):
            plain = zip(reversed(one.posonlyargs + one.args), reversed(one.defaults), strict=False)
            for parameter, default in (*plain, *zip(one.kwonlyargs, one.kw_defaults, strict=True)):
                if parameter.arg == name and getattr(default, "value", name) is None:
                    yield True
