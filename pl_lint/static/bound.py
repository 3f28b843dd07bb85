"""Classes of the project that keep the device that they are built with, and work on it later.

The interpreter reads what Lightning calls. What an object does in which a LightningModule puts its
device is asked of the text: its device stays the one that it was built with.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from pl_lint.facts.sites import BoundSite
from pl_lint.static.interpreter.classes import classify
from pl_lint.static.interpreter.parameters import of_method
from pl_lint.static.names import ClassInfo, Project, dotted
from pl_lint.static.naming import bindings, own
from pl_lint.static.trees import walk


def bound(project: Project) -> Iterator[BoundSite]:
    """Every parameter of a class by which it is bound to a device."""
    for module in project.modules:
        for info in module.classes.values() if "device" in module.source.text else ():
            init = info.methods.get("__init__")
            if init is None or classify(info, project) is not None:
                continue
            parts = tuple(_later(info))
            moved = {own(target) for part in parts for target, _ in bindings(part)}
            worked_on = {own(node) for part in parts for node in _devices(part)} - moved
            for place, one in enumerate(of_method(init, module, project)):
                for attribute in worked_on.intersection(one.attributes):
                    yield BoundSite(info.qualified, one.name, place, attribute)


def _later(info: ClassInfo) -> Iterator[ast.AST]:
    """What the methods do once an object is built."""
    for name, node in info.methods.items():
        if name != "__init__":
            yield from walk(node)


def _devices(part: ast.AST) -> Iterator[ast.expr]:
    """What a piece of code names as the device to work on: ``device=self.device``,
    ``mask.to(self.device)``."""
    match part:
        case ast.keyword("device", value):
            yield value
        case ast.Call(ast.Attribute(_, "to"), [value, *_]) if dotted(value):
            yield value
