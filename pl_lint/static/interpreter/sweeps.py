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
WRAPPING = frozenset("dict list tuple sorted enumerate copy deepcopy join".split())
"""What gives all of what it is given."""
KEEPING = frozenset(
    "append appendleft extend insert update put dump dumps save savez write writerow writerows "
    "writelines write_text print pprint info debug warning log log_dict log_metrics add_row "
    "add_data add_scalars add_text".split()
)
"""What keeps all of it, or writes it."""
OF_TYPES = frozenset("isinstance is_tensor hasattr callable".split())
"""What is asked of values to write them, whichever they are."""


def note(context: Context, taken: Abstract | None, node: ast.Call, frame: Frame) -> None:
    """``trainer.callback_metrics.items()`` of which no item is left out by its key, and
    ``dict(trainer.callback_metrics)``, where all of it comes to something."""
    if not context.hook.name or taken is None or not lookup.is_metrics_dict(taken):
        return
    if _is_read_whole(node, frame):
        where, hook = context.location(node, frame), context.hook
        context.recorder.add(LoggedReadSite(UNKNOWN, hook.name, where, hook.stage, whole=True))


def _is_read_whole(node: ast.AST, frame: Frame, named: frozenset[str] = frozenset()) -> bool:
    """Whether a loop goes over all of it, the class keeps it, or something that keeps or writes it
    is given it: itself, or by a local name. Methods of the class are followed."""
    above = frame.module.source.above
    around = above.get(node)
    match around:
        case ast.For(iter=over, body=body) if over is node:
            return not any(_decides(part) for each in body for part in walk(each))
        case ast.comprehension(iter=over) if over is node:
            made = above[around]
            decided = any(map(_decides, walk(made)))
            return not decided and _is_read_whole(made, frame, named)
        case ast.Attribute(attr="items" | "copy"):
            return _is_read_whole(above[around], frame, named)
        case ast.Call(function) if function is not node:
            if _last(function) in WRAPPING:
                return _is_read_whole(around, frame, named)
            own = (dotted(function) or "").rpartition(".")[0] == "self"
            return _last(function) in KEEPING and not own
        case ast.Assign([ast.Attribute()]):
            return True
        case ast.Assign([ast.Name(name)]) if name not in named:
            uses = [one for one in frame.parts if _is_use(one, name)]
            whole = any(_is_read_whole(one, frame, named | {name}) for one in uses)
            return whole and not any(_takes_out(above.get(one)) for one in uses)
    return False


def _decides(part: ast.AST) -> bool:
    """Whether a part of a loop may leave some of it out, or stop."""
    match part:
        case ast.If(test) | ast.IfExp(test) | ast.While(test):
            return not _asks_for_type(test)
        case ast.comprehension(ifs=tests):
            return not all(map(_asks_for_type, tests))
    return isinstance(part, (ast.Match, ast.Try, ast.Assert))


def _asks_for_type(test: ast.expr) -> bool:
    return isinstance(test, ast.Call) and _last(test.func) in OF_TYPES


def _last(function: ast.expr) -> str:
    """What is called, without what stands before it."""
    match function:
        case ast.Name(name) | ast.Attribute(attr=name):
            return name
    return ""


def _is_use(part: ast.AST, name: str) -> bool:
    return isinstance(part, ast.Name) and part.id == name and isinstance(part.ctx, ast.Load)


def _takes_out(around: ast.AST | None) -> bool:
    """``metrics.pop("val_f1")``, ``del metrics["val_f1"]``"""
    match around:
        case ast.Attribute(attr="pop") | ast.Subscript(ctx=ast.Del()):
            return True
    return False
