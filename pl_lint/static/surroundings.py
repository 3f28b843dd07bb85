"""The folders around the files that are read: where a project begins, and what pins Lightning.

Each folder is listed once; its state goes into the trail, so that a new pin file is noticed.
"""

from __future__ import annotations

import codecs
import fnmatch
import os
import re
from collections.abc import Iterator
from pathlib import Path

from pl_lint.static.images import met_by
from pl_lint.trail import TELLING, Trail

PIN_FILES = (
    "poetry.lock",
    "uv.lock",
    "pdm.lock",
    "Pipfile.lock",
    "requirements*.lock",
    "req*.txt",
    "requirements*.in",
    "requirements/*.txt",
    "docker/requirements*.txt",
    "req*/requirements*.txt",
    "req*/environment*.y*ml",
    "environment*/requirements*.txt",
    "environment*/environment.y*ml",
    "conda/*.y*ml",
    "pyproject.toml",
    "setup.cfg",
    "setup.py",
    "environment*.y*ml",
    "conda*.y*ml",
    "Pipfile",
)
"""Where projects write what they need; an exact lock comes before a range."""
PINS = re.compile("|".join(map(fnmatch.translate, PIN_FILES)))
IMAGE = re.compile(r"(docker/)?Dockerfile(\.\w+)?")
"""Files that say in which environment a project runs; such a one makes no project of a folder."""
NESTED = ("requirements", "req", "reqs", "docker", "environment", "environments", "conda")
"""Folders of pin files."""
SOURCE_FOLDERS = ("", "src")
"""Where the packages of a project stand."""
README = "README"
MAX_FOLDERS = 8
UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
"""How PowerShell writes ``pip freeze > requirements.txt``."""
LARGEST = 4 * 2**20
"""Bytes of a lock file that are still looked through."""


class Surroundings:
    """What stands in the folders of files and above them, up to the roots of their repositories."""

    def __init__(self, trail: Trail) -> None:
        self._trail = trail
        self._names: dict[str, tuple[str, ...]] = {}
        self._roots: dict[str, Path | None] = {}
        self._pins: dict[str, tuple[tuple[str, str], ...]] = {}
        self._readmes: dict[str, tuple[str, ...]] = {}
        self._is_one: dict[str, bool] = {}
        self._above: dict[str, tuple[str, ...]] = {}
        self._importable: dict[tuple[str, str], bool] = {}

    def folders(self, path: str) -> tuple[str, ...]:
        """The folder of a file and those above it, up to the root of its repository."""
        home = os.path.dirname(os.path.abspath(path))
        if home not in self._above:
            self._above[home] = tuple(self._upwards(home))
        return self._above[home]

    def _upwards(self, folder: str) -> Iterator[str]:
        for _ in range(MAX_FOLDERS):
            yield folder
            above = os.path.dirname(folder)
            if above == folder or self._is_repository(folder):
                return
            folder = above

    def look_around(self, path: str) -> None:
        """List what will be asked for about a file, so that the trail has it."""
        for folder in self.folders(path):
            self.pin_texts(folder)
            self.readmes(folder)

    def project(self, path: str) -> Path | None:
        """Where the project of a file begins: at the first folder that says what it needs."""
        home = os.path.dirname(os.path.abspath(path))
        if home not in self._roots:
            says = (one for one in self.folders(path) if self._is_project(one))
            found = next(says, None)
            self._roots[home] = None if found is None else Path(found)
        return self._roots[home]

    def outermost(self, path: str) -> str:
        """Where the outermost project around a file begins, or else its repository; empty where
        there is neither."""
        folders = self.folders(path)
        says = next((one for one in reversed(folders) if self._is_project(one)), "")
        return says or (folders[-1] if self._is_repository(folders[-1]) else "")

    def stands_alone(self, folder: str) -> bool:
        """Whether a folder is a repository, or says what it needs. A README alone is not enough:
        many folders of a project have one."""
        return self._is_repository(folder) or any(map(PINS.match, self.names(folder)))

    def _is_repository(self, folder: str) -> bool:
        return self._trail.looked_for(os.path.join(folder, ".git"))

    def inner(self, path: str) -> str:
        """The outermost folder around a file, but for the root, that says what it needs to be
        installed; empty where there is none. A README alone says no such thing."""
        root = self.outermost(path)
        above = (one for one in reversed(self.folders(path)) if one != root)
        return next((one for one in above if any(map(PINS.match, self.names(one)))), "")

    def _is_project(self, folder: str) -> bool:
        if folder not in self._is_one:
            names = self.names(folder)
            says = any(PINS.match(name) or name.startswith(README) for name in names)
            self._is_one[folder] = says
        return self._is_one[folder]

    def can_import(self, name: str, folder: str) -> bool:
        """Whether a module or package of that name can be imported from a folder."""
        if (name, folder) not in self._importable:
            paths = [os.path.normpath(os.path.join(folder, one, name)) for one in SOURCE_FOLDERS]
            self._importable[name, folder] = any(
                self._trail.looked_for(path) or self._trail.looked_for(f"{path}.py")
                for path in paths
            )
        return self._importable[name, folder]

    def is_own(self, name: str, path: str) -> bool:
        """Whether a file may import a module of that name (``lightning/data``) from its project."""
        return any(self.can_import(name, folder) for folder in self.folders(path))

    def names(self, folder: str) -> tuple[str, ...]:
        """What stands in a folder, and in its folders of requirements, and may tell something."""
        if folder not in self._names:
            own = self._listed(folder)
            nested = (
                f"{inner}/{name}"
                for inner in NESTED
                if inner in own
                for name in self._all_in(os.path.join(folder, inner))
            )
            self._names[folder] = (*own, *nested)
        return self._names[folder]

    def _all_in(self, folder: str) -> tuple[str, ...]:
        """A folder of requirements names its files as it likes (``base.txt``)."""
        self._trail.saw(folder)
        try:
            return tuple(sorted(os.listdir(folder)))
        except OSError:
            return ()

    def _listed(self, folder: str) -> tuple[str, ...]:
        self._trail.saw_names(folder)
        try:
            return tuple(sorted(name for name in os.listdir(folder) if name.startswith(TELLING)))
        except OSError:
            return ()

    def pin_texts(self, folder: str) -> tuple[str, ...]:
        """The texts of the files of a folder that say what the project needs."""
        return tuple(text for _, text in self.pins(folder))

    def pins(self, folder: str) -> tuple[tuple[str, str], ...]:
        """These files, with their names; an image as the requirements that it meets."""
        if folder not in self._pins:
            read = [
                (name, self._read(os.path.join(folder, name)))
                for name in self.names(folder)
                if PINS.match(name) or IMAGE.fullmatch(name)
            ]
            self._pins[folder] = tuple(
                (name, met_by(text) if IMAGE.fullmatch(name) else text) for name, text in read
            )
        return self._pins[folder]

    def readmes(self, folder: str) -> tuple[str, ...]:
        """The texts of a folder that tell people about the project."""
        if folder not in self._readmes:
            names = (name for name in self.names(folder) if name.startswith(README))
            self._readmes[folder] = tuple(self._read(os.path.join(folder, name)) for name in names)
        return self._readmes[folder]

    def _read(self, path: str) -> str:
        self._trail.saw(path)
        try:
            data = Path(path).read_bytes() if os.path.getsize(path) <= LARGEST else b""
        except OSError:
            return ""
        return data.decode("utf-16" if data.startswith(UTF_16) else "utf-8", "replace")
