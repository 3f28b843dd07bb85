"""What every fix promises, whatever it mends; the benchmark of fixes asks it of public code."""

from __future__ import annotations

import ast
import io
import tokenize
from collections import Counter

from pl_lint.findings import Finding
from pl_lint.fixes import Delete, Edit
from pl_lint.rules.registry import all_rules
from pl_lint.static.fixing.notebooks import NotebookDocument
from pl_lint.static.fixing.text import Document

ABOUT_COMMENTS = frozenset(rule.code for rule in all_rules() if rule.subject == "comments")


def broken_law(document: Document, finding: Finding) -> str:
    """What is wrong with a fix that is made by itself; empty where nothing is."""
    edits = sorted(finding.fix.edits) if finding.fix else []
    after = document.edited(edits)
    try:
        ast.parse(after.program)
    except SyntaxError as error:
        return f"no Python any more: {error}"
    lost = comments(document.program) - comments(after.program)
    deletes = any(isinstance(one, Delete) for one in (finding.fix.changes if finding.fix else ()))
    if lost and not deletes and finding.code not in ABOUT_COMMENTS:
        return f"comments are lost: {list(lost)}"
    return "" if _same_outside(document, after, edits) else "lines elsewhere have changed"


def comments(text: str) -> Counter[str]:
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return Counter(token.string for token in tokens if token.type == tokenize.COMMENT)


def _same_outside(before: Document, after: Document, edits: list[Edit]) -> bool:
    """The same of a notebook, cell by cell."""
    if not isinstance(before, NotebookDocument) or not isinstance(after, NotebookDocument):
        return _same_elsewhere(before, after, edits)
    return before.cells.keys() == after.cells.keys() and all(
        _same_elsewhere(
            Document(text),
            Document(after.cells[number]),
            [edit for edit in edits if edit.cell == number],
        )
        for number, text in before.cells.items()
    )


def _same_elsewhere(before: Document, after: Document, edits: list[Edit]) -> bool:
    """Whether the lines before the first edit, after the last and between them are kept."""
    kept: list[str] = []
    reached = 0
    for edit in edits:
        kept.append("".join(before.lines[reached : edit.start[0] - 1]))
        reached = max(reached, edit.end[0])
    kept.append("".join(before.lines[reached:]))
    at = 0
    for piece in kept:
        at = after.text.find(piece, at)
        if at < 0:
            return False
        at += len(piece)
    return after.text.startswith(kept[0]) and after.text.endswith(kept[-1])
