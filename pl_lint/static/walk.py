"""Which files are read."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pl_lint.config import Config

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

INSTALLED = frozenset({"site-packages", "dist-packages", "node_modules", "__pypackages__"})
"""Folders of other people's code, by name."""
SUFFIXES = (".py", ".ipynb", ".yaml", ".yml")
"""Python, notebooks, and settings that may be Lightning's."""
ENVIRONMENT_MARKS = ("pyvenv.cfg", "conda-meta")
"""What lies in the top folder of a virtual environment, whatever the folder is called."""


def find_sources(paths: Sequence[Path], config: Config) -> Iterator[Path]:
    """The files to read, each once, in a stable order.

    A file that is named is always read. A folder is searched for Python files, notebooks and YAML;
    hidden folders, virtual environments, installed packages and what ``exclude`` or a
    ``.gitignore`` names are left out.
    What does not exist or cannot be listed is yielded too: loading it then says why.
    """
    seen: set[str] = set()
    for path in paths:
        candidates = _walk(path, config) if path.is_dir() else (path,)
        for candidate in candidates:
            identity = os.path.realpath(candidate)
            if identity not in seen:
                seen.add(identity)
                yield candidate


@dataclass(frozen=True)
class _Patterns:
    """Patterns in the syntax of ``.gitignore``, and the absolute folder they are relative to."""

    folder: str
    spec: GitIgnoreSpec

    def verdict(self, path: str) -> bool | None:
        """``True`` left out, ``False`` taken back by ``!pattern``, ``None`` nothing said."""
        relative = os.path.relpath(path, self.folder).replace(os.sep, "/")
        if relative.startswith("../"):
            return None
        return self.spec.check_file(relative + "/" * path.endswith("/")).include


@dataclass(frozen=True)
class _Folder:
    """A folder on the way down: as the user would write it, and what holds in it."""

    shown: Path
    absolute: str
    ignored: tuple[_Patterns, ...] = field(default=())
    excluded: tuple[_Patterns, ...] = field(default=())

    def leaves_out(self, name: str) -> bool:
        """Whether an entry is left out (a folder's name ends in a slash)."""
        path = os.path.join(self.absolute, name)
        return _decided(self.ignored, path) or _decided(self.excluded, path)

    def entered(self, name: str) -> _Folder:
        absolute = os.path.join(self.absolute, name)
        ignored = self.ignored + _gitignore(absolute)
        return _Folder(self.shown / name, absolute, ignored, self.excluded)


def _decided(layers: Sequence[_Patterns], path: str) -> bool:
    """The deepest file that says anything decides, as in git."""
    verdicts = (layer.verdict(path) for layer in reversed(layers))
    return next((verdict for verdict in verdicts if verdict is not None), False)


def _walk(root: Path, config: Config) -> Iterator[Path]:
    """Depth first. Links to folders are not followed: they may form loops, and in this field they
    lead to data sets with millions of files."""
    waiting = [_top(root, config)]
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(folder.absolute) as entries:
                listed = sorted(entries, key=lambda entry: entry.name)
        except OSError:
            yield folder.shown
            continue
        yield from (folder.shown / e.name for e in listed if _is_source(e, folder))
        below = [e.name for e in listed if _is_searched(e, folder)]
        waiting.extend(folder.entered(name) for name in reversed(below))


def _is_source(entry: os.DirEntry[str], folder: _Folder) -> bool:
    """Whether an entry is a file to read; a link that leads nowhere or a pipe is none."""
    if not entry.name.endswith(SUFFIXES) or not os.path.isfile(entry.path):
        return False
    return not folder.leaves_out(entry.name)


def _is_searched(entry: os.DirEntry[str], folder: _Folder) -> bool:
    name = entry.name
    if name.startswith(".") or name in INSTALLED or name == "__pycache__":
        return False
    if not entry.is_dir(follow_symlinks=False) or folder.leaves_out(name + "/"):
        return False
    return not any(os.path.exists(os.path.join(entry.path, mark)) for mark in ENVIRONMENT_MARKS)


def _top(root: Path, config: Config) -> _Folder:
    """The folder the user named. A ``.gitignore`` above that leaves this very folder out is not
    heeded: the user asked for it."""
    absolute = os.path.abspath(root)
    above = tuple(layer for layer in _above(absolute) if not layer.verdict(absolute + "/"))
    ignored = above + _gitignore(absolute)
    return _Folder(root, absolute, ignored, _patterns(str(config.root), config.exclude))


def _above(absolute: str) -> Iterator[_Patterns]:
    """The ``.gitignore`` files above a folder, outermost first, up to the repository's top."""
    parents: list[str] = []
    folder = absolute
    while not os.path.exists(os.path.join(folder, ".git")):
        folder, below = os.path.dirname(folder), folder
        if folder == below:
            return
        parents.append(folder)
    for parent in reversed(parents):
        yield from _gitignore(parent)


def _gitignore(folder: str) -> tuple[_Patterns, ...]:
    try:
        with open(os.path.join(folder, ".gitignore"), encoding="utf-8", errors="replace") as file:
            lines = file.read().splitlines()
    except OSError:
        return ()
    return _patterns(folder, lines)


def _patterns(folder: str, lines: Sequence[str]) -> tuple[_Patterns, ...]:
    """Patterns that git would not understand are passed over, as git does."""
    if not lines:
        return ()
    from pathspec import GitIgnoreSpec

    understood = [line for line in lines if _is_pattern(line)]
    return (_Patterns(folder, GitIgnoreSpec.from_lines(understood)),)


def _is_pattern(line: str) -> bool:
    from pathspec import GitIgnoreSpec

    try:
        GitIgnoreSpec.from_lines([line])
    except ValueError:
        return False
    return True
