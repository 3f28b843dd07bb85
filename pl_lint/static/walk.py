"""Which files are read."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pl_lint.config import Config
from pl_lint.plain import field, frozen, replace
from pl_lint.static.tracked import Tracked
from pl_lint.trail import ABSENT, Trail

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

INSTALLED = frozenset({"site-packages", "dist-packages", "node_modules", "__pypackages__"})
"""Folders of other people's code, by name."""
PACKAGES = re.compile(r".*[/\\](?:site|dist)-packages[/\\][^/\\]+")
SUFFIXES = (".py", ".ipynb", ".yaml", ".yml")
"""Python, notebooks, and settings that may be Lightning's."""
ENVIRONMENT_MARKS = ("pyvenv.cfg", "conda-meta")
"""What lies in the top folder of a virtual environment, whatever the folder is called."""
FRAMEWORKS = frozenset(
    {"lightning", "pytorch_lightning", "lightning_fabric", "torchmetrics", "pl_lint"}
)
"""Packages whose own sources are no user's code: what a rule says of them is noise, and in a tree
of installed packages they are most of what mentions Lightning."""
OF_LIGHTNING = re.compile(rb"github\.com/(?:Lightning-AI|PyTorchLightning)/")
HEAD = 4096
GIT = ".git"


def find_sources(
    paths: Sequence[Path], config: Config, trail: Trail | None = None
) -> Iterator[Path]:
    """The files to read, each once, in a stable order.

    A file that is named is always read. A folder is searched for Python files, notebooks and YAML;
    hidden folders, virtual environments, installed packages and what ``exclude`` or a
    ``.gitignore`` names are left out; what git has all the same is read.
    What does not exist or cannot be listed is yielded too: loading it then says why. The sources of
    Lightning and torchmetrics themselves are read only where such a folder is named.
    """
    trail = trail or Trail()
    seen: set[str] = set()
    for path in paths:
        trail.saw(os.path.abspath(path))
        is_folder = os.path.isdir(path)
        found = _walk(path, config, trail) if is_folder else ((path, os.path.realpath(path)),)
        for candidate, identity in found:
            if identity not in seen:
                seen.add(identity)
                yield candidate


def installed_package(path: str) -> str:
    """The installed package that a file is of, by its path; empty for a file of a project's own.

    Packages lie side by side and are no project together: what one of them imports of another is
    as foreign to it as it is to everybody else.
    """
    found = PACKAGES.match(os.path.abspath(path))
    return found[0] if found else ""


@frozen
class _Patterns:
    """Patterns in the syntax of ``.gitignore``, and the absolute folder they are relative to."""

    folder: str
    spec: GitIgnoreSpec

    def verdict(self, path: str) -> bool | None:
        """``True`` left out, ``False`` taken back by ``!pattern``, ``None`` nothing said."""
        relative = os.path.relpath(path, self.folder).replace(os.sep, "/")
        if relative in (".", "..") or relative.startswith("../"):
            return None
        shown = relative + "/" * path.endswith("/")
        said = (one for one in reversed(self.spec.patterns) if one.include is not None)
        return next((one.include for one in said if _means(one.regex, shown)), None)


def _means(pattern: re.Pattern[str], path: str) -> bool:
    """Whether a pattern means this very entry, and not a folder above it, which was asked on the
    way down. ``check_file`` does not tell: ``!*/`` takes no folder back there. A group marks where
    a folder ends; patterns without it (``*``, ``data/**``) mean whatever they match."""
    mark = next(iter(pattern.groupindex), None)
    if mark is None:
        return pattern.search(path.rstrip("/")) is not None
    return any(one.end(mark) in (-1, len(path)) for one in pattern.finditer(path))


@frozen
class _Folder:
    """A folder on the way down: as the user would write it, and what holds in it.

    ``real`` is the folder without links; only what is itself a link has to be followed again.
    """

    shown: Path
    absolute: str
    real: str
    trail: Trail
    tracked: Tracked
    ignored: tuple[_Patterns, ...] = field(default=())
    excluded: tuple[_Patterns, ...] = field(default=())

    def ignores(self, name: str) -> bool:
        """Whether a ``.gitignore`` names an entry (a folder's name ends in a slash)."""
        return bool(self.ignored) and _decided(self.ignored, os.path.join(self.absolute, name))

    def leaves_out(self, name: str) -> bool:
        """Whether an entry is not read: what git has is not ignored, whatever names it."""
        path = os.path.join(self.absolute, name)
        ignored = self.ignores(name) and not self.tracked.has(path)
        return ignored or (bool(self.excluded) and _decided(self.excluded, path))

    def entered(self, name: str) -> _Folder:
        absolute = os.path.join(self.absolute, name)
        ignored = self.ignored + _gitignore(absolute, self.trail)
        if self.ignores(name + "/"):  # It is entered for what git has in it, and for nothing else.
            ignored = _patterns(absolute, ["*"])
        real = os.path.join(self.real, name)
        return replace(self, shown=self.shown / name, absolute=absolute, real=real, ignored=ignored)

    def holding(self, names: Iterable[str]) -> _Folder:
        """It, with what lies in it: where a repository begins, another index holds."""
        begins = GIT in names and self.tracked.top != self.absolute
        return replace(self, tracked=Tracked(self.absolute, self.trail)) if begins else self

    def identity(self, entry: os.DirEntry[str]) -> str:
        """What two ways to the same file have in common."""
        linked = entry.is_symlink()
        return os.path.realpath(entry.path) if linked else os.path.join(self.real, entry.name)


