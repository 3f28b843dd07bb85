"""Layers that a class of torch's keeps in a plain list or dict that it fills by itself.

This is asked of the text of ``__init__``: only what stands there, is given to nothing else and is
not made anew counts. The interpreter sees what is written out in a LightningModule.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator

from pl_lint.facts import lightning
from pl_lint.facts.sites import LayersSite
from pl_lint.static.names import TORCH_MODULES, ClassInfo, FunctionNode, Project, dotted
from pl_lint.static.naming import bindings, holds_one, identifiers, named, own
from pl_lint.static.trees import children, walk

LAYER = re.compile(r"torch\.nn\.\w+|torch_geometric\.nn\.(?!LGConv|SimpleConv|WLConv)\w+Conv")
"""Classes of layers from outside; of torch_geometric, those that have something to learn."""
REGISTERING = frozenset(
    "add_module register_module setattr __setattr__ register_parameter __dict__ _modules".split()
)
"""Who says one of these may register what it keeps."""
LOOKING = frozenset("len enumerate zip range reversed sum iter print str repr isinstance".split())
"""Functions that keep nothing of what they are given."""
PASSING = frozenset("enumerate zip reversed iter".split())
"""Those of them whose result holds what they are given, as these methods' does:"""
INNER = frozenset("values items copy get pop popitem __getitem__".split())
GIVING = (ast.Assign, ast.AnnAssign)
FILLED = re.compile(r"=\s*(?:[\[{(]|(?:list|tuple|dict|OrderedDict|defaultdict)\()")
"""What makes a container, before anybody looks closer."""
NUMBERS = frozenset("weight bias in_features out_features in_channels out_channels".split())
"""Attributes of a layer by which nobody gets hold of the layer."""


def layers(project: Project) -> Iterator[LayersSite]:
    """Every plain container of layers that an ``__init__`` fills, or writes out in a class that is
    no LightningModule."""
    for module in project.modules:
        for info in module.classes.values():
            init = info.methods.get("__init__")
            outside = [one for one in project.ancestors(info) if isinstance(one, str)]
            whole = any(map(lightning.kind_of, outside))
            if init is None or not (whole or any(one in TORCH_MODULES for one in outside)):
                continue
            lines = module.source.lines[init.lineno - 1 : init.end_lineno]
            if not FILLED.search("\n".join(lines)):
                continue
            if REGISTERING.isdisjoint(identifiers(info.node)):
                yield from _Init(info, init, project).containers(not whole)


class _Init:
    """The ``__init__`` of one class."""

    def __init__(self, info: ClassInfo, init: FunctionNode, project: Project) -> None:
        self.info, self.project = info, project
        self.parts = tuple(walk(init))
        self.given: Counter[str] = Counter()
        self.values: dict[str, ast.expr | None] = {}
        for part in self.parts:
            for target, value in bindings(part):
                self.given[named(target)] += not isinstance(part, ast.AugAssign)
                self.values[named(target)] = value if isinstance(part, GIVING) else None
        self.uses = _Uses(self.parts)
        self.elsewhere: set[str] = set()
        others = (node for node in info.methods.values() if node is not init)
        for parts in (tuple(walk(node)) for node in others):
            uses = _Uses(parts)
            self.elsewhere |= uses.handed.keys() | uses.kept.keys()
            self.elsewhere |= {
                named(target)
                for part in parts
                if not isinstance(part, ast.AugAssign)
                for target, _ in bindings(part)
            }

    def containers(self, written_out: bool) -> Iterator[LayersSite]:
        added = self._added()
        for node in self.parts:
            given = list(bindings(node)) if isinstance(node, GIVING) else []
            if len(given) != 1:
                continue
            [(target, value)] = given
            attribute = own(target)
            if attribute is None or not self._is_plain(f"self.{attribute}"):
                continue
            names = [f"self.{attribute}"]
            if isinstance(value, ast.Name):
                names.append(value.id)
                handed = self.uses.handed[value.id] or self.uses.kept[value.id] > 1
                value = None if handed else self._only_value(value.id)
            if value is None:
                continue
            put_in = [one for name in names for one in added.get(name, ())]
            held = tuple(self._held(value, put_in, written_out))
            if held:
                where = self.info.module.source.location(node)
                yield LayersSite(self.info.qualified, attribute, held, where)

    def _is_plain(self, name: str) -> bool:
        """Whether an attribute is given one value, and nobody is given what is in it."""
        handed = self.uses.handed[name] or self.uses.kept[name] or name in self.elsewhere
        return self.given[name] == 1 and not handed

    def _only_value(self, name: str) -> ast.expr | None:
        """What a local name is given, where it is given nothing else."""
        return self.values[name] if self.given[name] == 1 else None

    def _held(self, value: ast.expr, put_in: list[ast.expr], written_out: bool) -> Iterator[str]:
        match value:
            case ast.List([]) | ast.Dict([]) | ast.Call(ast.Name("list" | "dict"), [], []):
                yield from (name for node in put_in for name in self._layer(node))
            case ast.BinOp(ast.List(items), ast.Mult()) | ast.BinOp(_, ast.Mult(), ast.List(items)):
                yield from (name for node in items for name in self._layer(node))
            case ast.ListComp(ast.Call(copied, [node])) if self._copies(copied):
                yield from self._layer(node)
            case _ if holds_one(value) and not put_in:
                return  # [net] is how a network is hidden on purpose
            case ast.List(items) | ast.Tuple(items) | ast.Dict(_, items) if written_out:
                yield from (name for node in (*items, *put_in) for name in self._layer(node))
            case (
                ast.ListComp(node)
                | ast.DictComp(_, node)
                | ast.Call(
                    ast.Name("list" | "tuple"), [ast.ListComp(node) | ast.GeneratorExp(node)]
                )
            ) if written_out:
                yield from self._layer(node)

    def _copies(self, function: ast.expr) -> bool:
        name = self.project.resolve(dotted(function) or "", self.info.module)
        return name == "copy.deepcopy"

    def _added(self) -> dict[str, list[ast.expr]]:
        """What ``__init__`` adds to containers, by their names."""
        found: dict[str, list[ast.expr]] = {}
        for part in self.parts:
            match part:
                case ast.Call(ast.Attribute(target, "append"), [node]) | ast.Call(
                    ast.Attribute(target, "insert"), [_, node]
                ):
                    found.setdefault(dotted(target) or "", []).append(node)
                case ast.AugAssign(target, ast.Add(), ast.List(items)) | ast.Call(
                    ast.Attribute(target, "extend"), [ast.List(items)]
                ):
                    found.setdefault(dotted(target) or "", []).extend(items)
                case ast.Assign([ast.Subscript(target)], node):
                    found.setdefault(dotted(target) or "", []).append(node)
        return found

    def _layer(self, node: ast.expr) -> Iterator[str]:
        """The class of a layer that is made here and kept nowhere else."""
        value: ast.expr | None = node
        if isinstance(node, ast.Name):
            kept = self.uses.kept[node.id] or self.uses.handed[node.id] > 1
            value = None if kept else self._only_value(node.id)
        if isinstance(value, ast.Call):
            name = self.project.resolve(dotted(value.func) or "", self.info.module)
            if isinstance(name, str) and LAYER.fullmatch(name):
                yield name
            elif isinstance(name, ClassInfo):
                bases = self.project.ancestors(name)
                yield from [name.qualified] if any(one in TORCH_MODULES for one in bases) else []


