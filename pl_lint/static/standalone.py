"""Files that are programs by themselves: notebooks and scripts that bring their classes and the
Trainers for them, import nothing of their project, and are named by nothing in it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import PurePath
from typing import Protocol

from pl_lint.static.imports import roots_of_imports
from pl_lint.static.mentions import Text, unnamed

OWN_CLASS = re.compile(r"^[ \t]*class \w+\([^)]*\bLightning(?:Data)?Module\b", re.MULTILINE)
OWN_TRAINER = re.compile(r"\bTrainer(?:\.from_argparse_args)?\(")
RELATIVE = re.compile(r"^[ \t]*from[ \t]*\.", re.MULTILINE)


class Readable(Protocol):
    """A file that is read: where it is, and what stands in it."""

    @property
    def path(self) -> str: ...

    @property
    def data(self) -> bytes: ...

    @property
    def text(self) -> str: ...


def standalone(sources: Sequence[Readable], configs: Sequence[Text]) -> Iterator[str]:
    """Those of the files of a project that have nothing to do with the others."""
    if len(sources) < 2:
        return
    names = {name for one in sources for name in _names_of(one.path)}
    whole = {one.path for one in sources if _is_whole(one) and _imports_none(one, names)}
    if whole:
        yield from unnamed(whole, [*((one.path, one.text) for one in sources), *configs])


def _names_of(path: str) -> tuple[str, ...]:
    """By which a file may be imported: its own name, and those of the folders that it is in."""
    pure = PurePath(path)
    return (pure.stem, *pure.parts[:-1])


def _is_whole(source: Readable) -> bool:
    marked = b"Lightning" in source.data and b"Trainer(" in source.data
    return marked and bool(OWN_CLASS.search(source.text) and OWN_TRAINER.search(source.text))


def _imports_none(source: Readable, names: set[str]) -> bool:
    return names.isdisjoint(roots_of_imports(source.text)) and not RELATIVE.search(source.text)
