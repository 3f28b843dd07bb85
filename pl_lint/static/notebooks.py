"""Notebooks: the code of their cells as one program, each place told by cell and line.

Commands of IPython are taken out, so that what is left is Python with as many lines as before.
Cells are counted as editors show them: all of them, from 1.
"""

from __future__ import annotations

import ast
import io
import json
import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

from pl_lint.places import Location
from pl_lint.plain import field, frozen, replace
from pl_lint.static.broken_cells import stand_ins
from pl_lint.static.complaints import explain
from pl_lint.static.sources import (
    INSTALL,
    TOO_DEEP,
    BrokenCell,
    SourceFile,
    Unreadable,
    shown,
    tree_of,
)
from pl_lint.static.suppressions import Suppressions

PYTHON_CELLS = frozenset(
    ["time", "timeit", "capture", "prun", "memit", "mprun", "lprun", "python", "python3", "px"]
)
"""Commands for a whole cell (``%%time``) whose cell is Python of this program."""
WRAPPED = re.compile(r"^(\s*)%(?:time|timeit|prun|memit|lprun|mprun)\b((?:\s+-\w+(?:\s+\d+)?)*)")
"""``%time x = f()``: the statement behind is run as it is."""
COMMAND = re.compile(
    r"^(\s*)(?:[%!?].*|[\w.]+\?{1,2}\s*;?\s*|"
    r"(?:pip|pip3|conda|mamba|apt|git|ls|cd|pwd|cat|mkdir|rm|mv|cp|wget|unzip)(?:\s+[-\w./~].*)?)$"
)
"""Also what IPython runs without ``%`` or ``!``: ``pip install lightning``."""
RESULT = re.compile(r"^(\s*[\w., \[\]\"']+=)\s*[%!]\s*\S.*$")
"""``files = !ls``, ``newest, = ! ls | sort``"""
COMMANDED = "get_ipython()"
"""What stands for the output of a command."""
CANDIDATE = re.compile(
    r"^\s*[%!?]|\?\s*;?\s*$|=\s*[%!]|"
    r"^\s*(?:pip3?|conda|mamba|apt|git|ls|cd|pwd|cat|mkdir|rm|mv|cp|wget|unzip)\b",
    re.MULTILINE,
)
COLAB = "colab"
NO_CELLS = "this JSON is no notebook, it has no list of cells; exclude the file"


@frozen
class Cells:
    """Where in the program each cell of code begins, and how far all of it was indented."""

    numbers: tuple[int, ...] = ()
    starts: tuple[int, ...] = ()
    indents: tuple[int, ...] = ()

    def placed(self, place: Location) -> Location:
        """A place of the program as one in its cell."""
        index = bisect_right(self.starts, place.line) - 1
        if index < 0:
            return place
        before, indent = self.starts[index] - 1, self.indents[index]
        return replace(
            place,
            line=place.line - before,
            column=place.column + indent,
            end_line=place.end_line - before if place.end_line else 0,
            end_column=place.end_column + indent if place.end_column else 0,
            cell=self.numbers[index],
        )

    def unplaced(self, place: Location) -> Location:
        """A place in a cell as one of the program."""
        if place.cell not in self.numbers:
            return place
        before = self.starts[self.numbers.index(place.cell)] - 1
        end = place.end_line + before if place.end_line else 0
        return replace(place, line=place.line + before, end_line=end, cell=0)


@frozen
class Notebook(SourceFile):
    """A notebook as a program. ``installs`` are its commands that install packages; ``sources`` the
    texts of its cells by number, of those that can be written back as they are. ``service`` is what
    the metadata say of a service that runs it."""

    cells: Cells = field(default_factory=Cells)
    installs: str = ""
    sources: Mapping[int, str] = field(default_factory=dict)
    service: str = ""
    broken: tuple[Unreadable, ...] = ()

    @property
    def written(self) -> str:
        return "\n".join(self.sources.values())

    @property
    def has_one_gpu(self) -> bool:
        return self.service == COLAB

    def location(self, node: ast.expr | ast.stmt) -> Location:
        return self.cells.placed(super().location(node))


