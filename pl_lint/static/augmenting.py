"""Data sets that make random transforms themselves, where a flag asks for them."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from pl_lint.facts import augmentations
from pl_lint.facts.sites import AugmentingSite
from pl_lint.facts.values import Known, Made
from pl_lint.static.names import FunctionNode, Module, Project, dotted
from pl_lint.static.trees import walk


def augmenting(project: Project) -> Iterator[AugmentingSite]:
    """Each class with items whose ``__init__`` makes a random transform under ``if flag:`` or in
    ``steps if flag else []``, the flag being a parameter."""
    for module in project.modules:
        for info in module.classes.values():
            init = info.methods.get("__init__")
            if init is None or "__getitem__" not in info.methods:
                continue
            names = [one.arg for one in (*init.args.posonlyargs, *init.args.args)][1:]
            names += [one.arg for one in init.args.kwonlyargs]
            for flag, transform in _asked_for(init, module):
                if flag in names:
                    yield AugmentingSite(info.qualified, flag, names.index(flag), transform)


def _asked_for(init: FunctionNode, module: Module) -> Iterator[tuple[str, str]]:
    for part in walk(init):
        match part:
            case ast.IfExp(test, body, other):
                asked, beside = [body], [other]
            case ast.If(test, body, other):
                asked, beside = list[ast.AST](body), list[ast.AST](other)
            case _:
                continue
        flag = (dotted(test) or "").removeprefix("self.")
        drawn = next((name for one in asked for name in _drawn(one, module)), "")
        if flag and drawn and not any(True for one in beside for _ in _drawn(one, module)):
            yield flag, drawn


def _drawn(tree: ast.AST, module: Module) -> Iterator[str]:
    """The random transforms that a piece of code makes."""
    for part in walk(tree):
        text = dotted(part.func) if isinstance(part, ast.Call) else None
        if text is None or not isinstance(part, ast.Call):
            continue
        head, dot, rest = text.partition(".")
        said = tuple(
            (one.arg, Known(one.value.value))
            for one in part.keywords
            if one.arg is not None and isinstance(one.value, ast.Constant)
        )
        made = Made(f"{module.imports.get(head, head)}{dot}{rest}", said)
        if augmentations.is_random(made):
            yield made.name.rpartition(".")[2]
