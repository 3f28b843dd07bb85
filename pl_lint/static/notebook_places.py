"""Where the text of a notebook's cells stands in its JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from json.decoder import scanstring

Span = tuple[int, int]
SPACE = " \t\r\n"


def line_of(text: str, cell: int, line: int) -> int:
    """The line of the JSON in which a line of a cell stands; 1 where the notebook is of an old
    format, whose cells stand elsewhere."""
    try:
        return text.count("\n", 0, _start_of(text, cell, line)) + 1
    except (KeyError, IndexError, ValueError):
        return 1


def _start_of(text: str, cell: int, line: int) -> int:
    """Where the string begins that holds a line of a cell: its whole text, or one line of it."""
    start, end = dict(enumerate(sources(text), 1))[cell]
    before = 0
    for begins, ends in items(text, start) if text[start] == "[" else [(start, end)]:
        part = json.loads(text[begins:ends])
        before += part.count("\n") if isinstance(part, str) else 0
        start = begins
        if before >= line:
            break
    return start


def sources(text: str) -> Iterator[Span]:
    """Where the source of each cell stands."""
    cells = _value(text, _skip(text, 0), "cells")
    yield from (_value(text, start, "source") for start, _ in items(text, cells[0]))


def _value(text: str, start: int, wanted: str) -> Span:
    """Where a key's value stands in an object: the last one, if a key is there twice."""
    found = [span for key, span in _members(text, start) if key == wanted]
    return found[-1] if found else (start, start)


def _members(text: str, start: int) -> Iterator[tuple[str, Span]]:
    """The keys of an object and where their values stand."""
    at = _skip(text, start + 1)
    while text[at] == '"':
        key, at = scanstring(text, at + 1)
        value = _skip(text, _skip(text, at) + 1)
        end = _end(text, value)
        yield key, (value, end)
        at = _skip(text, end)
        at = _skip(text, at + 1) if text[at] == "," else at


def items(text: str, start: int) -> Iterator[Span]:
    """Where the items of a list stand."""
    at = _skip(text, start + 1)
    while text[at] != "]":
        end = _end(text, at)
        yield at, end
        at = _skip(text, end)
        at = _skip(text, at + 1) if text[at] == "," else at


def _end(text: str, start: int) -> int:
    return json.JSONDecoder().raw_decode(text, start)[1]


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in SPACE:
        at += 1
    return at
