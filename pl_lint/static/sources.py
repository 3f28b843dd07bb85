"""Source files as the reader takes them in: found, decoded and parsed, never imported.

Whatever a file holds, reading it ends in a ``SourceFile`` or in an ``Unreadable`` that says why.
"""

from __future__ import annotations

import ast
import io
import os
import re
import stat
import tokenize
import warnings
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TypeVar, cast

from pl_lint.findings import Location
from pl_lint.plain import frozen
from pl_lint.static.complaints import explain, is_notebook
from pl_lint.static.suppressions import Suppressions
from pl_lint.static.trees import children, left_unread, parents, walk
from pl_lint.static.walk import find_sources

Made = TypeVar("Made")

__all__ = [
    "TOO_DEEP",
    "BrokenCell",
    "SourceFile",
    "Unfinished",
    "Unreadable",
    "find_sources",
    "lines_of",
    "load",
    "mentions_lightning",
    "parse",
    "read_bytes",
    "shown",
    "tree_of",
]

LARGEST = 16 * 2**20
"""Bytes. Parsing takes about 100 times the size of the text in memory, and no one writes this by
hand."""

LARGEST_NOTEBOOK = 8 * LARGEST
"""Most of a notebook is pictures, which are not parsed."""

CELL = re.compile(r"(?P<file>.+):cell (?P<number>\d+)")

TOO_DEEP = "too deeply nested to read; simplify it or exclude the file"

WORDS = (
    b"lightning",
    b"LightningCLI",
    b"torchmetrics",
    b"pl_lint",
    b"test_step(",
    b"configure_optimizers",
    b"self.log(",
    b"self.log_dict(",
    b"_epoch_end(",
    b"_step_end(",
    b"IterableDataset",
    b".load_from_checkpoint(",
)
HOOKS = (b"training_step", b"validation_step", b"predict_step")
"""Words that end here: ``validation_steps`` is an argument of Keras."""


def mentions_lightning(data: bytes) -> bool:
    """Whether a file can matter: only these are parsed.

    ``lightning`` alone misses the files whose base class comes from another file of the project
    (11 % of those that define hooks); the five hooks find all of these. ``torchmetrics`` finds
    the project's own metric classes, ``self.log`` the mixins and helpers that log without naming
    Lightning, ``_epoch_end(`` and ``_step_end(`` classes that add no more to a base in another file
    than what 2.0 removed, ``.load_from_checkpoint(`` the script that uses a trained module. Tests
    are called ``test_step_size`` and the like, so that hook is looked for with its bracket: without
    it, four fifths of what was read of installed packages were such tests and what they import. A
    few substring searches run at memory speed, a regular expression does not.
    """
    if b"\0" in data:  # UTF-16, perhaps: parsing will say so
        data = data.replace(b"\0", b"")
    return any(word in data for word in WORDS) or any(_ends(hook, data) for hook in HOOKS)


def _ends(word: bytes, data: bytes) -> bool:
    """Whether a word occurs that does not go on."""
    end = data.find(word) + len(word)
    while end >= len(word):
        following = data[end : end + 1]
        if not following.isalnum() and following != b"_":
            return True
        end = data.find(word, end) + len(word)
    return False


@frozen
class Unreadable:
    """A file that cannot be read, and why."""

    location: Location
    message: str

    @property
    def verdict(self) -> str:
        return "cannot be read"


@frozen
class Unfinished(Unreadable):
    """A file with nothing wrong about it that is more work than reading it may be: it is told, but
    is no reason to stop a pipeline."""

    @property
    def verdict(self) -> str:
        return "not read to its end"


@frozen
class BrokenCell(Unfinished):
    """A cell of a notebook that is no Python, and so was never run as it stands: the others are
    read, and what they hold decides."""

    @property
    def verdict(self) -> str:
        return "this cell cannot be read"


INSTALL = re.compile(r"^\s*[%!]?\s*(?:pip3?|conda|mamba|uv pip)\s+install\b.*", re.MULTILINE)


def _is_command(function: ast.expr) -> bool:
    """``os.system``, ``get_ipython().system``"""
    match function:
        case ast.Attribute(ast.Name("os" | "subprocess")):
            return True
        case ast.Attribute(ast.Call(ast.Name("get_ipython"))):
            return True
    return False


