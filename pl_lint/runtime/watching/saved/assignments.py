"""Where in the user's code an attribute gets its value: read from the source of its class."""

from __future__ import annotations

import ast
import functools
import inspect
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch

from pl_lint.findings import Location
from pl_lint.runtime.watching.callsite import is_library
from pl_lint.runtime.watching.holding import held, holds, names_of_own

_CHANGING = ("append", "extend", "appendleft", "add", "update", "pop", "clear", "setdefault")


def places_of(module: torch.nn.Module, callbacks: Iterable[Any]) -> dict[str, Location]:
    """For each attribute of the module ("self.pace.rate") and of callbacks ("callback Slow.rate")
    that their classes set, the line that says most: one outside of ``__init__`` if there is one."""
    found: dict[str, Location] = {}
    for name, holder in _holders(module):
        found |= {f"{name}.{attribute}": at for attribute, at in _assigned(type(holder)).items()}
    for callback in callbacks:
        kind = type(callback)
        found |= {
            f"callback {kind.__name__}.{attribute}": at for attribute, at in _assigned(kind).items()
        }
    return found


def _holders(module: torch.nn.Module) -> Iterator[tuple[str, Any]]:
    for prefix, child in module.named_modules():
        path = f"self.{prefix}" if prefix else "self"
        yield path, child
        for name, value in held(child).items():
            if holds(value) and (name[:1] != "_" or name in names_of_own(type(child))):
                yield f"{path}.{name}", value


@functools.cache
def _assigned(kind: type) -> Mapping[str, Location]:
    found: dict[str, Location] = {}
    for base in reversed(kind.__mro__):
        path = getattr(sys.modules.get(base.__module__), "__file__", None)
        if path is not None and not is_library(path):
            found |= _assigned_in(base, path)
    return found


def _assigned_in(kind: type, path: str) -> dict[str, Location]:
    try:
        lines, first = inspect.getsourcelines(kind)
        tree = ast.parse(textwrap.dedent("".join(lines)))
    except (OSError, TypeError, SyntaxError):  # made by a program, or its text is gone
        return {}
    indent = len(lines[0]) - len(lines[0].lstrip())
    found: dict[str, Location] = {}
    for method in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
        for name, node in _changes(method):
            start, end = node.col_offset + indent + 1, (node.end_col_offset or 0) + indent + 1
            last = first + (node.end_lineno or node.lineno) - 1
            place = Location(path, first + node.lineno - 1, start, last, end)
            if method.name != "__init__" or name not in found:
                found[name] = place
    return found


def _changes(method: ast.FunctionDef) -> Iterator[tuple[str, ast.stmt | ast.expr]]:
    """The attributes of ``self`` that a method sets or changes, with the statement that does."""
    for node in ast.walk(method):
        if isinstance(node, (ast.Assign, ast.AugAssign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            flat = [part for target in targets for part in ast.walk(target)]
            yield from ((name, node) for part in flat if (name := _own(part)))
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            name = _own(node.func.value)
            if name and (node.func.attr in _CHANGING or node.func.attr.endswith("_")):
                yield name, node


def _own(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return node.attr if node.value.id == "self" else ""
    return ""