class _Uses:
    """How often one function hands on what a name stands for, or keeps it as an attribute: it may
    be registered there. What is made of a name by a loop or a subscript counts as the name."""

    def __init__(self, parts: tuple[ast.AST, ...]) -> None:
        self.handed: Counter[str] = Counter()
        self.kept: Counter[str] = Counter()
        made_of: dict[str, list[str]] = {}
        for part in parts:
            self.handed.update(name for value in _handed(part) for name in _mentions(value))
            pairs = [(target, value) for target, value in bindings(part) if value is not None]
            is_kept = any(own(target) for target, _ in pairs)
            for target, value in pairs:
                if own(target):
                    self.kept.update(_mentions(value))
                elif isinstance(target, ast.Name):
                    self.kept[target.id] += is_kept and isinstance(part, GIVING)
                    made_of.setdefault(target.id, []).extend(_mentions(value))
        waiting = [name for name in made_of if self.handed[name] or self.kept[name]]
        for name in waiting:  # which grows on the way
            for one in made_of.pop(name, ()):
                self.handed[one] += 1
                waiting.append(one)


def _handed(part: ast.AST) -> Iterator[ast.expr]:
    """The values that a piece of code gives to something else."""
    match part:
        case ast.Call(function, arguments, keywords) if dotted(function) not in LOOKING:
            yield from arguments
            yield from (one.value for one in keywords)
        case ast.AugAssign(_, _, value) | ast.Assign([ast.Subscript()], value):
            yield value


def _mentions(value: ast.expr) -> Iterator[str]:
    """The names that a value holds: of a call, whose result is something new, only what functions
    and methods like ``enumerate`` and ``values`` pass on."""
    nodes: list[ast.AST] = [value]
    for node in nodes:  # which grows on the way
        match node:
            case ast.Call(ast.Name(name), arguments):
                nodes += arguments if name in PASSING else []
            case ast.Call(ast.Attribute(owner, name)):
                nodes += [owner] if name in INNER else []
            case ast.Name() | ast.Subscript(ast.Name()):
                yield dotted(node) or ""
            case ast.Attribute(_, name) if name in NUMBERS:
                pass
            case ast.Attribute(owner):
                yield dotted(node) or ""
                nodes.append(owner)
            case ast.Subscript(owner):
                nodes.append(owner)
            case ast.ListComp(item) | ast.SetComp(item) | ast.GeneratorExp(item):
                nodes.append(item)
            case ast.DictComp(_, item):
                nodes.append(item)
            case ast.Call() | ast.Compare():
                pass
            case _:
                nodes += children(node)