@frozen
class SourceFile:
    """A parsed file. ``text`` has ``\\n`` line ends, whatever the file has."""

    path: str
    text: str
    tree: ast.Module
    suppressions: Suppressions

    @property
    def has_one_gpu(self) -> bool:
        """Whether the file says that it runs on a machine with one."""
        return False

    @property
    def installs(self) -> str:
        """The commands that install packages: a script that was a notebook runs them first."""
        if "install" not in self.text:
            return ""
        lines = (node.value for node in self.tree.body if isinstance(node, ast.Expr))
        calls = (one for one in lines if isinstance(one, ast.Call) and _is_command(one.func))
        given = (one.value for call in calls for one in call.args if isinstance(one, ast.Constant))
        return "\n".join(INSTALL.findall("\n".join(one for one in given if isinstance(one, str))))

    @property
    def broken(self) -> tuple[Unreadable, ...]:
        """The cells that cannot be read, where there are cells."""
        return ()

    @property
    def written(self) -> str:
        """The text as people wrote it, commands of notebooks included."""
        return self.text

    @cached_property
    def lines(self) -> tuple[str, ...]:
        """The lines as Python counts them (``str.splitlines`` would also cut at form feeds)."""
        return tuple(self.text.split("\n"))

    @cached_property
    def _parts(self) -> dict[ast.AST, tuple[ast.AST, ...]]:
        return {}

    @cached_property
    def _made(self) -> dict[tuple[Callable[[ast.AST], object], ast.AST], object]:
        return {}

    @cached_property
    def _found(self) -> dict[re.Pattern[str], tuple[str, ...]]:
        return {}

    def parts(self, tree: ast.AST) -> tuple[ast.AST, ...]:
        """All nodes of a function or a class: gone over once, however often they are asked for."""
        if tree not in self._parts:
            self._parts[tree] = tuple(walk(tree))
        return self._parts[tree]

    def once(self, make: Callable[[ast.AST], Made], tree: ast.AST) -> Made:
        """What a function makes of a piece of code: made once, however often it is asked for."""
        if (make, tree) not in self._made:
            self._made[make, tree] = make(tree)
        return cast(Made, self._made[make, tree])

    def found(self, pattern: re.Pattern[str]) -> tuple[str, ...]:
        """What a pattern finds in the text: looked for once, as ``re.findall`` does."""
        if pattern not in self._found:
            self._found[pattern] = tuple(pattern.findall(self.text))
        return self._found[pattern]

    @cached_property
    def mentions(self) -> Mapping[str, tuple[ast.Name, ...]]:
        """Where each name stands, for what asks of one function after another."""
        found: dict[str, list[ast.Name]] = {}
        for node in self.parts(self.tree):
            if isinstance(node, ast.Name):
                found.setdefault(node.id, []).append(node)
        return {name: tuple(nodes) for name, nodes in found.items()}

    @cached_property
    def above(self) -> Mapping[ast.AST, ast.AST]:
        """The node around each node, for what asks often."""
        return parents(self.tree)

    @cached_property
    def unread(self) -> Mapping[ast.expr, str]:
        """What is given to names that nothing in the file reads."""
        return left_unread(self.tree)

    @property
    def depth(self) -> int:
        """How deep the syntax is nested; found without recursion, which is what may be too deep."""
        deepest = 0
        level: list[ast.AST] = [self.tree]
        while level:
            deepest += 1
            level = [child for node in level for child in children(node)]
        return deepest

    def location(self, node: ast.expr | ast.stmt) -> Location:
        """Where a node stands. Python counts columns in UTF-8 bytes, people in characters."""
        end_line = node.end_lineno or node.lineno
        return Location(
            path=self.path,
            line=node.lineno,
            column=self._column(node.lineno, node.col_offset),
            end_line=end_line,
            end_column=self._column(end_line, node.end_col_offset or 0),
        )

    def _column(self, line: int, offset: int) -> int:
        text = self.lines[line - 1]
        if text.isascii():
            return offset + 1
        return len(text.encode("utf-8")[:offset].decode("utf-8", "replace")) + 1


Contents = Callable[[Path], "bytes | Unreadable"]
"""Where the bytes of a file come from: the disk, an editor, a fix that is not written yet."""


def load(path: Path) -> SourceFile | Unreadable:
    data = read_bytes(path)
    return data if isinstance(data, Unreadable) else parse(path, data)


def shown(path: Path) -> str:
    """How a path is reported: from the working directory where it lies below, with ``/``."""
    try:
        return Path(os.path.abspath(path)).relative_to(Path.cwd()).as_posix()
    except ValueError:
        return path.as_posix()


def _unreadable(path: Path, message: str, line: int = 1, column: int = 1) -> Unreadable:
    return Unreadable(Location(shown(path), line, column), message)


