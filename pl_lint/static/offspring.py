"""Which of the files that name nothing of Lightning hold classes that inherit from those that do.

``class MushroomNet(BaseClassifier)`` with an ``__init__`` and a ``forward`` says nothing of
Lightning, and what the base has in another file holds for it as well: what is logged, by which
keys, what a checkpoint has to hold. They are found by the names of the bases, in the text, before
anything is parsed. Installed packages are left out: their bases are inherited elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from pl_lint.static.imports import Readable
from pl_lint.static.walk import installed_package

CLASS = re.compile(r"^[ \t]*class[ \t]+(\w+)[ \t]*\(([^)]*)", re.MULTILINE)
LIGHTNING = frozenset({"LightningModule", "LightningDataModule", "Callback"})
GENERATIONS = 3
"""How many files one after another may inherit so."""


def inheriting(
    sources: Sequence[Readable], others: Iterable[Path], contents: Callable[[Path], object]
) -> Iterator[tuple[Path, bytes]]:
    """Those of the other files with a class whose base is one of the sources' Lightning classes."""
    own = (one for one in sources if not installed_package(one.path))
    bases = _of_lightning([pair for one in own for pair in CLASS.findall(one.text)])
    left = [path for path in others if not installed_package(path)] if bases else []
    for _ in range(GENERATIONS):
        heir = _heir_of(bases)
        found = [
            (path, data)
            for path in left
            if isinstance(data := contents(path), bytes) and heir.search(data)
        ]
        yield from found
        classes = [
            pair for _, data in found for pair in CLASS.findall(data.decode("utf-8", "replace"))
        ]
        bases = _descended(classes, bases) - bases
        if not bases:
            return
        left = [path for path in left if path not in dict(found)]


def _of_lightning(classes: Sequence[tuple[str, str]]) -> frozenset[str]:
    return _descended(classes, LIGHTNING) - LIGHTNING


def _descended(classes: Sequence[tuple[str, str]], bases: frozenset[str]) -> frozenset[str]:
    """The bases, and the names of all classes that inherit from them."""
    while True:
        heirs = {name for name, above in classes if not bases.isdisjoint(re.findall(r"\w+", above))}
        if heirs <= bases:
            return bases
        bases |= heirs


def _heir_of(bases: Iterable[str]) -> re.Pattern[bytes]:
    names = "|".join(sorted(bases))
    return re.compile(rf"^[ \t]*class[ \t]+\w+[ \t]*\([^)]*\b(?:{names})\b".encode(), re.MULTILINE)
