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
    r"(?<!self\.)\b[Tt]rainer\b|"
    r"\.(?:fit|run|train)\w*\([^\n]*\b(?:model|module|net|lit\w*)\b|\bLearner\b|"
    r"(?<!def )(?<![.\w])(?:train|fit|finetune|launch|run|start)(?:_(?!test_split)\w+)?\("
)
"""Also what somebody else may train with."""
BY_SETTINGS = re.compile(r"\bLightningCLI\b|\binstantiate\(")
"""Where these build what is trained, any class may be meant."""
LOADING = ("load_from_checkpoint", "load_state_dict")


def alone(project: Project, configs: Sequence[ConfigFile], paths: Set[str]) -> frozenset[str]:
    """Those of these files that nothing else of the project names; none where there is nothing
    else."""
    texts = [(one.path, one.source.written) for one in project.modules]
    texts += [(one.path, one.text) for one in configs]
    packages = {one.path for one in project.modules if one.is_package}
    return frozenset(unnamed(paths - packages, texts)) if len(texts) > 1 else frozenset()


def orphans(project: Project, files: Set[str]) -> Iterator[str]:
    """Those of these files, which nothing names, that start nothing themselves."""
    for module in project.modules:
        if module.path in files and not module.path.endswith(".ipynb") and _is_quiet(module):
            yield module.path


def users(project: Project, files: Set[str]) -> Iterator[str]:
    """Those of these files that build their own classes and load what was trained elsewhere:
    neither they nor what they import have a Trainer. Only code outside of classes counts."""
    if any(one.source.found(BY_SETTINGS) for one in project.modules):
        return
    for module in project.modules:
        used = module.path in files and _uses_its_own(module)
        if used and not any(one.source.found(TRAINS) for one in _reached(module, project)):
            yield module.path


def _uses_its_own(module: Module) -> bool:
    if not any(name in module.source.text for name in LOADING):
        return False
    called = {dotted(one.func) or "" for one in _outside_classes(module.source.tree)}
    loads = any(name.rpartition(".")[2] in LOADING for name in called)
    return loads and any(name.partition(".")[0] in module.classes for name in called)


def _outside_classes(tree: ast.AST) -> Iterator[ast.Call]:
    left = [tree]
    while left:
        node = left.pop()
        if isinstance(node, ast.Call):
            yield node
        left += [one for one in ast.iter_child_nodes(node) if not isinstance(one, ast.ClassDef)]


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
