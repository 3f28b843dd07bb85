"""How a mistake is mended: changes of the source as plain data.

A rule says *what* is to change in terms of the code ("give this call sync_dist=True"); only the
reader, which has the text and its syntax, knows where the commas and the line ends go. It turns
changes into edits, or drops the fix where one of them cannot be made safely.
"""

from __future__ import annotations

from enum import Enum

from pl_lint.places import Location
from pl_lint.plain import frozen


@frozen
class Argument:
    """What a call is given for a parameter; ``position`` as in ``SetArgument``. With ``entry`` the
    value under this key, of a dict that is written out there."""

    call: Location
    name: str
    position: int = -1
    entry: str | None = None


@frozen
class Callee:
    """What is called: ``self.net`` of ``self.net(x)``."""

    call: Location


@frozen
class Command:
    """What is called by a statement that does nothing else: nobody uses what it returns."""

    call: Location


@frozen
class Receiver:
    """What a method is called on: ``batch`` of ``batch.cuda()``."""

    call: Location


@frozen
class Assigned:
    """What the statement that holds a place assigns to its one target."""

    place: Location


@frozen
class Statement:
    """The innermost statement that holds a place."""

    place: Location


@frozen
class Samples:
    """The number of samples in a batch, as the function around a place can count them: ``len(y)``
    where it says ``x, y = batch``. Something to be written, not a place."""

    place: Location
    batch: str


Spot = Location | Argument | Callee | Command | Receiver | Assigned | Statement
"""A place, or how to get there from one that the facts know."""
Written = str | tuple["str | Spot | Samples", ...]
"""Source to be written: text, with spots whose own text is quoted."""


class Applicability(str, Enum):
    """Whether a fix may be applied without being looked at, in ruff's sense."""

    SAFE = "safe"
    """What the code does when it is right is kept."""
    UNSAFE = "unsafe"
    """The result is probably what was meant, and may do something else."""


@frozen
class Replace:
    """Another text for what stands there."""

    place: Spot
    text: Written


@frozen
class Reword:
    """Other words in a string, where it is written out and not a name or a computation.

    ``words`` are pairs of what stands there once and what is to stand there; in an f-string their
    braces are doubled.
    """

    place: Spot
    words: tuple[tuple[str, str], ...]


@frozen
class PutObject:
    """``target`` itself in the place of what calling it gave, or calling its ``method``.

    The expression there is such a call, or a local name that stands for nothing else. What the
    call does to the object is kept, as a statement of its own, unless it is a method's.
    """

    place: Spot
    target: str
    method: str = ""


@frozen
class Wrap:
    """A list or dict that is written out becomes the one argument of a class, ``sequence`` or
    ``mapping``; a dict only where all its keys are texts and none is ``refused``."""

    place: Spot
    sequence: str
    mapping: str
    refused: frozenset[str] = frozenset()


@frozen
class SetArgument:
    """An argument of a call: changed where it is given, added as a keyword where it is not.

    ``position`` counts from 0; -1 for a parameter that is never positional.
    """

    call: Location
    name: str
    text: Written
    position: int = -1


@frozen
class DropArgument:
    """A keyword argument of a call goes, if it is there."""

    call: Location
    name: str


@frozen
class RenameArgument:
    """A keyword argument of a call gets another name."""

    call: Location
    name: str
    new: str


@frozen
class DropParameters:
    """A method keeps its first parameters, ``self`` included, as many as ``keep``; ``definition``
    is the place of its ``def``."""

    definition: Location
    keep: int = 1


@frozen
class Rename:
    """Another name for a function; ``definition`` is the place of its ``def``."""

    definition: Location
    name: str


@frozen
class AddParameters:
    """More parameters for a function, after those without a default that it has."""

    definition: Location
    names: tuple[str, ...]


@frozen
class Insert:
    """A statement of its own before the one that holds a place, or after it."""

    place: Location
    text: Written
    after: bool = False


@frozen
class Delete:
    """The whole statement that holds a place goes."""

    place: Location


@frozen
class Rehome:
    """An import takes its names from another package: ``old``, or what lies below it, is ``new``.

    The names that the file uses stay what they are.
    """

    place: Location
    old: str
    new: str


@frozen
class Import:
    """``name`` is imported as the file would (``import torch``), unless it is already.

    ``place`` lies in the file; ``name`` is what the new code says (``torch``, ``nn``), and
    ``statement`` what makes it known.
    """

    place: Location
    name: str
    statement: str


Change = (
    Replace
    | Reword
    | PutObject
    | Wrap
    | SetArgument
    | DropArgument
    | RenameArgument
    | DropParameters
    | Rename
    | AddParameters
    | Insert
    | Delete
    | Rehome
    | Import
)


@frozen(order=True)
class Edit:
    """What stands from ``start`` up to ``end`` becomes ``text``.

    Lines and columns count from 1, columns in characters; in a notebook within a ``cell``.
    """

    start: tuple[int, int]
    end: tuple[int, int]
    text: str
    cell: int = 0

    def touches(self, other: Edit) -> bool:
        """Whether the two cannot be made at once."""
        same_text = self.cell == other.cell
        return same_text and self.start <= other.end and other.start <= self.end


@frozen
class Fix:
    """A repair. ``title`` completes "pl-lint can"; ``edits`` are known once the source is read."""

    title: str
    changes: tuple[Change, ...]
    applicability: Applicability = Applicability.UNSAFE
    edits: tuple[Edit, ...] = ()
