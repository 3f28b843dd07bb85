"""The callbacks of a new Trainer in each round of a loop, which remember the rounds before. Asked
of the text of one function."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Set

from pl_lint.facts import lightning
from pl_lint.static.interpreter.context import Context, Frame
from pl_lint.static.interpreter.handling import Scope, model_of
from pl_lint.static.interpreter.refits import HARMLESS, around, choices, repeats
from pl_lint.static.names import dotted
from pl_lint.static.trees import walk

SETTING_BACK = re.compile(r"\b(?:wait_count|best_k_models)\b")
"""What of a callback is set by whoever sets it back, a callback of the project for instance."""
READ = frozenset(["best_model_path", "best_model_score", "last_model_path", "stopped_epoch"])


def callbacks_again(context: Context, call: ast.Call, frame: Frame) -> Iterator[str]:
    """The callbacks of a Trainer that each round of a loop makes and fits, where the callbacks
    themselves were made before the loop and are left alone, by Lightning's names for them."""
    scope = Scope.around(call, frame.module.source)
    told = {one.arg: one.value for one in call.keywords}
    set_back = any(one.source.found(SETTING_BACK) for one in context.project.modules)
    if scope is None or "resume_from_checkpoint" in told or set_back:
        return
    for loop in around(call, scope):
        inside = {*walk(loop)} if repeats(loop, call, scope) else set[ast.AST]()
        given = told.get("callbacks") if _fits(call, inside, scope) else None
        for made in _made_before(given, inside, scope):
            name = context.project.resolve(dotted(made.func) or "", frame.module)
            known = lightning.canonical(name) if isinstance(name, str) else None
            watches = any(one.arg == "monitor" for one in made.keywords)
            if known is not None and (watches or known != lightning.MODEL_CHECKPOINT):
                yield known


def _fits(call: ast.Call, inside: Set[ast.AST], scope: Scope) -> bool:
    """Whether each round fits the Trainer from the beginning, with a module of its own, and nobody
    but the loop has the Trainer."""
    match scope.above[call]:
        case ast.Assign([ast.Name(name)]):
            used = [scope.above[one] for one in _loads(name, scope)]
        case member:
            used = [member]
    fits = [
        scope.above[one] for one in used if isinstance(one, ast.Attribute) and one.attr == "fit"
    ]
    return (
        bool(inside)
        and all(_is_harmless(one, scope) for one in used)
        and any(inside.isdisjoint(choices(one, scope)) for one in fits)
        and all(isinstance(one, ast.Call) and _is_new(one, inside) for one in fits)
    )


def _is_harmless(member: ast.AST, scope: Scope) -> bool:
    """Whether what is used of a Trainer sets no callback back."""
    match member:
        case ast.Attribute(attr="checkpoint_callback" | "early_stopping_callback"):
            return _is_read(member, scope)
        case ast.Attribute(attr=name):
            return name in HARMLESS
    return False


def _is_read(callback: ast.AST, scope: Scope) -> bool:
    member = scope.above[callback]
    load = isinstance(member, ast.Attribute) and isinstance(member.ctx, ast.Load)
    return load and member.attr in READ  # type: ignore[attr-defined]


def _is_new(fit: ast.Call, inside: Set[ast.AST]) -> bool:
    """Whether a fit begins with a module that this round has made, and not with a checkpoint."""
    model = model_of(fit)
    stored = (one for one in inside if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store))
    made = isinstance(model, ast.Call) or getattr(model, "id", "") in {one.id for one in stored}
    return made and all(one.arg not in ("ckpt_path", None) for one in fit.keywords)


def _made_before(given: ast.expr | None, inside: Set[ast.AST], scope: Scope) -> Iterator[ast.Call]:
    """The objects in a value that were made outside of a loop, under names that stand nowhere else
    than there, but to be read in the loop."""
    match given:
        case ast.List(items) | ast.Tuple(items):
            for item in items:
                yield from _made_before(item, inside, scope)
        case ast.Starred(items):
            yield from _made_before(items, inside, scope)
        case ast.BinOp(left, ast.Add(), right):
            yield from _made_before(left, inside, scope)
            yield from _made_before(right, inside, scope)
        case ast.Call() if given not in inside:
            yield given
        case ast.Name(name):
            values = list(scope.assigned(name))
            others = (one for one in _loads(name, scope) if one is not given)
            left = all(one in inside and _is_read(one, scope) for one in others)
            if len(values) == 1 and left:
                yield from _made_before(values[0], inside, scope)


def _loads(name: str, scope: Scope) -> Iterator[ast.Name]:
    for one in scope.source.parts(scope.node):
        if isinstance(one, ast.Name) and one.id == name and isinstance(one.ctx, ast.Load):
            yield one
