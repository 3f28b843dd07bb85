"""Tensors that a network of the project keeps as plain attributes: a mask, a table of positions.

The interpreter sees those of LightningModules. Of other networks this asks the text.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from pl_lint.facts import lightning
from pl_lint.facts.sites import KeptSite
from pl_lint.plain import field, frozen
from pl_lint.static.interpreter import tensors
from pl_lint.static.interpreter.context import Frame
from pl_lint.static.names import TORCH_MODULES, ClassInfo, FunctionNode, Project
from pl_lint.static.naming import bindings, own
from pl_lint.static.trees import walk

MADE = re.compile(r"\b(?:zeros|ones|full|arange|linspace|eye|randn|rand)\(")
"""What makes a tensor, before anybody looks closer."""


@frozen
class _Program:
    """What ``tensors`` has to know of the program."""

    project: Project
    given_by: dict[FunctionNode, tensors.Given] = field(default_factory=dict)


def kept(project: Project) -> Iterator[KeptSite]:
    """Every tensor that stays on the CPU while its network is moved."""
    program = _Program(project)
    for module in project.modules:
        for info in module.classes.values() if MADE.search(module.source.text) else ():
            outside = [one for one in project.ancestors(info) if isinstance(one, str)]
            plain = any(one in TORCH_MODULES for one in outside)
            if plain and not any(map(lightning.kind_of, outside)):
                yield from _kept_by(info, program)


def _kept_by(info: ClassInfo, program: _Program) -> Iterator[KeptSite]:
    init = info.methods.get("__init__")
    if init is None:
        return
    frame = Frame(info.module, {}, info, "__init__", code=init)
    given = [pair for part in info.module.source.parts(info.node) for pair in bindings(part)]
    names = [own(target) for target, _ in given]
    for part in walk(init):
        for target, value in bindings(part) if isinstance(part, ast.Assign) else ():
            name = own(target)
            if name is None or value is None or names.count(name) > 1:
                continue
            if tensors.stays(program, name, value, frame) == tensors.CPU:
                yield KeptSite(info.qualified, name, info.module.source.location(target))
