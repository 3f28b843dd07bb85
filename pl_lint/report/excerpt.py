"""Source text as a terminal may see it: nothing moves the cursor, columns are where they belong."""

from __future__ import annotations

import unicodedata

WIDEST = 100
"""Terminal columns of a source line that are shown; a generated line can have a million."""
TAB = "    "


def visible(text: str) -> str:
    """Text without effect on a terminal: control and direction characters as escapes."""
    return "".join(map(_harmless, text))


def _harmless(character: str) -> str:
    if character == "\t":
        return TAB
    if character.isprintable() or unicodedata.category(character) == "Zs":
        return character
    return ascii(character)[1:-1]


def width(text: str) -> int:
    """How many columns a terminal gives to a text that is already visible."""
    return sum(map(_columns, text))


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def excerpt(line: str, start: int, end: int) -> tuple[str, str]:
    """A line and, to stand below it, the underline of the characters ``[start, end)`` (from 0).

    Of a very long line the part around ``start`` is shown.
    """
    start = min(max(start, 0), len(line))
    first, last = _window(line, start)
    end = min(max(end, start), last)
    before = ("…" if first else "") + visible(line[first:start])
    marked = visible(line[start:end])
    after = visible(line[end:last]) + ("…" if last < len(line) else "")
    underline = " " * width(before) + "^" * max(width(marked), 1)
    return before + marked + after, underline


def _window(line: str, start: int) -> tuple[int, int]:
    """The part of a line to show, in characters. Everything where it is short enough."""
    if len(line) <= WIDEST:
        return 0, len(line)
    first = max(min(start - WIDEST // 4, len(line) - WIDEST), 0)
    return first, first + WIDEST
