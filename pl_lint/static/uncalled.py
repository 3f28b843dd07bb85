"""Functions that seed, and that nothing of the project calls: they stand there for nobody.

Whoever starts a program may be in a file that is not read, because it names nothing of Lightning.
So this is only asked where everything that fits is seen to be started.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Sequence

from pl_lint.facts.sites import TrainerCall, in_tests
from pl_lint.static.configs.files import ConfigFile
from pl_lint.static.names import FunctionNode, Module, Project, dotted
from pl_lint.static.naming import identifiers, mentioned
from pl_lint.static.trees import walk
from pl_lint.static.trials import trials


def uncalled(
    project: Project, configs: Sequence[ConfigFile], calls: Iterable[TrainerCall]
) -> Iterator[tuple[str, str]]:
    """The path and the name of each of these functions."""
    idle = [
        (module, node)
        for module in project.modules
        if "seed" in module.source.text
        for node in module.functions.values()
        if not node.decorator_list and _seeds(node) and not _is_named(node, project, configs)
    ]
    if idle and _is_started(project, calls):
        yield from ((module.path, node.name) for module, node in idle)


def _seeds(node: FunctionNode) -> bool:
    called = (dotted(one.func) or "" for one in walk(node) if isinstance(one, ast.Call))
    return any("seed" in name.rpartition(".")[2] for name in called)


def _is_named(node: FunctionNode, project: Project, configs: Sequence[ConfigFile]) -> bool:
    """Whether code mentions a function, imports it by another name, or writes its name as text."""
    word = re.compile(rf"\b{re.escape(node.name)}\b")
    own = {id(one) for one in walk(node)}
    return any(word.search(one.text) for one in configs) or any(
        id(part) not in own and _names(part, node.name, word)
        for module in project.modules
        if word.search(module.source.text)
        for part in _with_imports(module)
    )


def _with_imports(module: Module) -> Iterator[ast.AST]:
    for part in module.source.parts(module.source.tree):
        yield part
        if isinstance(part, (ast.Import, ast.ImportFrom)):
            yield from part.names


def _names(part: ast.AST, name: str, word: re.Pattern[str]) -> bool:
    match part:
        case ast.Constant(str(text)):
            return word.search(text) is not None
        case ast.alias(known, str()):
            return known == name
    return name in mentioned(part)


def _is_started(project: Project, calls: Iterable[TrainerCall]) -> bool:
    """Whether each fit stands outside of functions, or in one that is reached from there by
    names."""
    scripts = frozenset(trials(project))
    fits = [one for one in calls if one.method == "fit" and not in_tests(one.location, scripts)]
    reached = _reached(project)
    return bool(fits) and all(one.scope.rpartition(":")[2] in reached for one in fits)


def _reached(project: Project) -> set[str]:
    bodies: dict[str, list[ast.AST]] = {}
    new = {""}
    for module in project.modules:
        for name, node in (*module.functions.items(), *_methods(module)):
            bodies.setdefault(name, []).append(node)
        for statement in module.source.tree.body:
            if not isinstance(statement, (FunctionNode, ast.ClassDef)):
                new.update(identifiers(statement))
    found = set[str]()
    while new:
        found |= new
        nodes = [node for name in new for node in bodies.get(name, ())]
        new = {name for node in nodes for name in identifiers(node)} - found
    return found


def _methods(module: Module) -> Iterator[tuple[str, ast.AST]]:
    for info in module.classes.values():
        yield from ((name, node) for name, node in info.methods.items())
        if "__init__" in info.methods:
            yield info.name, info.methods["__init__"]
