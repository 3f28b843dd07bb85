"""How a mistake is mended: changes of the source as plain data.

A rule says *what* is to change in terms of the code ("give this call sync_dist=True"); only the
reader, which has the text and its syntax, knows where the commas and the line ends go. It turns
changes into edits, or drops the fix where one of them cannot be made safely.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from pl_lint.places import Location

Written = str | tuple["str | Location", ...]
"""Source to be written: text, with places whose own text is quoted."""


class Applicability(str, Enum):
    """Whether a fix may be applied without being looked at, in ruff's sense."""

    SAFE = "safe"
    """What the code does when it is right is kept."""
    UNSAFE = "unsafe"
    """The result is probably what was meant, and may do something else."""


@dataclass(frozen=True)
class Replace:
    """Another text for an expression."""

    place: Location
    text: Written


@dataclass(frozen=True)
class SetArgument:
    """An argument of a call: changed where it is given, added as a keyword where it is not.

    ``position`` counts from 0; -1 for a parameter that is never positional.
    """

    call: Location
    name: str
    text: Written
    position: int = -1


@dataclass(frozen=True)
class DropArgument:
    """A keyword argument of a call goes."""

    call: Location
    name: str


@dataclass(frozen=True)
class Rename:
    """Another name for a function; ``definition`` is the place of its ``def``."""

    definition: Location
    name: str


@dataclass(frozen=True)
class Insert:
    """A statement of its own before the one that holds a place, or after it."""

    place: Location
    text: Written
    after: bool = False


@dataclass(frozen=True)
class Delete:
    """The whole statement that holds a place goes."""

    place: Location


@dataclass(frozen=True)
class Import:
    """``name`` is imported as the file would (``import torch``), unless it is already.

    ``place`` lies in the file; ``name`` is what the new code says (``torch``, ``nn``), and
    ``statement`` what makes it known.
    """

    place: Location
    name: str
    statement: str


Change = Replace | SetArgument | DropArgument | Rename | Insert | Delete | Import


@dataclass(frozen=True, order=True)
class Edit:
    """What stands from ``start`` up to ``end`` becomes ``text``.

    Lines and columns count from 1, columns in characters.
    """

    start: tuple[int, int]
    end: tuple[int, int]
    text: str


@dataclass(frozen=True)
class Fix:
    """A repair. ``title`` completes "pl-lint can"; ``edits`` are known once the source is read."""

    title: str
    changes: tuple[Change, ...]
    applicability: Applicability = Applicability.UNSAFE
    edits: tuple[Edit, ...] = ()
