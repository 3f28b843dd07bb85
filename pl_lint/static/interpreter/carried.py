"""How the model of a Trainer's call came into the function that makes the call.

``train(net, trainer)`` and ``test(net, trainer)`` run one model where the function that calls both
hands them the same name, and nobody else has had the model in between. Like ``handling`` this is
asked of the text, of the function that makes the call and of those that hand the model down.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator

from pl_lint.facts.branches import Arms
from pl_lint.facts.sites import Hands
from pl_lint.static.interpreter.context import Frame
from pl_lint.static.interpreter.handling import Scope, model_of
from pl_lint.static.names import dotted
from pl_lint.static.naming import bindings, named


def hands(call: ast.Call, frame: Frame) -> Iterator[Hands]:
    """The function of the call and, as long as the model is handed down by name, its callers."""
    model = model_of(call)
    if isinstance(model, ast.Attribute) and isinstance(model.value, ast.Name):
        yield from _of_object(model, call, frame)
    while isinstance(model, ast.Name):
        scope = Scope.around(call, frame.module.source)
        if scope is None:
            return
        yield _hands(model.id, call, scope, frame)
        if frame.caller is None or isinstance(scope.node, ast.Module):
            return
        handed = _given_to(scope.node, model.id, frame.caller[0])
        (call, frame), model = frame.caller, handed


def _of_object(model: ast.Attribute, call: ast.Call, frame: Frame) -> Iterator[Hands]:
    """``self.trainer.fit(self.model)``: any method of the object may do something to its model."""
    scope = Scope.around(call, frame.module.source)
    if scope is not None and dotted(model) == f"self.{model.attr}":
        yield _hands(f"self.{model.attr}", call, scope, frame)


def _hands(name: str, call: ast.Call, scope: Scope, frame: Frame) -> Hands:
    others = [(line, doer) for line, doer in scope.handled(name) if doer is not call]
    held = [one.lineno for one in scope.out_of_trainer()]
    handled = [*(line for line, _ in others), *held]
    return Hands(
        scope=f"{frame.module.path}:{frame.function}",
        name=name,
        line=call.lineno,
        handled=max((line for line in handled if line <= call.lineno), default=0),
        later=any(line > call.lineno for line in handled),
        untouched=all(line > call.lineno or _is_target(doer) for line, doer in others)
        and all(line > call.lineno for line in held),
    )


def replaced(written: str, call: ast.Call, frame: Frame) -> bool:
    """Whether the function of the call puts another model where that one was, in an attribute, or
    other weights into it, after the call."""
    later = (one for one in frame.parts if getattr(one, "lineno", 0) > call.lineno)
    return "." in written and any(_renews(one, {written}) for one in later)


def renewed(written: str, call: ast.Call, frame: Frame) -> Iterator[ast.stmt | ast.expr]:
    """Where the function of the call puts another model under the name that the call is given, or
    other weights into it, before the call: by that name, by another one for the same object
    (``model = self.model``), or out of the hands of a Trainer."""
    source = frame.module.source
    scope = Scope.around(call, source) if written else None
    if scope is None:
        return
    before = (one for one in source.parts(scope.node) if getattr(one, "lineno", 0) < call.lineno)
    doing = [one for one in before if isinstance(one, DOING)]
    names = {written, *_other_names(written, doing)}
    for one in doing:
        if (_renews(one, {written}) or _loads(one, names)) and Scope.around(one, source) == scope:
            yield one
    yield from (one for one in scope.out_of_trainer() if one.lineno < call.lineno)


def arms(node: ast.AST, frame: Frame) -> Arms:
    """The branches of its function's conditions that a piece of code stands in, as the interpreter
    counts them."""
    above = frame.module.source.above
    found: list[tuple[int, int]] = []
    while node in above and not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        inner, node = node, above[node]
        if isinstance(node, ast.If) and inner is not node.test:
            found.append((node.body[0].lineno, int(inner in node.orelse)))
    return tuple(reversed(found))


LOADS = re.compile(r"load(_|$)|restore")
"""Methods of a model that bring weights into it: ``load_state_dict``, ``load_model``."""
DOING = (ast.stmt, ast.NamedExpr, ast.Call)
"""Pieces of code that have a place and may put another object under a name."""


def _renews(part: ast.AST, names: set[str]) -> bool:
    """Whether one piece of code gives a name another object, or its object other weights."""
    return any(named(target) in names for target, _ in bindings(part)) or _loads(part, names)


def _loads(part: ast.AST, names: set[str]) -> bool:
    """Whether a call brings weights into what has one of these names, or into a part of it."""
    match part:
        case ast.Call(ast.Attribute(holder, method)) if LOADS.search(method):
            into = dotted(holder) or ""
            return any(into == name or into.startswith(f"{name}.") for name in names)
    return False


def _other_names(written: str, parts: Iterable[ast.AST]) -> Iterator[str]:
    for target, value in (pair for part in parts for pair in bindings(part)):
        if value is not None and dotted(value) == written:
            yield named(target)
        elif named(target) == written and isinstance(value, (ast.Name, ast.Attribute)):
            yield named(value)


def out_of_trainer(call: ast.Call, frame: Frame) -> bool:
    """Whether somebody was given the model that a Trainer holds (``load(trainer.model)``), in the
    function of the call or in those that led there, before it."""
    while True:
        scope = Scope.around(call, frame.module.source)
        if scope is not None and any(one.lineno <= call.lineno for one in scope.out_of_trainer()):
            return True
        if frame.caller is None:
            return False
        call, frame = frame.caller


def _is_target(doer: ast.AST) -> bool:
    """Whether all that is done is that the name gets an object."""
    return isinstance(doer, ast.Name) and isinstance(doer.ctx, ast.Store)


def _given_to(function: ast.AST, name: str, call: ast.Call) -> ast.expr | None:
    """What a call hands to a parameter of a function; None for what is no parameter."""
    if not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return None
    for keyword in call.keywords:
        if keyword.arg == name:
            return keyword.value
    places = [one.arg for one in (*function.args.posonlyargs, *function.args.args)]
    given = dict(zip(places, call.args, strict=False))
    starred = any(isinstance(one, ast.Starred) for one in call.args)
    return None if starred else given.get(name)
