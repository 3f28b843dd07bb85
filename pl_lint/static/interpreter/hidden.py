"""Containers that a class holds once it is built, and who cares for the layers in them."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from pl_lint.facts.sites import AssignmentSite, ContainerSite
from pl_lint.findings import Location
from pl_lint.static.interpreter.abstract import Const, Instance, Mapping, Sequence, options
from pl_lint.static.interpreter.context import Context
from pl_lint.static.names import ClassInfo, dotted
from pl_lint.static.naming import bindings, holds_one, own
from pl_lint.static.trees import walk

MODULES = ("torch.nn.Module", "torch.nn.modules.module.Module")
PARAMETER = "torch.nn.Parameter"


def containers(context: Context) -> Iterator[ContainerSite]:
    """The lists and dicts of a class that is built."""
    known = {id(option) for value in context.attributes.values() for option in options(value)}
    for attribute, value in context.attributes.items():
        sure = all(isinstance(option, (Sequence, Mapping, Const)) for option in options(value))
        for option in options(value):
            where = _assigned_at(context, attribute)
            if isinstance(option, (Sequence, Mapping)) and where is not None:
                held = list(_modules(context, option, known))
                given = bool(held) and _is_handed_on(context, attribute)
                alone = (
                    len(option.items) == 1
                    and option.complete
                    and _is_written_alone(context, attribute)
                )
                meant = alone or (bool(held) and _is_cared_for(context, attribute))
                names = tuple(dict.fromkeys(held))
                yield ContainerSite(attribute, option.maker, names, where, given, meant, sure)


def _is_written_alone(context: Context, attribute: str) -> bool:
    """Whether a container is written out with one thing in it, ``self.x = [net]``."""
    return any(
        own(target) == attribute and value is not None and holds_one(value)
        for info in context.ancestors
        if isinstance(info, ClassInfo)
        for part in walk(info.node)
        for target, value in bindings(part)
    )


def _is_cared_for(context: Context, attribute: str) -> bool:
    """Whether a method takes the parameters of what is in a container by itself, to give them to an
    optimizer, or all methods use it without gradients."""
    using = [
        (node, parts)
        for info in context.ancestors
        if isinstance(info, ClassInfo)
        for node in info.methods.values()
        if _mentions(attribute, parts := walk(node))
    ]
    later = [parts for node, parts in using if node.name != "__init__"]
    still = bool(later) and all(any(map(_stops_gradients, parts)) for parts in later)
    return still or any(_takes_parameters(attribute, parts) for _, parts in using)


def _mentions(attribute: str, parts: list[ast.AST]) -> bool:
    return any(dotted(part) == f"self.{attribute}" for part in parts)


def _takes_parameters(attribute: str, parts: list[ast.AST]) -> bool:
    """Whether it is ``layer.parameters()`` of each layer in a container."""
    members = {
        target.id
        for part in parts
        for target, value in bindings(part)
        if isinstance(target, ast.Name) and value is not None and _mentions(attribute, walk(value))
    }
    return any(
        isinstance(part, ast.Attribute)
        and part.attr in ("parameters", "named_parameters")
        and dotted(part.value) in members
        for part in parts
    )


def _stops_gradients(part: ast.AST) -> bool:
    """Whether it is ``torch.no_grad`` or ``inference_mode``."""
    return isinstance(part, ast.Attribute) and part.attr in ("no_grad", "inference_mode")


def _is_handed_on(context: Context, attribute: str) -> bool:
    """Whether ``__init__`` gives ``self.<attribute>``, or all in it, to the constructor of
    something, or puts it into a container: by itself or in a list."""
    return any(
        dotted(part) == f"self.{attribute}"
        for _, node in context.methods("__init__")
        for call in walk(node)
        if isinstance(call, ast.Call) and _takes_parts(dotted(call.func) or "")
        for argument in (*call.args, *(keyword.value for keyword in call.keywords))
        for part in _listed(argument)
    )


ADDING = frozenset({"append", "extend", "insert", "add_module", "register_module"})


def _takes_parts(function: str) -> bool:
    last = function.rpartition(".")[2]
    return last in ADDING or last.lstrip("_")[:1].isupper()


def _listed(argument: ast.expr) -> Iterator[ast.expr]:
    """What is given: the items of a list and the like, and the argument itself."""
    match argument:
        case ast.List(items) | ast.Tuple(items) | ast.Set(items) | ast.Dict(_, items):
            for item in items:
                yield from _listed(item)
        case ast.Starred(inner):
            yield from _listed(inner)
        case _:
            yield argument


def _modules(context: Context, container: Sequence | Mapping, own: set[int]) -> Iterator[str]:
    """The modules in a container, but for those that are attributes as well: torch sees these."""
    values = (
        [value for _, value in container.items]
        if isinstance(container, Mapping)
        else container.items
    )
    for value in values:
        for option in options(value):
            hidden = isinstance(option, Instance) and id(option) not in own
            if hidden and _is_module(context, option.name):
                yield option.name


def _is_module(context: Context, name: str) -> bool:
    """Whether a class is a torch.nn.Module, or torch's Parameter."""
    if name == PARAMETER or (name.startswith("torch.nn.") and name.count(".") == 2):
        return True
    home, _, last = name.rpartition(".")
    found = (
        module.classes[last]
        for module in context.project.modules
        if module.name == home and last in module.classes
    )
    bases = (base for info in found for base in context.project.ancestors(info))
    return any(base in MODULES for base in bases)


def _assigned_at(context: Context, attribute: str) -> Location | None:
    """Where an attribute is first assigned."""
    sites = context.recorder.all(AssignmentSite)
    return next((site.location for site in sites if site.attribute == attribute), None)
