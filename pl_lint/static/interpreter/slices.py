"""Lists of files, and tables whose rows were drawn, that are cut into parts."""

from __future__ import annotations

import ast

from pl_lint.facts.origins import is_drawn, is_listing, sure_parts
from pl_lint.facts.sites import PickSite, RestSite, SliceSite
from pl_lint.static.interpreter.abstract import Abstract, Opaque, Sequence, options
from pl_lint.static.interpreter.context import Arguments, Context, Frame
from pl_lint.static.names import dotted


def note(context: Context, node: ast.Subscript, receiver: Abstract, frame: Frame) -> None:
    """``files[:n]``, if it is surely files in the order in which the file system gave them, or
    rows in one that pandas has drawn.

    A ``while`` loop takes them part by part, and leaves none out.
    """
    if not isinstance(node.slice, ast.Slice) or _in_while(node, frame):
        return
    drawn = any(map(is_drawn, sure_parts(context.origin(receiver))))
    if not drawn and not all(lists_files(context, option) for option in options(receiver)):
        return
    context.recorder.add(
        SliceSite(
            of=ast.unparse(node.value),
            lower=_text(node.slice.lower),
            upper=_text(node.slice.upper),
            function=frame.function,
            origin=context.origin(receiver),
            location=context.location(node, frame),
            owner=context.owner,
            hook=context.hook.name,
            guards=context.guards,
        )
    )


def note_pick(context: Context, node: ast.Subscript, receiver: Abstract, frame: Frame) -> None:
    """``files[0]``, of the same lists."""
    match node.slice:
        case ast.Constant(int(index)):
            if all(lists_files(context, option) for option in options(receiver)):
                where = context.location(node, frame)
                of, filled = ast.unparse(node.value), _filled_around(node, frame)
                context.recorder.add(
                    PickSite(of, index, filled, frame.function, where, context.guards)
                )


def _filled_around(node: ast.AST, frame: Frame) -> str:
    """What the statement around an expression assigns, if that is one name or attribute."""
    around: ast.AST | None = node
    while around is not None and not isinstance(around, ast.stmt):
        around = frame.module.source.above.get(around)
    match around:
        case ast.Assign([target]):
            return dotted(target) or ""
    return ""


def note_rest(
    context: Context, name: str, arguments: Arguments, node: ast.Call, frame: Frame
) -> None:
    """``df.drop(train.index)`` and ``df.index.isin(train.index)`` of rows that were drawn."""
    for value in arguments.all() if name in ("drop", "isin") else ():
        origin = context.origin(value)
        if any(map(is_drawn, sure_parts(origin))):
            where = context.location(node, frame)
            context.recorder.add(RestSite(frame.function, origin, where))


def lists_files(context: Context, value: Abstract) -> bool:
    """Whether a value is the list, and not the name of one file in it."""
    match value:
        case Opaque(origin):
            return is_listing(origin)
        case Sequence(_, complete=False):
            return any(map(is_listing, sure_parts(context.origin(value))))
    return False


def _text(bound: ast.expr | None) -> str:
    return ast.unparse(bound) if bound is not None else ""


def _in_while(node: ast.AST, frame: Frame) -> bool:
    if "while " not in frame.module.source.text:
        return False
    above = frame.module.source.above
    around = above.get(node)
    while around is not None and not isinstance(around, ast.While):
        around = above.get(around)
    return around is not None
