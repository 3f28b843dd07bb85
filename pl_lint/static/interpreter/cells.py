"""Cells of notebooks, and of scripts that editors run as such: ``# %%`` begins one.

What stands last in a cell is shown to whoever runs it.
"""

from __future__ import annotations

import ast
import re

from pl_lint.static.sources import SourceFile

MARK = re.compile(r"^#\s*%%", re.MULTILINE)


def ends_one(node: ast.expr, source: SourceFile) -> bool:
    """Whether an expression is the last of its cell."""
    is_notebook = source.path.endswith(".ipynb")
    body = source.tree.body
    index = next((n for n, one in enumerate(body) if getattr(one, "value", None) is node), None)
    if index is None or not (is_notebook or source.found(MARK)):
        return False
    after = body[index + 1] if index + 1 < len(body) else None
    if after is None:
        return True
    if is_notebook:
        return source.location(after).cell != source.location(node).cell
    between = source.lines[node.end_lineno or 0 : after.lineno - 1]
    return any(map(MARK.match, between))
