"""Which of the files that name nothing of Lightning are imported by those that do.

A key may stand in ``settings.py``, a helper that computes an F1 in ``scores.py``, a dead hook in a
mixin. They are few, so the rest of a large tree still goes unparsed. What they import in turn is
left out, but for the functions that a package passes on from its modules. Files from which classes
alone are imported are many, and matter only for what a search of their text can find; a package
that passes on the classes of its modules says where they stand.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from pathlib import Path
from typing import Protocol

from pl_lint.static.walk import installed_package

IMPORT = re.compile(
    r"^[ \t]*(?:from[ \t]+(?P<dots>\.*)(?P<origin>[\w.]*)[ \t]+import[ \t]*"
    r"(?P<names>\([^)]*|[\w, \t]*|\*)|"
    r"import[ \t]+(?P<module>[\w.]+)(?:[ \t]+as[ \t]+(?P<alias>\w+))?)",
    re.MULTILINE,
)
REACHED = re.compile(r"(?<![\w.])([A-Za-z_]\w*)((?:\.\w+)+)")
"""``package.module.name``"""
BASES = re.compile(r"^[ \t]*class[ \t]+\w+[ \t]*\(([^)]*)", re.MULTILINE)
CLASS_NAME = re.compile(r"_*[A-Z][A-Z\d]*[a-z]\w*")
OF_CLASSES = re.compile(
    rb"^[ \t]*class[ \t]+\w+[ \t]*\([^)]*\b(?:Enum|IntEnum|StrEnum|Flag|IntFlag)\b|"
    rb"^[ \t]*@(?:dataclasses\.)?dataclass\b|"
    rb"^[ \t]+def[ \t]+__len__\b[^\n]*\n(?:[^\n]*\n){0,6}?[ \t]+return (?:1|self\.\w+)[ \t]*$|"
    rb"^[ \t]*class[ \t]+\w*"
    rb"(?i:iou|jaccard|dice|f1|f_?score|f_?beta|precision|recall|rmse|psnr)\w*[ \t]*[(:]|"
    rb"\b(?:listdir|scandir|iterdir|r?glob)\(|"
    rb"^[ \t]+def[ \t]+set_epoch\b|"
    rb"\brandom\.\w+\(|\btorch\.rand\w*\(|"
    rb"\bself\.\w+[ \t]*=[^\n]*\b(?:default_rng|RandomState|random\.Random|Generator)\(|"
    rb"^[ \t]+self\.\w+[ \t]*\+=|"
    rb"^[ \t]+self\.\w*device[ \t]*=[ \t]*\w*device\b|"
    rb"\bself\.\w+[ \t]*=[^\n]*(?:Model|For[A-Z])\w*\.from_pretrained\(|"
    rb"\b(?:F|functional)\.dropout[123]?d?\((?![^\n]*\btraining\b)|"
    rb"^[ \t]+self\.\w+[ \t]*=[ \t]*[\[{]\s*(?:[\"'][^\"'\n]*[\"']\s*:\s*)?(?:torch\.)?nn\.[A-Z]",
    re.MULTILINE,
)
"""What makes a file of classes matter: objects that checkpoints cannot hold, scores by their names,
objects that count, or keep a device, data of one item, data in the order of the file system, data
that are told the epoch, numbers that are drawn, a generator that an object carries, dropout that is
not told the mode, networks with pretrained weights, layers in a plain list."""
PASSED_ON = re.compile(rb"^from[ \t]+\.?\w", re.MULTILINE)
"""What makes a package matter from which classes are imported: they stand in its modules."""

Parts = tuple[str, ...]


class Readable(Protocol):
    """A file that is read: where it is, and its text."""

    @property
    def path(self) -> str: ...

    @property
    def text(self) -> str: ...


def imported(
    sources: Sequence[Readable], others: Iterable[Path], contents: Callable[[Path], object]
) -> Iterator[tuple[Path, bytes]]:
    """Those of the other files that the sources import, with what stands in them."""
    others = tuple(others)
    folders = frozenset(part for path in others for part in path.parent.parts)
    telling: dict[str, _Wanted] = defaultdict(_Wanted)
    of_classes: dict[str, _Wanted] = defaultdict(_Wanted)
    for source in sources:
        package = installed_package(source.path)
        folder = _absolute(source.path).parent.parts
        reached = () if package else _reached(source.text, folders)
        for level, name, tells in (*_names(source.text), *reached):
            (telling if tells else of_classes)[package].add(folder, level, name)
    passed_on: dict[str, _Wanted] = defaultdict(_Wanted)
    left: list[tuple[str, Parts, Path]] = []
    for path in others:
        package, parts = installed_package(path), _module_parts(_absolute(path))
        tells = telling[package].holds(parts)
        if tells or of_classes[package].holds(parts):
            data = contents(path)
            if isinstance(data, bytes) and (tells or _tells_of_classes(path, data)):
                if path.name == "__init__.py":
                    passed_on[package].add_all(_homes(path, parts, data, telling[package]))
                yield path, data
                continue
        left.append((package, parts, path))
    for package, parts, path in left if passed_on else ():
        if passed_on[package].holds(parts) and isinstance(data := contents(path), bytes):
            yield path, data


def _homes(
    path: Path, package: Parts, data: bytes, telling: _Wanted
) -> Iterator[tuple[Parts, int, Parts]]:
    """Where the functions stand that a package passes on to those who want them."""
    for match in IMPORT.finditer(data.decode("utf-8", "replace")):
        names = re.findall(r"\w+", match["names"] or "")
        if any(telling.holds((*package, name)) for name in names):
            yield _absolute(path).parent.parts, len(match["dots"] or ""), _origin(match)


def _tells_of_classes(path: Path, data: bytes) -> bool:
    passes_on = path.name == "__init__.py" and PASSED_ON.search(data) is not None
    return passes_on or OF_CLASSES.search(data) is not None


class _Wanted:
    """Modules that are imported, by where they may stand."""

    def __init__(self) -> None:
        self._places: set[Parts] = set()
        self._tails: set[Parts] = set()
        self._lasts: set[str] = set()

    def add(self, folder: Parts, level: int, name: Parts) -> None:
        place = (*folder[: len(folder) - max(level - 1, 0)], *name)
        self._places.add(place)
        if not level and len(name) > 1:
            self._tails.add(name)
        self._lasts.update(place[-1:])

    def add_all(self, imports: Iterable[tuple[Parts, int, Parts]]) -> None:
        for folder, level, name in imports:
            self.add(folder, level, name)

    def holds(self, parts: Parts) -> bool:
        known = bool(parts) and parts[-1] in self._lasts
        return known and (parts in self._places or _ends(parts, self._tails))


def roots_of_imports(text: str) -> frozenset[str]:
    """The first names of what a file imports, relative imports aside."""
    found = (match for match in IMPORT.finditer(text) if not match["dots"])
    names = ((match["origin"] or match["module"] or "").partition(".")[0] for match in found)
    return frozenset(filter(None, names))


def _names(text: str) -> Iterator[tuple[int, Parts, bool]]:
    """The modules that imports may mean, with their dots, and whether they tell something by
    themselves: in ``from a import b`` also ``a.b``.

    A class says nothing here unless one of the file inherits it: networks and data sets do not log.
    A loader of the project's own says whether the processes share the data.
    """
    bases = set(re.findall(r"\w+", " ".join(BASES.findall(text))))
    for match in IMPORT.finditer(text):
        level = len(match["dots"] or "")
        origin = _origin(match)
        names = re.findall(r"\w+", match["names"] or "")
        telling = [name for name in names if name in bases or _tells(name)]
        yield level, origin, bool(telling or not names)
        for name in telling:
            yield level, (*origin, name), True


def _reached(text: str, folders: Set[str]) -> Iterator[tuple[int, Parts, bool]]:
    """The modules that are reached through an imported package: where ``a.b.f`` is used these are
    ``a.b``, and ``a.b.f`` itself, which ``a.b`` may pass on."""
    bound = {
        name: place for name, *place in _bound(text) if not folders.isdisjoint((name, *place[1]))
    }
    for name, rest in set(REACHED.findall(text)) if bound else ():
        if name in bound:
            level, origin = bound[name]
            *within, last = rest[1:].split(".")
            for depth in range(len(within)):
                yield level, (*origin, *within[: depth + 1]), _tells(last)
            yield level, (*origin, *within, last), _tells(last)


def _bound(text: str) -> Iterator[tuple[str, int, Parts]]:
    """The names that imports give a file, which may be those of packages, and what they mean."""
    for match in IMPORT.finditer(text):
        level, origin = len(match["dots"] or ""), _origin(match)
        if match["module"]:
            yield (match["alias"], 0, origin) if match["alias"] else (origin[0], 0, origin[:1])
        for name, alias in re.findall(r"(\w+)(?:\s+as\s+(\w+))?", match["names"] or ""):
            if not CLASS_NAME.fullmatch(name):
                yield alias or name, level, (*origin, name)


def _origin(match: re.Match[str]) -> Parts:
    return tuple(filter(None, (match["origin"] or match["module"] or "").split(".")))


def _tells(name: str) -> bool:
    return not CLASS_NAME.fullmatch(name) or (name.endswith("Loader") and name != "DataLoader")


def _absolute(path: str | Path) -> Path:
    """Two ways to write one place: files that are read go by what is shown of them, others by what
    was asked for."""
    return Path(os.path.abspath(path))


def _module_parts(path: Path) -> Parts:
    parts = path.with_suffix("").parts
    return parts[:-1] if parts[-1:] == ("__init__",) else parts


def _ends(parts: Parts, tails: set[Parts]) -> bool:
    """Whether an import of two names or more is the tail of a path: it may start at any folder."""
    return any(parts[start:] in tails for start in range(len(parts) - 1))
