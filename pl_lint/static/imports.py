"""Which of the files that name nothing of Lightning are imported by those that do.

A key may stand in ``settings.py``, a helper that computes an F1 in ``scores.py``, a dead hook in a
mixin. They are few, so the rest of a large tree still goes unparsed. What they import in turn is
left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

IMPORT = re.compile(
    r"^[ \t]*(?:from[ \t]+(?P<dots>\.*)(?P<origin>[\w.]*)[ \t]+import[ \t]*"
    r"(?P<names>\([^)]*|[\w, \t]*|\*)|import[ \t]+(?P<module>[\w.]+))",
    re.MULTILINE,
)
BASES = re.compile(r"^[ \t]*class[ \t]+\w+[ \t]*\(([^)]*)", re.MULTILINE)
CLASS_NAME = re.compile(r"_*[A-Z][A-Z\d]*[a-z]\w*")

Parts = tuple[str, ...]


class Readable(Protocol):
    """A file that is read: where it is, and its text."""

    @property
    def path(self) -> str: ...

    @property
    def text(self) -> str: ...


def imported(sources: Sequence[Readable], others: Iterable[Path]) -> Iterator[Path]:
    """Those of the other files that the sources import."""
    places: set[Parts] = set()
    tails: set[Parts] = set()
    for source in sources:
        folder = Path(source.path).parent.parts
        for level, name in _names(source.text):
            base = folder[: len(folder) - max(level - 1, 0)]
            places.add((*base, *name))
            if not level and len(name) > 1:
                tails.add(name)
    lasts = {parts[-1] for parts in places | tails if parts}
    for path in others:
        parts = _module_parts(path)
        if parts and parts[-1] in lasts and (parts in places or _ends(parts, tails)):
            yield path


def roots_of_imports(text: str) -> frozenset[str]:
    """The first names of what a file imports, relative imports aside."""
    found = (match for match in IMPORT.finditer(text) if not match["dots"])
    names = ((match["origin"] or match["module"] or "").partition(".")[0] for match in found)
    return frozenset(filter(None, names))


def _names(text: str) -> Iterator[tuple[int, Parts]]:
    """The modules that imports may mean, with their dots: in ``from a import b`` also ``a.b``.

    A class says nothing here unless one of the file inherits it: networks and data sets do not log.
    A loader of the project's own says whether the processes share the data.
    """
    bases = set(re.findall(r"\w+", " ".join(BASES.findall(text))))
    for match in IMPORT.finditer(text):
        level = len(match["dots"] or "")
        origin = tuple(filter(None, (match["origin"] or match["module"] or "").split(".")))
        names = re.findall(r"\w+", match["names"] or "")
        telling = [name for name in names if name in bases or _tells(name)]
        if telling or not names:
            yield level, origin
        for name in telling:
            yield level, (*origin, name)


def _tells(name: str) -> bool:
    return not CLASS_NAME.fullmatch(name) or (name.endswith("Loader") and name != "DataLoader")


def _module_parts(path: Path) -> Parts:
    parts = path.with_suffix("").parts
    return parts[:-1] if parts[-1:] == ("__init__",) else parts


def _ends(parts: Parts, tails: set[Parts]) -> bool:
    """Whether an import of two names or more is the tail of a path: it may start at any folder."""
    return any(parts[start:] in tails for start in range(len(parts) - 1))
