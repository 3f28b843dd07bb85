"""Settings of torch's backends that code assigns, wherever it stands."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator

from pl_lint.facts.backends import meant
from pl_lint.facts.sites import BackendSite
from pl_lint.static.names import Project, dotted

SETS = re.compile(r"\b(?:backends|cudnn|cuda|torch)\.\w+\s*(?:=(?!=)|,)")
"""Stands in the text of each file that may assign one."""


def backends(project: Project) -> Iterator[BackendSite]:
    """What is assigned to an attribute of torch or of a module of it, where nothing asks whether
    there is one, or reads what is no setting of torch."""
    for module in project.modules:
        if not module.source.found(SETS):
            continue
        parts = module.source.parts(module.source.tree)
        hidden, asked = frozenset(_bound(parts)), frozenset(_asked(parts))
        for target in _targets(parts):
            written = dotted(target) or ""
            name = project.resolve(written, module)
            of_torch = isinstance(name, str) and name.startswith("torch.")
            known = target.attr in asked or written.partition(".")[0] in hidden
            if of_torch and not known and not (meant(name) and _is_read(name, project)):
                yield BackendSite(name, written, module.source.location(target))


def _targets(parts: Iterable[ast.AST]) -> Iterator[ast.Attribute]:
    for node in parts:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                items = target.elts if isinstance(target, (ast.Tuple, ast.List)) else (target,)
                yield from (one for one in items if isinstance(one, ast.Attribute))


def _bound(parts: Iterable[ast.AST]) -> Iterator[str]:
    """The names that a file gives to something else than what it imports, somewhere."""
    for node in parts:
        match node:
            case ast.Name(name, ast.Store()) | ast.arg(name):
                yield name


def _asked(parts: Iterable[ast.AST]) -> Iterator[object]:
    """The names that a file looks for: ``hasattr(cudnn, "benchmark_limit")``"""
    for node in parts:
        match node:
            case ast.Call(
                ast.Name("hasattr" | "getattr"), [_, ast.Constant(name), *_]
            ) | ast.Compare(ast.Constant(name), [ast.In()], [ast.Call(ast.Name("dir"))]):
                yield name


def _is_read(name: str, project: Project) -> bool:
    """Whether code of the project reads an attribute, which is its own then."""
    last = name.rpartition(".")[2]
    return any(
        isinstance(node, ast.Attribute)
        and node.attr == last
        and isinstance(node.ctx, ast.Load)
        and project.resolve(dotted(node) or "", module) == name
        for module in project.modules
        for node in module.source.parts(module.source.tree)
    )
