"""The catalogue of mistakes that pl-lint is measured by, as data: ``catalogue.toml``.

Its rows were gathered from public threads, documentation and code before there was a rule. A rule
or a mistake that a run finds names its rows; a row that no rule finds says why. Only the pages are
made of this: reading code does not load it.
"""

from __future__ import annotations

import functools
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@dataclass(frozen=True)
class Row:
    """A mistake. ``otherwise``: how it shows without pl-lint; ``readable``: whether it can be seen
    in the source; ``unread`` and ``measured``: why no rule finds it, and what one was worth."""

    identifier: str
    title: str
    otherwise: Literal["silent", "nearly silent", "warned of, or harmless", "raised"]
    readable: Literal["yes", "partly", "no"]
    unread: str = ""
    measured: str = ""


@functools.cache
def all_rows() -> tuple[Row, ...]:
    """Every row, in the order of the catalogue."""
    text = Path(__file__).with_suffix(".toml").read_text(encoding="utf-8")
    return tuple(Row(identifier, **fields) for identifier, fields in tomllib.loads(text).items())
