"""The folders around the files that are read: where a project begins, and what pins Lightning.

Each folder is listed once; its state goes into the trail, so that a new pin file is noticed.
"""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Iterator
from pathlib import Path

from pl_lint.trail import Trail

PIN_FILES = (
    "poetry.lock",
    "uv.lock",
    "Pipfile.lock",
    "requirements*.txt",
    "requirements/*.txt",
    "pyproject.toml",
    "setup.cfg",
    "setup.py",
    "environment*.y*ml",
    "conda*.y*ml",
    "Pipfile",
)
"""Where projects write what they need; an exact lock comes before a range."""
PINS = re.compile("|".join(map(fnmatch.translate, PIN_FILES)))
NESTED = "requirements"
"""A folder of pin files."""
README = "README"
MAX_FOLDERS = 8
LARGEST = 4 * 2**20
"""Bytes of a lock file that are still looked through."""


class Surroundings:
    """What stands in the folders of files and above them, up to the roots of their repositories."""

    def __init__(self, trail: Trail) -> None:
        self._trail = trail
        self._names: dict[str, tuple[str, ...]] = {}
        self._roots: dict[str, Path | None] = {}

    def folders(self, path: str) -> Iterator[str]:
        """The folder of a file and those above it, up to the root of its repository."""
        folder = os.path.dirname(os.path.abspath(path))
        for _ in range(MAX_FOLDERS):
            yield folder
            above = os.path.dirname(folder)
            if above == folder or self._trail.looked_for(os.path.join(folder, ".git")):
                return
            folder = above

    def project(self, path: str) -> Path | None:
        """Where the project of a file begins: at the first folder that says what it needs."""
        home = os.path.dirname(os.path.abspath(path))
        if home not in self._roots:
            says = (one for one in self.folders(path) if self._is_project(one))
            found = next(says, None)
            self._roots[home] = None if found is None else Path(found)
        return self._roots[home]

    def _is_project(self, folder: str) -> bool:
        names = self.names(folder)
        return any(PINS.match(name) or name.startswith(README) for name in names)

    def names(self, folder: str) -> tuple[str, ...]:
        """What stands in a folder, and in its folder of requirements."""
        if folder not in self._names:
            own = self._listed(folder)
            nested = self._listed(os.path.join(folder, NESTED)) if NESTED in own else ()
            self._names[folder] = (*own, *(f"{NESTED}/{name}" for name in nested))
        return self._names[folder]

    def _listed(self, folder: str) -> tuple[str, ...]:
        self._trail.saw(folder)
        try:
            return tuple(sorted(os.listdir(folder)))
        except OSError:
            return ()

    def pin_texts(self, folder: str) -> Iterator[str]:
        """The texts of the files of a folder that say what the project needs."""
        for name in filter(PINS.match, self.names(folder)):
            path = os.path.join(folder, name)
            self._trail.saw(path)
            try:
                if os.path.getsize(path) <= LARGEST:
                    yield Path(path).read_text("utf-8", "replace")
            except OSError:
                continue
