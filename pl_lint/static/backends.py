"""Settings of torch's backends that code assigns, wherever it stands."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from pl_lint.facts.sites import BackendSite
from pl_lint.static.names import Module, Project, dotted

SETS = re.compile(r"\b(?:backends|cudnn|cuda|torch)\.\w+\s*(?:=(?!=)|,)")
"""Stands in the text of each file that may assign one."""


def backends(project: Project) -> Iterator[BackendSite]:
    """What is assigned to an attribute of torch or of a module of it, where nothing asks before
    whether there is one."""
    for module in project.modules:
        for target in _targets(module) if module.source.found(SETS) else ():
            written = dotted(target)
            name = project.resolve(written, module) if written is not None else None
            of_torch = isinstance(name, str) and name.startswith("torch.")
            if of_torch and not _is_asked_for(target, module):
                yield BackendSite(name, written, module.source.location(target))


def _targets(module: Module) -> Iterator[ast.Attribute]:
    for node in module.source.parts(module.source.tree):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                parts = target.elts if isinstance(target, (ast.Tuple, ast.List)) else (target,)
                yield from (one for one in parts if isinstance(one, ast.Attribute))


def _is_asked_for(target: ast.Attribute, module: Module) -> bool:
    """Whether a condition around it looks for that very name first."""
    node: ast.AST | None = target
    while node is not None:
        node = module.source.above.get(node)
        if isinstance(node, ast.If) and target.attr in _asked(node.test):
            return True
    return False


def _asked(test: ast.expr) -> Iterator[object]:
    """The names that a condition looks for by ``hasattr``."""
    for call in ast.walk(test):
        if isinstance(call, ast.Call) and dotted(call.func) == "hasattr":
            yield from (one.value for one in call.args if isinstance(one, ast.Constant))
