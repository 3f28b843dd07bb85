"""What an operator is: a row of the catalogue, and a search for its idiom in healthy code."""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import operators
from operators.source import Edit, Source


@dataclass(frozen=True)
class Change:
    """Edits that make a healthy class sick, and in words what they do.

    Where the class lacks what a mistake needs, ``healthy`` adds it as it should be written, and
    ``sick`` the same with the mistake in it; both start from the original text, and the healthy
    text is run as an original too.
    """

    sick: tuple[Edit | None, ...]
    note: str
    healthy: tuple[Edit | None, ...] = ()


@dataclass(frozen=True)
class Twin:
    """A sick twin. ``original`` is what it is compared with, ``line`` the first that differs.

    Its mistake should be named by one of ``codes``; ``checks`` are those that should see it.
    ``places`` are statements (first and last line, in the text of the class as it was found) that
    a run has to come by for the mistake to have any effect.
    """

    operator: str
    row: str
    note: str
    original: str
    source: str
    line: int
    codes: tuple[str, ...]
    checks: tuple[str, ...]
    places: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Operator:
    """A mistake of the catalogue, planted in healthy code.

    ``codes`` name it: that of its row first, then others that say the same of it. ``checks`` are
    the ones whose promise it breaks.
    """

    row: str
    name: str
    codes: tuple[str, ...]
    checks: tuple[str, ...]
    find: Callable[[Source], Iterable[Change]]

    def twins(self, source: Source) -> Iterator[Twin]:
        """In the order in which the operator prefers its places; the same for the same text."""
        seen = {source.text}
        for change in self.find(source):
            original, text = _applied(source, change.healthy), _applied(source, change.sick)
            if text is None or original is None or text in seen:
                continue
            seen.add(text)
            places = tuple(source.place(edit) for edit in change.sick if edit and edit.must_run)
            yield Twin(
                operator=self.name,
                row=self.row,
                note=change.note,
                original=original,
                source=text,
                line=first_difference(original, text),
                codes=self.codes,
                checks=self.checks,
                places=places,
            )


def _applied(source: Source, edits: tuple[Edit | None, ...]) -> str | None:
    """The edited text; None if an edit has no place here or the text would not be Python."""
    if None in edits:
        return None
    text = source.applied(edit for edit in edits if edit is not None)
    try:
        ast.parse(text)
    except SyntaxError:
        return None
    return text


def first_difference(original: str, text: str) -> int:
    pairs = zip(original.splitlines(), text.splitlines(), strict=False)
    same = (number for number, (old, new) in enumerate(pairs, 1) if old != new)
    return next(same, len(original.splitlines()))


def operator(
    row: str, *codes: str, checks: Iterable[str]
) -> Callable[[Callable[[Source], Iterable[Change]]], Operator]:
    """Make an operator of a generator function; it is found by being in a module here."""

    def make(find: Callable[[Source], Iterable[Change]]) -> Operator:
        return Operator(row, find.__name__.replace("_", "-"), codes, tuple(checks), find)

    return make


@functools.cache
def all_operators() -> tuple[Operator, ...]:
    """Every operator of every module of this package, by row."""
    modules = [
        importlib.import_module(f"{operators.__name__}.{info.name}")
        for info in pkgutil.iter_modules(operators.__path__)
    ]
    found = {id(each): each for module in modules for each in vars(module).values() if _is(each)}
    return tuple(sorted(found.values(), key=lambda each: (each.row, each.name)))


def _is(item: object) -> bool:
    return isinstance(item, Operator)


def documentation(each: Operator) -> str:
    return inspect.cleandoc(each.find.__doc__ or "")
