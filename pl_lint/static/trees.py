"""Going over syntax trees."""

from __future__ import annotations

import ast
from collections.abc import Iterator


def walk(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes in the order of ``ast.walk``, in half of its time.

    The marks that say whether a name is read or written are left out: they are a third of all
    nodes, and nobody looks for them.
    """
    nodes = [tree]
    for node in nodes:  # which grows on the way
        nodes.extend(children(node))
        yield node


def children(node: ast.AST) -> list[ast.AST]:
    """The nodes right below one."""
    found: list[ast.AST] = []
    for field in node._fields:
        value = getattr(node, field, None)
        if isinstance(value, list):
            found.extend([one for one in value if isinstance(one, ast.AST)])
        elif isinstance(value, ast.AST) and field != "ctx":
            found.append(value)
    return found


def parents(tree: ast.AST) -> dict[ast.AST, ast.AST]:
    """The node around each node."""
    found: dict[ast.AST, ast.AST] = {}
    nodes = [tree]
    for node in nodes:
        below = children(node)
        nodes.extend(below)
        found.update(dict.fromkeys(below, node))
    return found
