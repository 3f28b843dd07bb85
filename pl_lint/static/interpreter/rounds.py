"""What a loop uses again in each round although it remembers the round before: callbacks of a new
Trainer, and the module of a new fold. Asked of the text of one function."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from pl_lint.facts import lightning
from pl_lint.static.interpreter.context import Context, Frame
from pl_lint.static.interpreter.handling import Scope, model_of
from pl_lint.static.interpreter.refits import around, repeats
from pl_lint.static.names import dotted
from pl_lint.static.naming import identifiers
from pl_lint.static.trees import walk

FOLDS = re.compile(r"(\w+_)?k?_?folds?(_\w+)?|\w*KFold", re.IGNORECASE)
"""What the parts of a cross-validation are called."""


def callbacks_again(context: Context, call: ast.Call, frame: Frame) -> Iterator[str]:
    """The callbacks of a Trainer that each round of a loop makes and fits, where the callbacks
    themselves were made before the loop, by Lightning's names for them."""
    scope = Scope.around(call, frame.module.source)
    given = next((one.value for one in call.keywords if one.arg == "callbacks"), None)
    if scope is None or given is None:
        return
    for loop in around(call, scope):
        if repeats(loop, call, [], scope) and _fits(loop):
            for made in _made_before(given, loop, scope):
                name = context.project.resolve(dotted(made.func) or "", frame.module)
                known = lightning.canonical(name) if isinstance(name, str) else None
                if known is not None:
                    yield known


def _fits(loop: ast.AST) -> bool:
    called = (one.func for one in walk(loop) if isinstance(one, ast.Call))
    return any(isinstance(one, ast.Attribute) and one.attr == "fit" for one in called)


def _made_before(given: ast.expr, loop: ast.AST, scope: Scope) -> Iterator[ast.Call]:
    """The objects in a value that were made before a loop, which sets nothing of them."""
    match given:
        case ast.List(items) | ast.Tuple(items):
            for item in items:
                yield from _made_before(item, loop, scope)
        case ast.BinOp(left, ast.Add(), right):
            yield from _made_before(left, loop, scope)
            yield from _made_before(right, loop, scope)
        case ast.Name(name) if (value := _only_value(name, loop, scope)) is not None:
            held = value.elts if isinstance(value, (ast.List, ast.Tuple)) else [value]
            yield from (one for one in held if isinstance(one, ast.Call))
            for one in held:
                yield from _made_before(one, loop, scope)


def _only_value(name: str, loop: ast.AST, scope: Scope) -> ast.expr | None:
    """What a name stands for, where that is given once and before a loop that leaves it alone."""
    inside = [one for one in walk(loop) if isinstance(one, ast.Name) and one.id == name]
    values = list(scope.assigned(name))
    alone = all(isinstance(one.ctx, ast.Load) for one in inside)
    return values[0] if len(values) == 1 and alone and not _changed(inside, scope) else None


def _changed(names: list[ast.Name], scope: Scope) -> bool:
    """Whether an object is set, or told to do something."""
    for one in names:
        member = scope.above[one]
        if isinstance(member, ast.Attribute):
            doer = scope.above[member]
            told = isinstance(doer, ast.Call) and doer.func is member
            if told or isinstance(member.ctx, ast.Store):
                return True
    return False


def folded(call: ast.Call, frame: Frame) -> bool:
    """Whether each fold of a loop trains the module on that was made before the loop, by a Trainer
    of its own, and nobody else gets hold of it there."""
    scope, model = Scope.around(call, frame.module.source), model_of(call)
    trainer = call.func.value if isinstance(call.func, ast.Attribute) else None
    if scope is None or not isinstance(model, ast.Name):
        return False
    for loop in around(call, scope):
        if isinstance(loop, ast.For) and repeats(loop, call, [], scope):
            made = _only_value(model.id, loop, scope)
            inside = {id(one) for one in walk(loop)}
            left = all(id(doer) not in inside for _, doer in scope.handled(model.id))
            if isinstance(made, ast.Call) and left and _is_new(trainer, loop):
                return any(map(FOLDS.fullmatch, _words(loop, scope)))
    return False


def _is_new(trainer: ast.expr | None, loop: ast.For) -> bool:
    """Whether each round makes the Trainer."""
    if isinstance(trainer, ast.Call):
        return True
    name = trainer.id if isinstance(trainer, ast.Name) else ""
    stored = (one for one in walk(loop) if isinstance(one, ast.Name) and one.id == name)
    return any(isinstance(one.ctx, ast.Store) for one in stored)


def _words(loop: ast.For, scope: Scope) -> Iterator[str]:
    """The names in the head of a loop, and in what these were made of."""
    yield from identifiers(loop.target)
    for word in {*identifiers(loop.iter)}:
        yield word
        for value in scope.assigned(word):
            yield from identifiers(value) if value is not None else ()
