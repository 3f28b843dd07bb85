"""Functions that seed the workers of a loader, every one of them alike.

This is asked of the text: a ``worker_init_fn`` that asks for nothing in which workers differ, and
seeds with a number that is put together of constants and of what it was given beside.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from pl_lint.facts import lightning, seeding
from pl_lint.facts.sites import AlikeSite
from pl_lint.plain import frozen
from pl_lint.static.names import FunctionNode, Module, Project, dotted
from pl_lint.static.naming import bindings
from pl_lint.static.trees import walk

ARGUMENT = "worker_init_fn"
SEEDS = (*seeding.SEEDS, lightning.SEED_EVERYTHING)
NUMBERS = ("int", "abs", "min", "max", "hash", "str")
"""What makes the same of the same, in every process."""


@frozen
class _Seeding:
    """A function that workers are begun with, or the value of a lambda; ``worker``: the parameter
    that is the number of the worker."""

    module: Module
    code: ast.expr | FunctionNode
    worker: str


def alike(project: Project) -> Iterator[AlikeSite]:
    """The loaders whose workers are all seeded with the same number, and where that is done."""
    for module in project.modules:
        if ARGUMENT not in module.source.text:
            continue
        for loader in module.source.parts(module.source.tree):
            given = _given(loader)
            found = _seeding(given, module, project) if given is not None else None
            place = _seed(found, project) if found is not None else None
            if found is not None and place is not None:
                where = found.module.source.location(place)
                yield AlikeSite(module.source.location(loader), where)


def _given(node: ast.AST) -> ast.expr | None:
    keywords = node.keywords if isinstance(node, ast.Call) else []
    return next((one.value for one in keywords if one.arg == ARGUMENT), None)


def _seeding(node: ast.expr, module: Module, project: Project) -> _Seeding | None:
    """What is called with the number of the worker: a function, a method, a lambda, or one of them
    that some arguments are given to already."""
    match node:
        case ast.Lambda(ast.arguments(args=[worker, *_]), body):
            return _Seeding(module, body, worker.arg)
        case ast.Call(function, positional) if (dotted(function) or "").endswith("partial"):
            first = positional[0] if positional else None
            return _named(first, len(positional) - 1, module, project) if first else None
        case _:
            return _named(node, 0, module, project)


def _named(node: ast.expr, taken: int, module: Module, project: Project) -> _Seeding | None:
    """A function by its name, of whose parameters so many are given already."""
    function, home = _function(node, module, project)
    if function is None:
        return None
    own = bool(function.args.args) and function.args.args[0].arg in ("self", "cls")
    names = [one.arg for one in function.args.args][own + taken :]
    return _Seeding(home, function, names[0]) if names else None


def _function(
    node: ast.expr, module: Module, project: Project
) -> tuple[FunctionNode | None, Module]:
    name = dotted(node) or ""
    head, _, method = name.rpartition(".")
    if head in ("self", "cls", *module.classes):
        infos = [info for info in module.classes.values() if method in info.methods]
        return (infos[0].methods[method], module) if len(infos) == 1 else (None, module)
    inner = [
        one
        for one in module.source.parts(module.source.tree)
        if isinstance(one, FunctionNode) and one.name == name
    ]
    if inner:
        return (inner[0], module) if len(inner) == 1 else (None, module)
    found = project.resolve(name, module) if name else ""
    home = project.home(found) if isinstance(found, FunctionNode) else None
    return (found, home) if isinstance(found, FunctionNode) and home else (None, module)


def _seed(found: _Seeding, project: Project) -> ast.Call | None:
    """The first call that seeds, where all of them do with what is the same in every worker."""
    parts = walk(found.code)
    if any(isinstance(one, ast.Name) and one.id == found.worker for one in parts):
        return None
    seeds = [one for one in parts if isinstance(one, ast.Call) and _is_seed(one, found, project)]
    numbers = [one for call in seeds for one in (*call.args, *_values(call))]
    same = all(len(call.args) + len(call.keywords) for call in seeds)
    same = same and all(_is_same(one, found.code, frozenset()) for one in numbers)
    return seeds[0] if seeds and same else None


def _values(call: ast.Call) -> list[ast.expr]:
    return [one.value for one in call.keywords]


def _is_seed(call: ast.Call, found: _Seeding, project: Project) -> bool:
    name = dotted(call.func)
    meant = project.resolve(name, found.module) if name is not None else None
    return isinstance(meant, str) and (lightning.canonical(meant) or meant) in SEEDS


def _is_same(node: ast.expr, code: ast.AST, named: frozenset[str]) -> bool:
    """Whether a number is made of constants and names alone; a local one is what it was given."""
    match node:
        case ast.Constant(value):
            return value is not None
        case ast.Name(name) if name not in named:
            given = [
                value
                for part in walk(code)
                for target, value in bindings(part)
                if isinstance(target, ast.Name) and target.id == name
            ]
            here = named | {name}
            return all(one is not None and _is_same(one, code, here) for one in given)
        case ast.Attribute(owner):
            return _is_same(owner, code, named)
        case ast.BinOp(left, _, right):
            return _is_same(left, code, named) and _is_same(right, code, named)
        case ast.Call(ast.Name(function), numbers, []) if function in NUMBERS:
            return all(_is_same(one, code, named) for one in numbers)
    return False
