"""Where something stands."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pl_lint.plain import frozen

Lines = Callable[[str], Sequence[str]]
"""Gives the lines of the file at a path, none where it cannot be read."""
SETTINGS = (".yaml", ".yml")
"""What files of settings end with."""


@frozen(order=True)
class Location:
    """A place in a source file. Lines and columns count from 1; the end is exclusive. Line 0 is the
    file as a whole.

    ``path`` is as the user gave it (relative to the working directory where possible). ``cell`` is
    the 1-based index of a notebook's cell, 0 in a plain file.
    """

    path: str
    line: int
    column: int = 1
    end_line: int = 0
    end_column: int = 0
    cell: int = 0

    def __str__(self) -> str:
        return f"{self.source}:{self.line}:{self.column}" if self.line else self.source

    @property
    def source(self) -> str:
        """What the lines are counted in: the file, or ``notebook.ipynb:cell 3``."""
        return f"{self.path}:cell {self.cell}" if self.cell else self.path

    @property
    def order(self) -> tuple[str, int, Location]:
        """How people read: file by file, cell by cell, line by line."""
        return self.path, self.cell, self

    def covers(self, line: int, column: int | None = None) -> bool:
        """Whether a position lies inside this place; without a column, whether the line does."""
        end_line = self.end_line or self.line
        if not self.line <= line <= end_line:
            return False
        if column is None:
            return True
        after_start = line > self.line or column >= self.column
        before_end = line < end_line or not self.end_column or column < self.end_column
        return after_start and before_end
