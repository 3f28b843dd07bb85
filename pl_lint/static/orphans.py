"""Files whose classes nothing of their project trains: old copies, sketches, parts of another
program, scripts that only use what was trained.

How the project is run is no evidence about the classes in them.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence, Set

from pl_lint.static.configs.files import ConfigFile
from pl_lint.static.mentions import unnamed
from pl_lint.static.names import Module, Project, dotted

QUIET = ("warnings.", "logging.", "torch.", "np.", "numpy.", "sys.", "os.", "matplotlib.", "plt.")
"""Whose calls make no program of a file."""
TRAINS = re.compile(
    r"(?<!self\.)\b[Tt]rainer\b|\.fit\([^)]*\b(?:model|module|net)\b|LightningCLI|\binstantiate\("
)
"""Also what may be a Trainer that somebody else has made."""
USES = re.compile(r"\.(?:load_from_checkpoint|load_state_dict)\(|\.(?:eval|freeze)\(\)")
"""What is done with a network that was trained."""


def alone(project: Project, configs: Sequence[ConfigFile], paths: Set[str]) -> frozenset[str]:
    """Those of these files that nothing else of the project names."""
    texts = [(one.path, one.source.text) for one in project.modules]
    texts += [(one.path, one.text) for one in configs]
    packages = {one.path for one in project.modules if one.is_package}
    return frozenset(unnamed(paths - packages, texts)) if len(texts) > 1 else frozenset()


def orphans(project: Project, files: Set[str]) -> Iterator[str]:
    """Those of these files, which nothing names, that start nothing themselves."""
    for module in project.modules:
        if module.path in files and not module.path.endswith(".ipynb") and _is_quiet(module):
            yield module.path


def users(project: Project, files: Set[str]) -> Iterator[str]:
    """Those of these files that build or load their own classes and use them: neither they nor what
    they import have a Trainer."""
    for module in project.modules:
        used = module.path in files and module.source.found(USES) and _builds_its_own(module)
        if used and not any(one.source.found(TRAINS) for one in _reached(module, project)):
            yield module.path


def _builds_its_own(module: Module) -> bool:
    own = {name for one in module.classes for name in (one, f"{one}.load_from_checkpoint")}
    calls = (node for node in ast.walk(module.source.tree) if isinstance(node, ast.Call))
    return any(dotted(call.func) in own for call in calls)


def _reached(module: Module, project: Project) -> set[Module]:
    """A file, and all of the project that it imports, through others as well."""
    found, new = set[Module](), {module}
    while new:
        found |= new
        new = {other for one in new for other in project.imported(one)} - found
    return found


def _is_quiet(module: Module) -> bool:
    """Whether a file only defines things."""
    return not any(map(_starts, module.source.tree.body))


def _runs(function: ast.expr) -> bool:
    """``status = main()``, ``cli = LightningCLI(Net)``; a constant is made of other calls."""
    return (dotted(function) or "").rpartition(".")[2] in ("main", "run", "LightningCLI")


def _starts(node: ast.stmt) -> bool:
    match node:
        case ast.Assign(_, ast.Call(function)) if _runs(function):
            return True
        case ast.Expr(ast.Call(function)):
            return not (dotted(function) or "").startswith(QUIET)
        case ast.If() | ast.For() | ast.While() | ast.With() | ast.Try():
            return True
    return False
