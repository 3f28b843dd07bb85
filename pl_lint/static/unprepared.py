"""What a script asks a data module for before anybody has prepared it.

This is asked of the text: the attributes that only ``prepare_data()`` and ``setup()`` give a value,
and what a function does with the object that it makes, mention by mention.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from pl_lint.facts import lightning
from pl_lint.facts.sites import UnpreparedSite
from pl_lint.static.names import ClassInfo, FunctionNode, Module, Project, dotted
from pl_lint.static.naming import bindings, function_around, identifiers, own
from pl_lint.static.trees import walk

DATA_MODULE = "LightningDataModule"
PREPARING = ("prepare_data", "setup")
ANYTHING = frozenset({"setattr", "__dict__", "__getattr__", "__getattribute__", "vars"})
EMPTY = (None, 0, "")


def unprepared(project: Project) -> Iterator[UnpreparedSite]:
    """Every such question."""
    for module in project.modules:
        for node in module.source.parts(module.source.tree):
            match node:
                case ast.Assign([ast.Name(name)], ast.Call(made)):
                    found = project.resolve(dotted(made) or "", module)
                    later = _later(found, project) if isinstance(found, ClassInfo) else set()
                    yield from _asked(name, node, later, module) if later else ()


def _later(info: ClassInfo, project: Project) -> set[str]:
    """The attributes of a data module that are empty, or not there, until it is prepared."""
    line = project.ancestors(info)
    outside = [one for one in line if isinstance(one, str)]
    if [lightning.kind_of(one) for one in outside if one != "abc.ABC"] != [DATA_MODULE]:
        return set()
    inside = [one for one in line if isinstance(one, ClassInfo)]
    if any(not ANYTHING.isdisjoint(identifiers(one.node)) for one in inside):
        return set()
    begun = _reached(info, ("__init__", "__new__", "__post_init__"), project)
    if any(one.name in PREPARING for one in begun):
        return set()
    given = {name for node in begun for name, value in _given(node) if not _is_empty(value)}
    named = {name for one in inside for name in (*one.methods, *one.constants)}
    filled = (
        name
        for node in _reached(info, PREPARING, project)
        for name, value in _given(node)
        if not _is_empty(value)
    )
    return {*filled} - given - named


def _reached(info: ClassInfo, names: tuple[str, ...], project: Project) -> list[FunctionNode]:
    """Methods, and those that they call on the object or inherit, with ``super()``."""
    line = [one for one in project.ancestors(info) if isinstance(one, ClassInfo)]
    found, waiting = list[FunctionNode](), list(names)
    for name in waiting:
        for node in (one.methods[name] for one in line if name in one.methods):
            found.append(node)
            mentioned = (own(one) for one in walk(node) if isinstance(one, ast.Attribute))
            waiting += {one for one in mentioned if one and one not in waiting}
    return found


def _given(node: FunctionNode) -> Iterator[tuple[str, ast.expr | None]]:
    for part in walk(node):
        for target, value in bindings(part):
            name = own(target)
            if name is not None:
                yield name, value


def _is_empty(value: ast.expr | None) -> bool:
    match value:
        case ast.Constant(known):
            return known in EMPTY and not isinstance(known, bool)
        case ast.List([]) | ast.Dict([]) | ast.Tuple([]):
            return True
        case ast.Call(ast.Name("list" | "dict" | "set"), [], []):
            return True
    return False


def _asked(
    name: str, made: ast.Assign, later: set[str], module: Module
) -> Iterator[UnpreparedSite]:
    """The attributes that are read before the object is called, or given to anything."""
    above = module.source.above
    scope = function_around(made, above)
    mentions = sorted(
        (one for one in module.source.mentions.get(name, ()) if _is_after(one, made)),
        key=lambda one: (one.lineno, one.col_offset),
    )
    for mention in mentions:
        asked = above[mention]
        read = isinstance(asked, ast.Attribute) and isinstance(asked.ctx, ast.Load)
        here = function_around(mention, above) is scope and not _is_later(mention, module)
        if not (read and here) or _is_called(asked, module):
            return
        if asked.attr in later and not _is_tested(asked, module):
            yield UnpreparedSite(name, asked.attr, module.source.location(asked))


def _is_after(mention: ast.Name, made: ast.Assign) -> bool:
    end = made.value
    return (mention.lineno, mention.col_offset) >= (end.end_lineno or 0, end.end_col_offset or 0)


def _is_later(mention: ast.AST, module: Module) -> bool:
    """Whether a mention is that of a function without a name, which somebody calls later."""
    while mention in module.source.above and not isinstance(mention, ast.stmt):
        mention = module.source.above[mention]
        if isinstance(mention, ast.Lambda):
            return True
    return False


def _is_called(asked: ast.AST, module: Module) -> bool:
    outer = module.source.above[asked]
    return isinstance(outer, ast.Call) and outer.func is asked


def _is_tested(asked: ast.AST, module: Module) -> bool:
    """``if data.classes is None``, ``print(data.classes)``"""
    match module.source.above[asked]:
        case ast.Compare() | ast.If() | ast.UnaryOp() | ast.BoolOp() | ast.Assert() | ast.IfExp():
            return True
        case ast.Call(ast.Name("print")) | ast.FormattedValue():
            return True
    return False
