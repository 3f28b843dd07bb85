"""Averages of weights that a callback keeps for itself and puts back into the module.

This is asked of the text: a container that ``__init__`` makes, that a hook of training changes by
what is in it, and that is loaded or copied into something.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from pl_lint.facts import lightning
from pl_lint.facts.sites import AverageSite
from pl_lint.static.names import ClassInfo, FunctionNode, Project, dotted
from pl_lint.static.naming import bindings, named
from pl_lint.static.trees import walk

SAVING = frozenset(
    "state_dict load_state_dict on_save_checkpoint on_load_checkpoint __getstate__".split()
)
IN_PLACE = ("lerp_", "mul_", "add_", "addcmul_", "sub_", "div_")
TRAINING = ("on_train_batch_end", "on_before_zero_grad", "on_train_epoch_end")
BEGINNING = frozenset({"__init__", "setup", "on_fit_start", "on_train_start"})
"""Where a container is made, or filled for the first time."""


def averages(project: Project) -> Iterator[AverageSite]:
    """Every average that a callback keeps and saves nowhere."""
    for module in project.modules:
        for info in module.classes.values():
            if "__init__" in info.methods and SAVING.isdisjoint(info.methods):
                bases = [one for one in project.ancestors(info) if one is not info]
                if bases and all(map(_is_callback, bases)):
                    yield from _kept_by(info)


def _is_callback(base: ClassInfo | str) -> bool:
    return isinstance(base, str) and lightning.canonical(base) == lightning.CALLBACK


def _kept_by(info: ClassInfo) -> Iterator[AverageSite]:
    for name in dict.fromkeys(_begun(info.methods["__init__"])):
        changed = next((one for node in _in_training(info) for one in _changed(node, name)), None)
        back = any(_puts_back(part, name) for node in info.methods.values() for part in walk(node))
        if changed is not None and back and not _is_renewed(info, name):
            attribute = name.removeprefix("self.")
            yield AverageSite(info.qualified, attribute, info.module.source.location(changed))


def _begun(init: FunctionNode) -> Iterator[str]:
    """The attributes that are an empty dict or list at first, or nothing."""
    for target, value in (pair for part in walk(init) for pair in bindings(part)):
        name = named(target)
        match value:
            case ast.Dict([]) | ast.List([]) | ast.Constant(None):
                empty = True
            case ast.Call(ast.Name("dict" | "list"), [], []):
                empty = True
            case _:
                empty = False
        if empty and name.startswith("self.") and name.count(".") == 1:
            yield name


def _in_training(info: ClassInfo) -> list[FunctionNode]:
    """The hooks of training and the methods of the class that they call."""
    hooks = [info.methods[one] for one in TRAINING if one in info.methods]
    called = {dotted(one.func) for node in hooks for one in walk(node) if isinstance(one, ast.Call)}
    return hooks + [node for name, node in info.methods.items() if f"self.{name}" in called]


def _changed(node: FunctionNode, name: str) -> Iterator[ast.expr | ast.stmt]:
    """Where an item gets a value that is made of what is there: in place, or by assignment."""
    for part in walk(node):
        match part:
            case ast.Call(ast.Attribute(ast.Subscript(whole), method)) if method in IN_PLACE:
                if named(whole) == name:
                    yield part
            case ast.Assign([ast.Subscript(whole)], value):
                if named(whole) == name and _mentions(value, name):
                    yield part
            case ast.AugAssign(ast.Subscript(whole)) if named(whole) == name:
                yield part


def _mentions(node: ast.AST, name: str) -> bool:
    return any(isinstance(one, ast.Attribute) and dotted(one) == name for one in walk(node))


def _puts_back(part: ast.AST, name: str) -> bool:
    """Whether something else is given what is kept: ``module.load_state_dict(self.shadow)``,
    ``parameter.data.copy_(self.shadow[name])``."""
    match part:
        case ast.Call(ast.Attribute(into, "load_state_dict" | "copy_"), given):
            return not _mentions(into, name) and any(_mentions(one, name) for one in given)
        case ast.Assign([ast.Attribute(into, "data")], value):
            return not _mentions(into, name) and _mentions(value, name)
    return False


def _is_renewed(info: ClassInfo, name: str) -> bool:
    """Whether a hook of a run puts another container there."""
    return any(
        named(target) == name
        for method, node in info.methods.items()
        if method not in BEGINNING
        for part in walk(node)
        for target, _ in bindings(part)
    )
