"""Texts addressed by line and column, with the line ends that the file has."""

from __future__ import annotations

import io
import tokenize
from collections.abc import Iterable
from functools import cached_property

from pl_lint.fixes import Edit
from pl_lint.plain import frozen, replace


def place_of(edit: Edit) -> tuple[tuple[int, int], tuple[int, int]]:
    """What edits are ordered by: those of one place stay in the order in which they were made."""
    return edit.start, edit.end


@frozen
class Document:
    """A file's text with everything that has to be written back as it was."""

    text: str
    encoding: str = "utf-8"

    @classmethod
    def of(cls, data: bytes) -> Document:
        """A file's bytes, decoded as Python does; its line ends are kept."""
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        return cls(data.decode(encoding), encoding)

    @property
    def data(self) -> bytes:
        return self.text.encode(self.encoding)

    @property
    def program(self) -> str:
        """The Python in the file."""
        return self.text

    @property
    def parts(self) -> list[tuple[str, str]]:
        """What is shown of the file: its texts with what is put behind its name."""
        return [("", self.text)]

    @cached_property
    def lines(self) -> tuple[str, ...]:
        """The lines with their ends, cut where Python cuts."""
        return tuple(io.StringIO(self.text, newline=""))

    @cached_property
    def newline(self) -> str:
        """The line end that most lines have."""
        ends = [line[len(line.rstrip("\r\n")) :] for line in self.lines]
        return max(("\n", "\r\n", "\r"), key=ends.count)

    @cached_property
    def _starts(self) -> tuple[int, ...]:
        starts = [0]
        for line in self.lines:
            starts.append(starts[-1] + len(line))
        return tuple(starts)

    def offset(self, position: tuple[int, int]) -> int:
        line, column = position
        return self._starts[line - 1] + column - 1

    def between(self, start: tuple[int, int], end: tuple[int, int]) -> str:
        return self.text[self.offset(start) : self.offset(end)]

    def edited(self, edits: Iterable[Edit]) -> Document:
        """The text with edits made, none of which may overlap another."""
        pieces: list[str] = []
        reached = 0
        for edit in sorted(edits, key=place_of):
            start, end = self.offset(edit.start), self.offset(edit.end)
            if start < reached:
                raise ValueError(f"overlapping edits at line {edit.start[0]}")
            pieces += [self.text[reached:start], edit.text.replace("\n", self.newline)]
            reached = end
        return replace(self, text="".join([*pieces, self.text[reached:]]))
