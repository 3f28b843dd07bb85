"""The parts of what is read that share nothing: one project says nothing about another beside it.

A part is a project with everything below it, as far as its repository reaches (a folder that is
named beside others, and is a project, ends there), and the projects whose modules it imports by the
names that they have at their own roots (the packages of one repository, mostly). What belongs to no
project is one part, too. Parts are judged alone: that is more right, because a Trainer in one
project is no evidence about another, and each can be judged on a core of its own, or not at all
where its files are as they were.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

from pl_lint.plain import frozen
from pl_lint.static.configs.files import ConfigFile
from pl_lint.static.imports import roots_of_imports
from pl_lint.static.sources import SourceFile, parse, shown
from pl_lint.static.surroundings import Surroundings
from pl_lint.static.walk import installed_package


@frozen(eq=False)
class Material:
    """A Python file or notebook that is going to be read: not parsed yet."""

    file: Path
    data: bytes
    asked_for: bool = True
    """Whether it is told where it cannot be read; not if it is only imported."""

    @cached_property
    def path(self) -> str:
        return shown(self.file)

    @cached_property
    def text(self) -> str:
        """The code, as far as it can be had without parsing it."""
        if self.file.suffix != ".ipynb":
            return self.data.decode("utf-8", "replace")
        notebook = parse(self.file, self.data)
        return notebook.text if isinstance(notebook, SourceFile) else ""


@frozen(eq=False)
class Part:
    """Files that may have to do with each other, in the order in which they were found."""

    sources: tuple[Material, ...]
    configs: tuple[ConfigFile, ...]

    @property
    def size(self) -> int:
        return sum(len(one.data) for one in self.sources)


def split(
    sources: Sequence[Material],
    configs: Sequence[ConfigFile],
    around: Surroundings,
    named: Sequence[Path] = (),
) -> tuple[Part, ...]:
    """The parts, in the order of their first files."""
    apart = tuple(_apart(named, around))
    homes = {one.path: _home(one.path, apart, around) for one in (*sources, *configs)}
    groups = _Groups()
    own = {home for home in homes.values() if not installed_package(home)}
    for one in sources if len(own) > 1 else ():
        for other in _used(one, homes[one.path], own, around) if homes[one.path] in own else ():
            groups.join(homes[one.path], other)
    found = {path: groups.head(home) for path, home in homes.items()}
    return tuple(
        Part(
            tuple(one for one in sources if found[one.path] == head),
            tuple(one for one in configs if found[one.path] == head),
        )
        for head in dict.fromkeys(found.values())
    )


def _apart(named: Sequence[Path], around: Surroundings) -> Iterator[str]:
    """Of several folders that are named those that are projects, the outer ones first."""
    folders = [os.path.abspath(path) for path in named] if len(named) > 1 else []
    for folder in sorted(folders, key=len):
        if os.path.isdir(folder) and around.stands_alone(folder):
            yield folder


def _home(path: str, apart: Sequence[str], around: Surroundings) -> str:
    """Where the project of a file begins."""
    file = Path(os.path.abspath(path))
    own = (folder for folder in apart if file.is_relative_to(folder))
    return next(own, None) or installed_package(path) or around.outermost(path)


def _used(source: Material, home: str, homes: set[str], around: Surroundings) -> Iterator[str]:
    """The projects that a file imports a package of, and has none of that name nearer by. A name
    that several of them have (``utils``, ``datasets``) is no package of this project's: people who
    read the checkouts of strangers in one call would join half of them."""
    for name in roots_of_imports(source.text) - sys.stdlib_module_names:
        if not any(around.can_import(name, folder) for folder in _between(source.path, home)):
            others = [other for other in homes if other and around.can_import(name, other)]
            yield from others if len(others) == 1 else ()


def _between(path: str, home: str) -> Iterator[str]:
    """The folder of a file and those above it, up to the one where its project begins."""
    folder = os.path.dirname(os.path.abspath(path))
    while True:
        yield folder
        above = os.path.dirname(folder)
        if folder == home or above == folder:
            return
        folder = above


class _Groups:
    """Which projects hang together."""

    def __init__(self) -> None:
        self._above: dict[str, str] = {}

    def head(self, home: str) -> str:
        while home in self._above:
            home = self._above[home]
        return home

    def join(self, one: str, other: str) -> None:
        first, second = self.head(one), self.head(other)
        if first != second:
            self._above[max(first, second)] = min(first, second)