def _decided(layers: Sequence[_Patterns], path: str) -> bool:
    """The deepest file that says anything decides, as in git."""
    verdicts = (layer.verdict(path) for layer in reversed(layers))
    return next((verdict for verdict in verdicts if verdict is not None), False)


def _walk(root: Path, config: Config, trail: Trail) -> Iterator[tuple[Path, str]]:
    """Depth first. Links to folders are not followed: they may form loops, and in this field they
    lead to data sets with millions of files."""
    waiting = [_top(root, config, trail)]
    while waiting:
        folder = waiting.pop()
        trail.saw(folder.absolute)
        try:
            with os.scandir(folder.absolute) as entries:
                listed = sorted(entries, key=lambda entry: entry.name)
        except OSError:
            yield folder.shown, folder.absolute
            continue
        folder = folder.holding(entry.name for entry in listed)
        yield from (
            (folder.shown / e.name, folder.identity(e)) for e in listed if _is_source(e, folder)
        )
        below = [e for e in listed if _is_searched(e, folder)]
        waiting.extend(folder.entered(e.name) for e in reversed(below))


def _is_source(entry: os.DirEntry[str], folder: _Folder) -> bool:
    """Whether an entry is a file to read; a link that leads nowhere or a pipe is none."""
    if not entry.name.endswith(SUFFIXES) or folder.leaves_out(entry.name):
        return False
    try:
        found = entry.stat()
    except OSError:
        return False
    folder.trail.met(entry.path, found)
    return stat.S_ISREG(found.st_mode)


def _is_searched(entry: os.DirEntry[str], folder: _Folder) -> bool:
    name = entry.name
    if name.startswith(".") or name in INSTALLED or name == "__pycache__":
        return False
    if not entry.is_dir(follow_symlinks=False) or folder.leaves_out(name + "/"):
        return False
    folder.trail.saw(entry.path)
    return not _is_environment(entry.path) and not _is_framework(entry, folder.trail)


def _is_environment(path: str) -> bool:
    return any(os.path.exists(os.path.join(path, mark)) for mark in ENVIRONMENT_MARKS)


def _is_framework(entry: os.DirEntry[str], trail: Trail) -> bool:
    """Whether a folder is Lightning's own: it has the name, and says whose it is."""
    if entry.name not in FRAMEWORKS:
        return False
    about = os.path.join(entry.path, "__about__.py")
    trail.saw(about)
    try:
        with open(about, "rb") as file:
            return OF_LIGHTNING.search(file.read(HEAD)) is not None
    except OSError:
        return False


def _top(root: Path, config: Config, trail: Trail) -> _Folder:
    """The folder the user named. A ``.gitignore`` above that leaves out this very folder, or one
    that it lies in, is not heeded: the user asked for it."""
    absolute = os.path.abspath(root)
    way = [folder + "/" for folder in _down_to(absolute)]
    above = tuple(layer for layer in _above(absolute, trail) if not any(map(layer.verdict, way)))
    ignored = above + _gitignore(absolute, trail)
    excluded = _patterns(str(config.root), config.exclude)
    if any(_decided(excluded, folder) for folder in way):
        excluded = _patterns(absolute, ["*"])
    tracked = Tracked(_repository(absolute, trail) or absolute, trail)
    return _Folder(root, absolute, os.path.realpath(root), trail, tracked, ignored, excluded)


def _down_to(folder: str) -> list[str]:
    """It and all folders above it."""
    return [folder, *map(str, Path(folder).parents)]


def _above(absolute: str, trail: Trail) -> Iterator[_Patterns]:
    """The ``.gitignore`` files above a folder, outermost first, up to the repository's top."""
    top = _repository(absolute, trail)
    parents = _down_to(absolute)[1:] if top else []
    for parent in reversed(parents):
        if parent.startswith(top):
            yield from _gitignore(parent, trail)


def _repository(absolute: str, trail: Trail) -> str:
    """The top of the repository that a folder lies in; empty where it lies in none."""
    folders = _down_to(absolute)
    return next((one for one in folders if trail.looked_for(os.path.join(one, GIT))), "")


def _gitignore(folder: str, trail: Trail) -> tuple[_Patterns, ...]:
    path = os.path.join(folder, ".gitignore")
    if trail.saw(path) == ABSENT:
        return ()
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
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
