"""Layers that a class of torch's keeps in a plain list or dict that it fills by itself.

This is asked of the text of ``__init__``: only what stands there, is given to nothing else and is
not made anew counts. The interpreter sees what is written out in a LightningModule.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from pl_lint.facts import lightning
from pl_lint.facts.sites import LayersSite
from pl_lint.static.names import ClassInfo, FunctionNode, Project, dotted
from pl_lint.static.streams import identifiers
from pl_lint.static.trees import walk

MODULES = ("torch.nn.Module", "torch.nn.modules.module.Module")
REGISTERING = frozenset(
    "add_module register_module setattr __setattr__ register_parameter __dict__".split()
)
"""Who says one of these may register what it keeps."""
LOOKING = frozenset("len enumerate zip range reversed sum iter print str repr isinstance".split())
"""Functions that keep nothing of what they are given."""


def layers(project: Project) -> Iterator[LayersSite]:
    """Every plain container of layers that an ``__init__`` fills, or writes out in a class that is
    no LightningModule."""
    for module in project.modules:
        for info in module.classes.values():
            init = info.methods.get("__init__")
            outside = [one for one in project.ancestors(info) if isinstance(one, str)]
            whole = any(map(lightning.kind_of, outside))
            if init is None or not (whole or any(one in MODULES for one in outside)):
                continue
            if REGISTERING.isdisjoint(identifiers(info.node)):
                yield from _Init(info, init, project).containers(not whole)


class _Init:
    """The ``__init__`` of one class."""

    def __init__(self, info: ClassInfo, init: FunctionNode, project: Project) -> None:
        self.info, self.project = info, project
        self.parts = tuple(walk(init))
        self.assigned = [one for one in self.parts if isinstance(one, ast.Assign)]
        everywhere = [part for one in info.methods.values() for part in walk(one)]
        self.calls = [part for part in everywhere if isinstance(part, ast.Call)]
        given = [_written(target) for part in everywhere for target in _targets(part)]
        self.given = [name for name in given if name.startswith("self.")]
        local = [_written(target) for part in self.parts for target in _targets(part)]
        self.given += [name for name in local if not name.startswith("self.")]

    def containers(self, written_out: bool) -> Iterator[LayersSite]:
        for node in self.assigned:
            attribute = _own(node.targets[0]) if len(node.targets) == 1 else None
            if attribute is None or self.given.count(f"self.{attribute}") != 1:
                continue
            names = [f"self.{attribute}"]
            value: ast.expr | None = node.value
            if isinstance(value, ast.Name):
                names.append(value.id)
                value = self._only_value(value.id)
            if value is None or self._handed_on(names):
                continue
            held = tuple(self._held(value, names, written_out))
            if held:
                where = self.info.module.source.location(node)
                yield LayersSite(self.info.qualified, attribute, held, where)

    def _only_value(self, name: str) -> ast.expr | None:
        """What a local name is given, where it is given nothing else."""
        values = [one.value for one in self.assigned if _written(one.targets[0]) == name]
        return values[0] if len(values) == 1 and self.given.count(name) == 1 else None

    def _held(self, value: ast.expr, names: list[str], written_out: bool) -> Iterator[str]:
        match value:
            case ast.List([]) | ast.Dict([]) | ast.Call(ast.Name("list" | "dict"), [], []):
                yield from (name for node in self._put_in(names) for name in self._layer(node))
            case ast.List(items) | ast.Tuple(items) if written_out:
                yield from (name for node in items for name in self._layer(node))
            case ast.Dict(_, items) if written_out:
                yield from (name for node in items for name in self._layer(node))
            case ast.ListComp(node) | ast.DictComp(_, node) if written_out:
                yield from self._layer(node)

    def _put_in(self, names: list[str]) -> Iterator[ast.expr]:
        """What ``__init__`` adds to a container."""
        for part in self.parts:
            match part:
                case ast.Call(ast.Attribute(target, "append"), [node]) if dotted(target) in names:
                    yield node
                case ast.AugAssign(target, ast.Add(), ast.List(items)) if dotted(target) in names:
                    yield from items
                case ast.Assign([ast.Subscript(target)], node) if dotted(target) in names:
                    yield node

    def _layer(self, node: ast.expr) -> Iterator[str]:
        """The class of a layer that is made here and kept nowhere else."""
        value: ast.expr | None = node
        if isinstance(node, ast.Name):
            elsewhere = [one for one in self.assigned if _is_name(one.value, node.id)]
            kept = any(_own(target) for one in elsewhere for target in one.targets)
            handed = sum(_takes(call, node.id) for call in self.calls)
            value = self._only_value(node.id) if not kept and handed <= 1 else None
        if isinstance(value, ast.Call):
            name = self.project.resolve(dotted(value.func) or "", self.info.module)
            if isinstance(name, str) and name.startswith("torch.nn.") and name.count(".") == 2:
                yield name
            elif isinstance(name, ClassInfo):
                bases = self.project.ancestors(name)
                yield from [name.qualified] if any(one in MODULES for one in bases) else []

    def _handed_on(self, names: list[str]) -> bool:
        """Whether something is given the container, and may register what is in it."""
        return any(
            _takes(call, name)
            for name in names
            for call in self.calls
            if (dotted(call.func) or "") not in LOOKING
        )


def _targets(part: ast.AST) -> list[ast.expr]:
    match part:
        case ast.Assign(targets):
            return [one for target in targets for one in _unpacked(target)]
        case ast.AnnAssign(target) | ast.For(target):
            return _unpacked(target)
    return []


def _unpacked(target: ast.expr) -> list[ast.expr]:
    return list(target.elts) if isinstance(target, (ast.Tuple, ast.List)) else [target]


def _written(target: ast.expr) -> str:
    """The name that is given a value; empty for an item of something."""
    return dotted(target) or "" if isinstance(target, (ast.Attribute, ast.Name)) else ""


def _own(target: ast.expr) -> str | None:
    """The name of ``self.<name>``."""
    match target:
        case ast.Attribute(ast.Name("self"), name):
            return name
    return None


def _is_name(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _takes(call: ast.Call, name: str) -> bool:
    """Whether a call is given a name as it is, or all that is in it."""
    given = (*call.args, *(one.value for one in call.keywords))
    return any(dotted(one.value if isinstance(one, ast.Starred) else one) == name for one in given)