def _unopened(path: Path, message: str) -> Unreadable:
    """A file in which nothing has a place."""
    return Unreadable(Location(shown(path), 0), message)


def read_bytes(path: Path) -> bytes | Unreadable:
    """A file's content. Only regular files: a pipe or a device might never end."""
    try:
        found = os.stat(path)
        if stat.S_ISDIR(found.st_mode):
            return _unopened(path, "this folder cannot be listed; check its permissions")
        if not stat.S_ISREG(found.st_mode):
            return _unopened(path, _absence(path))
        if found.st_size > (LARGEST_NOTEBOOK if path.suffix == ".ipynb" else LARGEST):
            megabytes = found.st_size / 2**20
            return _unopened(path, f"{megabytes:.0f} MiB is too large to read; exclude it")
        return path.read_bytes()
    except OSError as error:
        if not path.exists():
            return _unopened(path, _absence(path))
        return _unopened(path, f"cannot be read: {error.strerror or error}")
    except ValueError:  # a NUL in the path itself
        return Unreadable(Location(str(path), 0), "no such file")


def _absence(path: Path) -> str:
    if path.is_symlink():
        return "a link that leads nowhere; repair or delete it"
    return "not a regular file; name a file or a folder" if path.exists() else "no such file"


def parse(path: Path, data: bytes) -> SourceFile | Unreadable:
    """The syntax tree of a file's content."""
    if b"\0" in data:
        return _nul(path, data)
    text = _decode(path, data)
    if isinstance(text, Unreadable):
        return text
    if path.suffix == ".ipynb" or is_notebook(text):
        from pl_lint.static.notebooks import parse_notebook  # it is made of what stands here

        return parse_notebook(path, text)
    try:
        tree = tree_of(text)
    except SyntaxError as error:
        line, column = max(error.lineno or 1, 1), max(error.offset or 1, 1)
        return _unreadable(path, explain(error, text), line, column)
    except (RecursionError, MemoryError):
        return _unreadable(path, TOO_DEEP)
    except (ValueError, OverflowError) as error:
        return _unreadable(path, f"cannot be parsed: {error}; exclude the file")
    return SourceFile(shown(path), text, tree, Suppressions(text, shown(path)))


def tree_of(text: str) -> ast.Module:
    """Parses in silence: the user's invalid escapes are not our warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(text)


def _nul(path: Path, data: bytes) -> Unreadable:
    position = data.index(b"\0")
    line = data.count(b"\n", 0, position) + 1
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return _unreadable(path, "this is UTF-16, which Python does not read; save it as UTF-8")
    return _unreadable(path, "a NUL byte, which no Python file may hold; delete it", line)


def _decode(path: Path, data: bytes) -> str | Unreadable:
    """Decodes as Python does: byte order mark, PEP 263 cookie, UTF-8; all line ends become \\n."""
    stream = io.BytesIO(data)
    encoding = "utf-8"
    try:
        encoding, _ = tokenize.detect_encoding(stream.readline)
        stream.seek(0)
        return io.TextIOWrapper(stream, encoding).read()
    except SyntaxError as error:  # no such encoding, or bytes in the first lines that are not UTF-8
        return _not_utf8(path, data) or _unreadable(path, f"{error.msg}; save the file as UTF-8")
    except LookupError:
        return _unreadable(path, "its encoding is not one for text; save the file as UTF-8")
    except UnicodeError as error:
        return _not_utf8(path, data) or _unreadable(
            path, f"not {encoding}: {error}; save the file as UTF-8"
        )


def _not_utf8(path: Path, data: bytes) -> Unreadable | None:
    """Where the first byte stands that is not UTF-8."""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        message = f"byte 0x{data[error.start]:02X} is not UTF-8; save the file as UTF-8"
        return _unreadable(path, message, line)
    return None


def lines_of(path: str) -> tuple[str, ...]:
    """The lines of a file to be shown: as well as they can be decoded, none where there is none.

    ``notebook.ipynb:cell 3`` names a cell, as ``Location.source`` does.
    """
    in_cell = CELL.fullmatch(path)
    file = Path(in_cell["file"] if in_cell else path)
    data = read_bytes(file)
    if isinstance(data, Unreadable):
        return ()
    text = _decode(file, data)
    if isinstance(text, Unreadable):
        text = data.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")
    if in_cell:
        from pl_lint.static.notebooks import cell_lines

        return cell_lines(text, int(in_cell["number"]))
    return tuple(text.split("\n"))
