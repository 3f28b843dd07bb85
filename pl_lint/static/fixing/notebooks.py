"""Fixes in notebooks: the program is mended as a file is, and what changed goes back to its cells.

Of the JSON nothing is written anew but the strings of the lines that change: whoever saved the
notebook chose its indentation, the order of its keys, and what its cells have put out.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from itertools import takewhile
from typing import Any

from pl_lint.fixes import Edit, Fix
from pl_lint.places import Location
from pl_lint.plain import frozen, is_plain, names, replace
from pl_lint.static.broken_cells import stand_ins
from pl_lint.static.fixing.changes import Mender
from pl_lint.static.fixing.text import Document
from pl_lint.static.notebook_places import items, sources
from pl_lint.static.notebooks import Notebook, code_cells, is_valid, python_of
from pl_lint.static.sources import SourceFile

# --- edits of cells -------------------------------------------------------------------------------


@frozen(eq=False)
class CellMender:
    """Turns the fixes of a notebook's findings into edits of its cells."""

    notebook: Notebook

    def resolved(self, fixes: Sequence[Fix | None]) -> list[Fix | None]:
        """The fixes with their edits; None where one leaves its cell, or is not of Python alone."""
        book = self.notebook
        program = Mender(SourceFile(book.path, book.text, book.tree, book.suppressions))
        drafts = [fix and _moved(fix, book.cells.unplaced) for fix in fixes]
        made = zip(fixes, program.resolved(drafts), strict=True)
        return [fix and draft and self._in_cells(fix, draft.edits) for fix, draft in made]

    def _in_cells(self, fix: Fix, edits: Sequence[Edit]) -> Fix | None:
        placed = [self._in_cell(edit) for edit in edits]
        known = tuple(edit for edit in placed if edit is not None)
        return replace(fix, edits=known) if len(known) == len(placed) else None

    def _in_cell(self, edit: Edit) -> Edit | None:
        """The edit by its cell; None where it leaves the cell, or touches a command of IPython."""
        first, last = (self._place(line) for line, _ in (edit.start, edit.end))
        if first.cell != last.cell:
            return None
        as_written = self.notebook.sources.get(first.cell, "").split("\n")
        program = self.notebook.text.split("\n")[edit.start[0] - 1 : edit.end[0]]
        if as_written[first.line - 1 : last.line] != program:
            return None
        start, end = (first.line, edit.start[1]), (last.line, edit.end[1])
        return Edit(start, end, edit.text, first.cell)

    def _place(self, line: int) -> Location:
        return self.notebook.cells.placed(Location(self.notebook.path, line))


def _moved(value: Any, move: Callable[[Location], Location]) -> Any:
    """A fix whose places are others."""
    if isinstance(value, Location):
        return move(value)
    if isinstance(value, tuple):
        return tuple(_moved(one, move) for one in value)
    if is_plain(value):
        parts = {name: _moved(getattr(value, name), move) for name in names(value)}
        return replace(value, **parts)
    return value


# --- the file -------------------------------------------------------------------------------------


@frozen
class NotebookDocument(Document):
    """The JSON of a notebook, edited by cells. ``broken`` are those that were no Python before."""

    broken: frozenset[int] = frozenset()

    @classmethod
    def opened(cls, text: str, encoding: str) -> NotebookDocument:
        document = cls(text, encoding)
        cells = document.cells.items()
        broken = (number for number, source in cells if not is_valid(python_of(source)))
        return replace(document, broken=frozenset(broken))

    @cached_property
    def cells(self) -> dict[int, str]:
        """The text of each cell of Python, by its number."""
        return dict(code_cells(json.loads(self.text)))

    @property
    def program(self) -> str:
        cells = ((number in self.broken, source) for number, source in self.cells.items())
        pieces = ((one if broken else python_of(one), broken) for broken, one in cells)
        return "\n".join(stand_ins(pieces))

    @property
    def parts(self) -> list[tuple[str, str]]:
        return [(f":cell {number}", f"{text}\n") for number, text in self.cells.items()]

    def edited(self, edits: Iterable[Edit]) -> Document:
        by_cell: dict[int, list[Edit]] = {}
        for edit in edits:
            by_cell.setdefault(edit.cell, []).append(edit)
        spans = dict(enumerate(sources(self.text), 1))
        text = self.text
        for number in sorted(by_cell, reverse=True):  # from the end: earlier places stay
            new = Document(self.cells[number]).edited(by_cell[number]).text
            start, end = spans[number]
            text = f"{text[:start]}{_rewritten(text[start:end], new)}{text[end:]}"
        return replace(self, text=text)


def _rewritten(raw: str, new: str) -> str:
    """The JSON of a cell's source, a text or a list of its lines, with other lines."""
    if raw.startswith('"'):
        return _quoted(new, raw)
    spans = list(items(raw, 0))
    old, lines = [raw[start:end] for start, end in spans], list(io.StringIO(new, newline=""))
    known = {json.loads(one): one for one in old}
    given = [known.get(line) or _quoted(line, raw) for line in lines]
    if not old or not given:
        return f"[{', '.join(given)}]"
    before = min(_alike(old, given), len(old) - 1, len(given) - 1)
    after = _alike(old[:before:-1], given[:before:-1])
    apart = raw[spans[0][1] : spans[1][0]] if len(spans) > 1 else f",{raw[1 : spans[0][0]]}"
    changed = apart.join(given[before : len(given) - after])
    return f"{raw[: spans[before][0]]}{changed}{raw[spans[-1 - after][1] :]}"


def _alike(one: Sequence[str], other: Sequence[str]) -> int:
    """How many items both begin with."""
    pairs = zip(one, other, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _quoted(line: str, like: str) -> str:
    return json.dumps(line, ensure_ascii=like.isascii() and "\\u" in like)
