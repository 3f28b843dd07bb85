"""How much work reading a file may be. It is counted and not timed, so that the answer is the same
on every machine, however busy it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from pl_lint.plain import frozen

MOST = 400_000
"""Expressions and statements that are evaluated for one file, those of helpers and base classes
each time they are reached. Of 5,200 public files that were read the largest needed 168,000, 99 in
a hundred less than 15,000; so much takes some five seconds."""
PER_UNIT = 64
"""Names that are copied where the code branches, for the price of one expression."""


class TooMuch(Exception):
    """A file is more work than reading it may be."""


class TooDeep(RecursionError):
    """A file whose values, if not its syntax, are nested too deep."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


@contextmanager
def blamed(path: str) -> Iterator[None]:
    """While it is this file that is read."""
    try:
        yield
    except RecursionError as error:
        raise TooDeep(path) from error


class Work:
    """What may still be done for one file."""

    def __init__(self, left: int = MOST) -> None:
        self.left = left
        self._half = left // 2

    @property
    def half_done(self) -> bool:
        return self.left < self._half

    def spend(self, amount: int) -> None:
        self.left -= amount
        if self.left < 0:
            raise TooMuch


@frozen
class Excess:
    """A file that was left, and how many of its classes had been judged by then."""

    path: str
    judged: int
    classes: int


class Works:
    """The work on each file of a project; its classes by whether they were judged."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._works: dict[str, Work] = {}
        self._judged: Counter[str] = Counter()
        self._classes: Counter[str] = Counter()

    def on(self, path: str) -> Work:
        return self._works.setdefault(path, Work(self._most))

    def count(self, path: str, judged: bool) -> None:
        """Count a class of a file."""
        self._classes[path] += 1
        self._judged[path] += judged

    def excesses(self) -> Iterator[Excess]:
        """The files that were too much."""
        for path, work in self._works.items():
            if work.left < 0:
                yield Excess(path, self._judged[path], self._classes[path])
