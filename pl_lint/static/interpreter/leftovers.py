"""Callbacks that are made and given to nobody, by what is written around them.

A name that the code after it mentions anywhere, be it in a comment, was thought of: it is left out
on purpose, or used in a way that is not seen.
"""

from __future__ import annotations

import ast
import re

from pl_lint.facts.sites import LeftOutSite, MonitorSite
from pl_lint.static.interpreter.context import Context, Frame
from pl_lint.static.interpreter.handling import Scope
from pl_lint.static.naming import constant_defaults
from pl_lint.static.trees import left_unread


def note(context: Context, site: MonitorSite, node: ast.Call, frame: Frame) -> None:
    """Note a callback that watches a key and that no Trainer can get."""
    name = _forgotten(context, node, frame)
    if name and not _may_watch_nothing(node, frame):
        scope = f"{frame.module.path}:{frame.function}"
        context.recorder.add(LeftOutSite(site.watcher, name, site.key, scope, site.location))


def _forgotten(context: Context, node: ast.Call, frame: Frame) -> str:
    """The name that stands for an object which nothing reads and nothing after it speaks of; empty
    where there is none."""
    source = frame.module.source
    scope = Scope.around(node, source)
    name = left_unread(scope.node).get(node, "") if scope is not None else ""
    if scope is None or not name or name.startswith("_") or _is_of_class(node, scope):
        return ""
    if isinstance(scope.node, ast.Module) and context.project.reads(name, frame.module):
        return ""
    last = getattr(scope.node, "end_lineno", None) or len(source.lines)
    after = "\n".join(source.lines[node.end_lineno or node.lineno : last])
    return "" if re.search(rf"\b{name}\b", after) else name


def _may_watch_nothing(node: ast.Call, frame: Frame) -> bool:
    """Whether the key is a parameter that is None unless somebody says otherwise."""
    given = next((one.value for one in node.keywords if one.arg == "monitor"), None)
    code = frame.code
    if code is None or not isinstance(given, ast.Name):
        return False
    return constant_defaults(code.args).get(given.id, given) is None


def _is_of_class(node: ast.AST, scope: Scope) -> bool:
    """Whether it is an attribute of a class."""
    while node is not scope.node and not isinstance(node, ast.ClassDef):
        node = scope.above[node]
    return node is not scope.node
