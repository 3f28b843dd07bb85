"""Containers that a class holds once it is built, and who cares for the layers in them."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from collections.abc import Mapping as PyMapping

from pl_lint.facts.sites import AssignmentSite, ContainerSite
from pl_lint.findings import Location
from pl_lint.static.interpreter.abstract import (
    Abstract,
    Const,
    Instance,
    Mapping,
    Sequence,
    options,
)
from pl_lint.static.interpreter.context import Context
from pl_lint.static.names import TORCH_MODULES, ClassInfo, dotted
from pl_lint.static.naming import bindings, holds_one, identifiers, own
from pl_lint.static.trees import walk

PARAMETER = "torch.nn.Parameter"


def containers(context: Context) -> Iterator[ContainerSite]:
    """The lists and dicts of a class that is built."""
    known = {id(option) for value in context.attributes.values() for option in options(value)}
    held = _registered(context)
    shared = {layer for layer, count in held.items() if count > 1}
    for attribute, value in context.attributes.items():
        where = _assigned_at(context, attribute)
        sure = all(isinstance(option, (Sequence, Mapping, Const)) for option in options(value))
        for option in options(value):
            if isinstance(option, (Sequence, Mapping)) and where is not None:
                seen = known | (shared if option.maker else held.keys())
                modules = tuple(dict.fromkeys(_modules(context, option, seen)))
                yield ContainerSite(
                    attribute,
                    option.maker,
                    modules,
                    where,
                    handed_on=bool(modules) and _is_handed_on(context, attribute),
                    meant=bool(modules) and _is_meant(context, attribute, option),
                    sure=sure,
                )


def _is_meant(context: Context, attribute: str, held: Sequence | Mapping) -> bool:
    """Whether layers are hidden on purpose, or made known in another way."""
    one = len(held.items) == 1 and held.complete
    return (one and _is_written_alone(context, attribute)) or any(_cares(context, attribute))


def _registered(context: Context) -> Counter[int]:
    """The layers in containers of torch's, and in how many of them: each has their parameters."""
    held = {
        id(option): {id(item) for value in _values(option) for item in options(value)}
        for attribute in context.attributes.values()
        for option in options(attribute)
        if isinstance(option, (Sequence, Mapping)) and option.maker
    }
    return Counter(layer for layers in held.values() for layer in layers)


def _is_written_alone(context: Context, attribute: str) -> bool:
    """Whether a container is written out with one thing in it, ``self.x = [net]``."""
    return any(
        own(target) == attribute and value is not None and holds_one(value)
        for info in context.ancestors
        if isinstance(info, ClassInfo)
        for part in walk(info.node)
        for target, value in bindings(part)
    )


def _cares(context: Context, attribute: str) -> Iterator[bool]:
    """Whether the class enters layers among torch's by itself, freezes those of a container one by
    one, or uses them without gradients only."""
    uses: list[bool] = []
    for info in context.ancestors:
        for node in info.methods.values() if isinstance(info, ClassInfo) else ():
            parts, above = info.module.source.parts(node), info.module.source.above
            yield any(map(_enters, parts))
            yield any(_goes_over(part, attribute) and _freezes(part) for part in parts)
            if node.name != "__init__":
                named = (part for part in parts if dotted(part) == f"self.{attribute}")
                uses += (_is_without_gradients(part, above) for part in named)
    yield bool(uses) and all(uses)


def _enters(part: ast.AST) -> bool:
    """``self._modules[name] = layer``, or the like by ``update`` and ``setattr``."""
    match part:
        case ast.Call(ast.Name("setattr"), [ast.Name("self"), *_]):
            return True
        case ast.Subscript(registry, _, ast.Store()) | ast.Call(ast.Attribute(registry, "update")):
            return dotted(registry) == "self._modules"
    return False


def _goes_over(part: ast.AST, attribute: str) -> bool:
    over = walk(part.iter) if isinstance(part, ast.For) else ()
    return any(dotted(one) == f"self.{attribute}" for one in over)


def _freezes(part: ast.AST) -> bool:
    """Whether something in it is ``requires_grad_(False)``, or ``requires_grad = False``."""
    for node in walk(part):
        match node:
            case ast.Call(ast.Attribute(_, "requires_grad_"), [ast.Constant(False)]) | ast.Assign(
                [ast.Attribute(_, "requires_grad")], ast.Constant(False)
            ):
                return True
    return False


STILL = ("no_grad", "inference_mode")


def _is_without_gradients(part: ast.AST, above: PyMapping[ast.AST, ast.AST]) -> bool:
    """Whether it stands under ``torch.no_grad()``, or in a method that is decorated so."""
    while part in above:
        part = above[part]
        if isinstance(part, (ast.With, ast.AsyncWith)):
            around: list[ast.expr] = [one.context_expr for one in part.items]
        else:
            around = getattr(part, "decorator_list", [])
        if any(name in STILL for one in around for name in identifiers(one)):
            return True
    return False


def _is_handed_on(context: Context, attribute: str) -> bool:
    """Whether ``__init__`` gives ``self.<attribute>``, or all in it, to the constructor of
    something, or puts it into a container: by itself, in a list or under the name it had before."""
    for _, node in context.methods("__init__"):
        parts = tuple(walk(node))
        names = {f"self.{attribute}", *_names_before(parts, attribute)}
        calls = (one for one in parts if isinstance(one, ast.Call))
        given = (one for call in calls for one in _given(call))
        if any(dotted(part) in names for one in given for part in _listed(one)):
            return True
    return False


def _names_before(parts: tuple[ast.AST, ...], attribute: str) -> Iterator[str]:
    """The local names that an attribute is given: ``self.layers = layers``."""
    for part in parts:
        for target, value in bindings(part):
            if own(target) == attribute and isinstance(value, ast.Name):
                yield value.id


def _given(call: ast.Call) -> Iterator[ast.expr]:
    """What a call gives to an object that may register it."""
    if _takes_parts(dotted(call.func) or ""):
        yield from (*call.args, *(keyword.value for keyword in call.keywords))


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
    for value in _values(container):
        for option in options(value):
            hidden = isinstance(option, Instance) and id(option) not in own
            if hidden and _is_module(context, option.name):
                yield option.name


def _values(container: Sequence | Mapping) -> tuple[Abstract, ...]:
    if isinstance(container, Mapping):
        return tuple(value for _, value in container.items)
    return container.items


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
    return any(base in TORCH_MODULES for base in bases)


def _assigned_at(context: Context, attribute: str) -> Location | None:
    """Where an attribute is first assigned."""
    sites = context.recorder.all(AssignmentSite)
    return next((site.location for site in sites if site.attribute == attribute), None)
