"""Two names of a class for one thing: ``self.val_set = self.test_set``, ``sets["val"] =
sets["test"]``. This is asked of the text: of a thing that nothing is known of, values do not say.
"""

from __future__ import annotations

import ast

from pl_lint.static.interpreter.context import Frame
from pl_lint.static.names import ClassInfo


def of(node: ast.expr | None, frame: Frame) -> str:
    """The name that was there first, as text; an item of an attribute by its own name; else
    nothing."""
    info = frame.defining
    if info is None or node is None:
        return ""
    match node:
        case ast.Attribute(ast.Name("self"), _):
            first = _only_given(ast.unparse(node), info)
            of_class = isinstance(first, ast.Attribute) and _is_self(first.value)
            return ast.unparse(first) if first is not None and of_class else ""
        case ast.Subscript(ast.Attribute(ast.Name("self"), _) as table, ast.Constant(str())):
            return _item(node, ast.unparse(table), info)
    return ""


def _item(node: ast.Subscript, table: str, info: ClassInfo) -> str:
    """``self.sets["test"]`` for ``self.sets["val"]``, if the one was made of the other."""
    kept = _only_given(table, info)
    names = {table} | ({kept.id} if isinstance(kept, ast.Name) else set())
    for name in names:
        first = _only_given(f"{name}[{ast.unparse(node.slice)}]", info)
        if isinstance(first, ast.Subscript) and ast.unparse(first.value) == name:
            return f"{table}[{ast.unparse(first.slice)}]"
    return ast.unparse(node)


def _only_given(target: str, info: ClassInfo) -> ast.expr | None:
    """What the class gives to an attribute or an item, where it does so in one place; None before
    that only keeps one."""
    values = [
        part.value
        for method in info.methods.values()
        for part in info.module.source.parts(method)
        if isinstance(part, ast.Assign) and len(part.targets) == 1
        if isinstance(part.targets[0], (ast.Attribute, ast.Subscript))
        if ast.unparse(part.targets[0]) == target and not _is_none(part.value)
    ]
    return values[0] if len(values) == 1 else None


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _is_self(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "self"