@frozen
class NotebookSuppressions(Suppressions):
    """The suppressions of a notebook: those of a line stand in its cell."""

    cells: Cells = field(default_factory=Cells)

    def _seen(self, place: Location) -> Location:
        return self.cells.placed(place)


def parse_notebook(path: Path, text: str) -> SourceFile | Unreadable:
    """The program in the JSON of a notebook."""
    document = _document(path, text)
    if isinstance(document, Unreadable):
        return document
    sources = dict(code_cells(document))
    indents = tuple(map(_indent, sources.values()))
    pieces = [
        python_of(_unindented(source, indent))
        for source, indent in zip(sources.values(), indents, strict=True)
    ]
    starts = accumulate((piece.count("\n") + 1 for piece in pieces), initial=1)
    cells = Cells(tuple(sources), tuple(starts)[: len(pieces)], indents)
    program = "\n".join(pieces)
    tree = _tree(path, program, cells)
    broken: tuple[BrokenCell, ...] = ()
    if isinstance(tree, Unreadable):
        broken = tuple(_broken(path, pieces, cells))
        program = "\n".join(_without(pieces, cells, broken))
        tree = _tree(path, program, cells) if len(broken) < sum(map(_holds_code, pieces)) else tree
    if isinstance(tree, Unreadable):
        return tree
    suppressions = NotebookSuppressions(program, shown(path), cells)
    installs = "\n".join(INSTALL.findall("\n".join(sources.values())))
    written = zip(sources.items(), indents, strict=True)
    straight = dict(source for source, indent in written if not indent)
    plain = dict(_plain_sources(document, straight))
    service = _service(document.get("metadata"))
    return Notebook(
        shown(path), program, tree, suppressions, cells, installs, plain, service, broken
    )


def _tree(path: Path, program: str, cells: Cells) -> ast.Module | Unreadable:
    try:
        return tree_of(program)
    except SyntaxError as error:
        where = Location(shown(path), max(error.lineno or 1, 1), max(error.offset or 1, 1))
        return Unreadable(cells.placed(where), explain(error, program))
    except (RecursionError, MemoryError):
        return Unreadable(Location(shown(path), 1), TOO_DEEP)
    except (ValueError, OverflowError) as error:
        message = f"cannot be parsed: {error}; exclude the file"
        return Unreadable(Location(shown(path), 1), message)


def _broken(path: Path, pieces: Sequence[str], cells: Cells) -> Iterator[BrokenCell]:
    """The cells that are no Python by themselves."""
    for piece, number, indent in zip(pieces, cells.numbers, cells.indents, strict=True):
        found = _tree(path, piece, Cells((number,), (1,), (indent,)))
        if isinstance(found, Unreadable):
            yield BrokenCell(replace(found.location, cell=number), found.message)


def _without(pieces: Sequence[str], cells: Cells, broken: Sequence[BrokenCell]) -> Iterator[str]:
    numbers = {one.location.cell for one in broken}
    found = zip(pieces, cells.numbers, strict=True)
    return stand_ins((piece, number in numbers) for piece, number in found)


def _holds_code(piece: str) -> bool:
    return bool(piece.strip())


def cell_lines(text: str, number: int) -> tuple[str, ...]:
    """The lines of a cell as people see them."""
    document = _document(Path(), text)
    cells = {} if isinstance(document, Unreadable) else dict(code_cells(document))
    return tuple(cells.get(number, "").split("\n"))


# --- the file -------------------------------------------------------------------------------------


def _document(path: Path, text: str) -> dict[str, Any] | Unreadable:
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        message = f"broken JSON: {error.msg}; save the notebook again or exclude it"
        return Unreadable(Location(shown(path), error.lineno, error.colno), message)
    except RecursionError:
        return Unreadable(Location(shown(path), 1), TOO_DEEP)
    except ValueError as error:
        return Unreadable(Location(shown(path), 1), f"broken JSON: {error}; exclude the file")
    known = isinstance(document, dict) and isinstance(_cells(document), list)
    return document if known else Unreadable(Location(shown(path), 1), NO_CELLS)


