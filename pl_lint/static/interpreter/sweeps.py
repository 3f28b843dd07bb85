"""All that was logged, read at once: gone over, or kept as it is."""

from __future__ import annotations

import ast

from pl_lint.facts.sites import LoggedReadSite
from pl_lint.facts.values import UNKNOWN
from pl_lint.static.interpreter import lookup
from pl_lint.static.interpreter.abstract import Abstract
from pl_lint.static.interpreter.context import Context, Frame
from pl_lint.static.names import dotted
from pl_lint.static.trees import walk

COPYING = ("builtins.dict", "copy.copy", "copy.deepcopy")
WRAPPING = frozenset("dict list tuple sorted enumerate copy deepcopy".split())
"""What gives all of what it is given."""
COUNTING = frozenset("len bool any all isinstance type id".split())
TESTS = (ast.If, ast.IfExp, ast.While)


def note(context: Context, taken: Abstract | None, node: ast.Call, frame: Frame) -> None:
    """``trainer.callback_metrics.items()`` of which no item is left out by its key, and
    ``dict(trainer.callback_metrics)``, where all of it comes to something."""
    if not context.hook.name or taken is None or not lookup.is_metrics_dict(taken):
        return
    if _is_read_whole(node, frame):
        where, hook = context.location(node, frame), context.hook
        context.recorder.add(LoggedReadSite(UNKNOWN, hook.name, where, hook.stage, whole=True))


def _is_read_whole(node: ast.AST, frame: Frame, named: frozenset[str] = frozenset()) -> bool:
    """Whether a loop goes over all of it, the class keeps it, or something else than a method of
    the class is given it: itself, or by a local name. Methods are followed."""
    above = frame.module.source.above
    around = above.get(node)
    match around:
        case ast.For(target, over, body) if over is node:
            return not any(_asks_for(target, part) for each in body for part in walk(each))
        case ast.comprehension(target, over, tests) if over is node:
            made = above[around]
            parts = (*walk(made), *(ast.While(one, []) for one in tests))
            asked = any(_asks_for(target, part) for part in parts)
            return not asked and _is_read_whole(made, frame, named)
        case ast.Attribute(attr="items" | "copy"):
            return _is_read_whole(above[around], frame, named)
        case ast.Call(function) if function is not node:
            name = (dotted(function) or "").rpartition(".")
            if name[2] in WRAPPING:
                return _is_read_whole(around, frame, named)
            return name[0] != "self" and name[2] not in COUNTING
        case ast.Assign([ast.Attribute()]):
            return True
        case ast.Assign([ast.Name(name)]) if name not in named:
            uses = [one for one in frame.parts if _is_use(one, name)]
            whole = any(_is_read_whole(one, frame, named | {name}) for one in uses)
            return whole and not any(_takes_out(above.get(one)) for one in uses)
    return False


def _asks_for(target: ast.expr, part: ast.AST) -> bool:
    """Whether a condition asks for the key, which a loop gives first."""
    key = target.elts[0] if isinstance(target, ast.Tuple) else target
    if not isinstance(part, TESTS) or not isinstance(key, ast.Name):
        return False
    return any(_is_use(one, key.id) for one in walk(part.test))


def _is_use(part: ast.AST, name: str) -> bool:
    return isinstance(part, ast.Name) and part.id == name and isinstance(part.ctx, ast.Load)


def _takes_out(around: ast.AST | None) -> bool:
    """``metrics.pop("val_f1")``, ``del metrics["val_f1"]``"""
    match around:
        case ast.Attribute(attr="pop") | ast.Subscript(ctx=ast.Del()):
            return True
    return False
