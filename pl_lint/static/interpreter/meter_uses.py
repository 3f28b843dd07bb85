"""What is done to counting objects of the project's own: ``self.hits(prediction, y)``.

Asked of the text of their classes: a method adds to what the object keeps, gives it another value,
or neither. What adds with one method and is set back by none goes on from epoch to epoch.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

from pl_lint.facts.sites import Does, MeterUse
from pl_lint.static.interpreter.abstract import Abstract, Instance, Self
from pl_lint.static.interpreter.context import Context, Frame
from pl_lint.static.interpreter.formulas import CALLED
from pl_lint.static.interpreter.listing import ADDS, own_attribute_of
from pl_lint.static.interpreter.lookup import class_of
from pl_lint.static.names import ClassInfo, FunctionNode, dotted
from pl_lint.static.naming import bindings, own
from pl_lint.static.trees import walk

PLAIN = frozenset({"object", "builtins.object", "abc.ABC", "torch.nn.Module"})
"""Bases that keep nothing of what a class counts."""


def note(
    context: Context, function: ast.Attribute, receiver: Abstract, node: ast.Call, frame: Frame
) -> None:
    """``self.meter.update(loss)``, and ``self.meter(loss)``."""
    if isinstance(receiver, Self):
        made, name, methods = context.attributes.get(function.attr), function.attr, CALLED
    else:
        name = own_attribute_of(context, function.value, frame) or ""
        made, methods = receiver, (function.attr,)
    info = class_of(context, made, frame) if name and isinstance(made, Instance) else None
    if info is None or context.hook.name == "__init__":
        return
    does = _does(context, info, methods)
    if does is not None:
        where = context.location(node, frame)
        context.recorder.add(MeterUse(name, does, context.hook.name, context.hook.stage, where))


def _does(context: Context, info: ClassInfo, methods: tuple[str, ...]) -> Does | None:
    """What a call of one of some methods does to what its object has counted; nothing of an object
    that does not count, or whose class was not read."""
    bases = context.project.ancestors(info)
    if any(isinstance(one, str) and one not in PLAIN for one in bases):
        return None
    defined: dict[str, FunctionNode] = {}
    for base in bases:
        defined |= {} if isinstance(base, str) else base.methods | defined
    added = {name: frozenset(_added(one)) for name, one in defined.items() if name != "__init__"}
    given = {name: frozenset(_given(one)) for name, one in defined.items()}
    counted = frozenset[str]().union(*added.values())
    reached = {each for name in methods for each in _reached(name, defined)}
    if any(given[name] & counted for name in reached):
        return "set back"
    if any(added.get(name) for name in reached):
        return "add"
    return "read" if reached and counted else None


def _added(function: FunctionNode) -> Iterator[str]:
    """The attributes that a method adds to: ``self.n += 1``, ``self.seen.append(x)``."""
    for part in walk(function):
        match part:
            case ast.AugAssign(ast.Attribute() | ast.Subscript() as target, ast.Add()):
                yield from filter(None, (_own(target),))
            case ast.Call(ast.Attribute(ast.Attribute() as kept, attr)) if attr in ADDS:
                yield from filter(None, (own(kept),))
            case ast.Assign([ast.Attribute() as target], value) if _carries(value, target):
                yield from filter(None, (own(target),))


def _given(function: FunctionNode) -> Iterator[str]:
    """The attributes that a method gives another value, empties, or may."""
    for part in walk(function):
        for target, value in bindings(part):
            name = _own(target)
            if name and value is not None and not _carries(value, target):
                yield name
        match part:
            case ast.Call(ast.Attribute(ast.Attribute() as kept, attr)) if attr not in ADDS:
                yield from filter(None, (own(kept),))
            case ast.Delete(targets):
                yield from filter(None, map(_own, targets))


def _own(target: ast.expr) -> str | None:
    """``hits`` of ``self.hits`` and ``self.hits[name]``."""
    return _own(target.value) if isinstance(target, ast.Subscript) else own(target)


def _carries(value: ast.expr, target: ast.expr) -> bool:
    """Whether a value is worked out from what stands there: ``self.n = self.n + 1``."""
    kept = dotted(target)
    return any(isinstance(one, ast.Attribute) and dotted(one) == kept for one in walk(value))


def _reached(name: str, defined: Mapping[str, FunctionNode]) -> set[str]:
    """A method, and those of its object that it calls in turn."""
    reached: set[str] = set()
    waiting = [name]
    while waiting:
        method = waiting.pop()
        if method in reached or method not in defined:
            continue
        reached.add(method)
        waiting += filter(None, map(own, _called(defined[method])))
    return reached


def _called(function: FunctionNode) -> Iterator[ast.expr]:
    return (part.func for part in walk(function) if isinstance(part, ast.Call))
