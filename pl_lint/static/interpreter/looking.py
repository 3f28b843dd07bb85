"""What is done with the result of a call, in the text of its function: is it only looked at?"""

from __future__ import annotations

import ast

from pl_lint.static.interpreter.context import Frame


def members(node: ast.Call, frame: Frame) -> tuple[str, ...] | None:
    """The members of a result that its function reads, in the same expression or of the one local
    name that it gets; None where it does anything else with it."""
    match frame.module.source.above.get(node):
        case ast.Assign(targets=[ast.Name(name)]):
            names = (one for one in frame.parts if isinstance(one, ast.Name) and one.id == name)
            read = [_member(one, frame) for one in names if isinstance(one.ctx, ast.Load)]
        case _:
            read = [_member(node, frame)]
    found = tuple(one for one in read if one is not None)
    return found if len(found) == len(read) else None


def _member(node: ast.expr, frame: Frame) -> str | None:
    """The member that is read of a value; empty where it is only told what it is."""
    match frame.module.source.above.get(node):
        case ast.Attribute(attr=name, ctx=ast.Load()):
            return name
        case ast.Expr() | ast.Call(func=ast.Name("isinstance")) | ast.Compare(ops=[ast.Is()]):
            return ""
        case ast.Compare(ops=[ast.IsNot()]):
            return ""
    return None
