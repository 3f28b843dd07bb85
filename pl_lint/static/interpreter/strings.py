"""Strings that are put together, as far as their parts are known."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from pl_lint.static.interpreter.abstract import Abstract, Const, Text, join, options
from pl_lint.static.interpreter.derivation import MAX_OPTIONS

MAX_CONSTANT = 10_000
"""Longer strings and larger numbers are not computed: the code may multiply them without end."""


def concatenated(pieces: Iterable[Abstract]) -> Abstract:
    """Strings written one after the other; each known alternative of each piece is kept."""
    alternatives = [[_text(option) for option in options(piece)] for piece in pieces]
    total = 1
    for choices in alternatives:
        total *= len(choices)
    if total > MAX_OPTIONS:
        alternatives = [choices if len(choices) == 1 else [(None,)] for choices in alternatives]
    return join(*(merged(itertools.chain(*parts)) for parts in itertools.product(*alternatives)))


def _text(value: Abstract) -> tuple[str | None, ...]:
    match value:
        case Const(str() | int() | float() | None as constant):
            return (str(constant),)
        case Text(parts):
            return parts
        case _:
            return (None,)


def merged(parts: Iterable[str | None]) -> Abstract:
    """A string made of texts and holes."""
    pieces: list[str | None] = []
    for part in parts:
        if part is None and pieces and pieces[-1] is None:
            continue
        if part is not None and pieces and pieces[-1] is not None:
            pieces[-1] += part
        elif part != "":
            pieces.append(part)
    if all(isinstance(part, str) for part in pieces):
        text = "".join(part for part in pieces if part)
        return Const(text) if len(text) <= MAX_CONSTANT else Text((None,))
    return Text(tuple(pieces))