def _cells(document: dict[str, Any]) -> Any:
    """All cells; before format 4 they stood in worksheets."""
    sheets = document.get("worksheets")
    if "cells" not in document and isinstance(sheets, list):
        known = (sheet for sheet in sheets if isinstance(sheet, dict))
        return [cell for sheet in known for cell in sheet.get("cells") or ()]
    return document.get("cells")


def code_cells(document: dict[str, Any]) -> Iterator[tuple[int, str]]:
    """The number and the text of each cell of Python."""
    if not _is_python(document.get("metadata")):
        return
    for number, cell in enumerate(_cells(document), 1):
        if not isinstance(cell, dict) or cell.get("cell_type") != "code":
            continue
        source = cell.get("source", cell.get("input", ""))
        parts = source if isinstance(source, list) else [source]
        text = "".join(part for part in parts if isinstance(part, str))
        yield number, text.replace("\r\n", "\n").replace("\r", "\n")


def _plain_sources(
    document: dict[str, Any], sources: Mapping[int, str]
) -> Iterator[tuple[int, str]]:
    """The cells whose source is a text or a list of its lines, as format 4 has it."""
    for number, text in sources.items() if "cells" in document else ():
        given = document["cells"][number - 1].get("source")
        if given in (text, list(io.StringIO(text, newline=""))):
            yield number, text


def _service(metadata: Any) -> str:
    """Google Colab leaves its name in what it saves, and gives a notebook one GPU, or a TPU."""
    known = metadata if isinstance(metadata, dict) else {}
    return COLAB if COLAB in known and known.get("accelerator") != "TPU" else ""


def _is_python(metadata: Any) -> bool:
    """Whether the kernel runs Python; most notebooks say so, none of ours needs to."""
    known = metadata if isinstance(metadata, dict) else {}
    for key, name in (("kernelspec", "language"), ("language_info", "name")):
        section = known.get(key)
        language = section.get(name) if isinstance(section, dict) else None
        if isinstance(language, str) and language:
            return "python" in language.lower()
    return True


def _indent(source: str) -> int:
    """How far the first line of a cell is indented; IPython takes as much from all of them
    (``leading_indent`` of ``inputtransformer2.py``)."""
    first = next((line for line in source.split("\n") if line.strip()), "")
    return len(first) - len(first.lstrip(" \t"))


def _unindented(source: str, indent: int) -> str:
    lines = source.split("\n") if indent else []
    space = next((line[:indent] for line in lines if line.strip()), "")
    return "\n".join(line.removeprefix(space) for line in lines) if indent else source


# --- commands -------------------------------------------------------------------------------------


def python_of(source: str) -> str:
    """A cell without IPython's commands, with as many lines."""
    if not CANDIDATE.search(source):
        return source
    lines = source.split("\n")
    first = next((index for index, line in enumerate(lines) if line.strip()), 0)
    if lines[first].lstrip().startswith("%%"):
        name = re.match(r"\s*%%(\w*)", lines[first])
        if name is None or name[1] not in PYTHON_CELLS:
            return "\n" * (len(lines) - 1)
        lines[first] = ""
    for attempt in (lines, _translated(lines, everywhere=True), _translated(lines, False)):
        text = "\n".join(attempt)
        if is_valid(text):
            return text
    return "\n".join(_translated(lines, everywhere=True))


def _translated(lines: list[str], everywhere: bool) -> list[str]:
    """The lines with commands as Python that says nothing.

    Not ``everywhere``: an indented ``%`` may go on with an expression.
    """
    done: list[str] = []
    going_on = False
    for line in lines:
        changed = "" if going_on else _line(line) if everywhere or line[:1].strip() else line
        command = changed.strip() in ("", "pass") or changed.endswith(COMMANDED)
        going_on = line.rstrip().endswith("\\") and command
        done.append(changed)
    return done


def _line(line: str) -> str:
    wrapped = WRAPPED.match(line)
    if wrapped:
        return f"{wrapped[1]}{line[wrapped.end() :].lstrip()}" or "pass"
    command = COMMAND.match(line)
    if command:
        return f"{command[1]}pass"
    result = RESULT.match(line)
    return f"{result[1]} {COMMANDED}" if result else line


def is_valid(text: str) -> bool:
    try:
        tree_of(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True
