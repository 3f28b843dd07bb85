"""Comments that were meant to hide findings and are not what they look like.

A bracket is forgotten, a colon, a letter: such a comment hides nothing, or more than it says, and
nobody would notice. What is prose stays prose: a comment is one of these only where it names a code
of ours, or has the form of a comment for pl-lint.
"""

from __future__ import annotations

import re
import tokenize
from collections.abc import Iterator

from pl_lint.facts.sites import CommentSlip, SlipKind
from pl_lint.places import Location
from pl_lint.plain import frozen, replace
from pl_lint.static.suppressions import CODE, DIRECTIVE, OURS

A_CODE = re.compile(rf"\b{OURS}[-_ ]?\d+", re.IGNORECASE)
JOINED = re.compile(rf"\s*(?:[-;,.=/|&+]|and\b)\s*(?={OURS}[-_ ]?\d)", re.IGNORECASE)
"""Between codes, or before the first one, where something else should stand."""
FOR_US = re.compile(
    r"#\s*pl[-_ ]?lint\s*(?P<colon>:?)\s*(?P<word>[a-z][\w-]*)?(?P<rest>.*)", re.IGNORECASE
)
FOR_OTHERS = re.compile(
    r"#\s*[a-z][\w-]*\s*:\s*(?:noqa|ignore|disable)[\w-]*\W*"
    rf"(?:\w+\W+)*?{OURS}\d",
    re.IGNORECASE,
)
"""``# ruff: noqa: LTN101``, ``# type: ignore[LTN101]``, ``# pylint: disable=LTN101``."""
INSIDE = re.compile(r"[^\[\](){}]*[\])]")
"""What is left of a list up to its bracket."""
INSTEAD = frozenset({"noqa", "disable", "disable-file", "skip", "skip-file", "off", "allow"})
"""What other tools call it."""
LIKE_NOQA = re.compile(rf"#\s*(?P<word>[\w-]{{3,6}}?)\s*:?\s*{OURS}\d", re.IGNORECASE)
LIKE = 0.75
"""How alike, by ``difflib``, a mistyped word is to the one that was meant."""


@frozen
class _Piece:
    """One comment of those that may stand behind each other in a line; ``start`` is its place in
    the token, ``first``: nothing but blanks stands before it."""

    text: str
    start: int
    line: int
    column: int
    path: str
    first: bool

    def place(self, start: int, end: int) -> Location:
        offset = self.column + self.start + 1
        return Location(self.path, self.line, offset + start, self.line, offset + end)

    def slip(self, kind: SlipKind, codes: str = "", word: str = "") -> CommentSlip:
        hidden = tuple(re.findall(CODE, codes.upper()))
        return CommentSlip(self.place(0, len(self.text)), kind, self.text, hidden, word)

    def to_mend(self, kind: SlipKind, codes: str, span: tuple[int, int], meant: str) -> CommentSlip:
        return replace(self.slip(kind, codes), span=self.place(*span), meant=meant)


def slips(token: tokenize.TokenInfo, path: str) -> Iterator[CommentSlip]:
    """What is wrong with the comments of one token."""
    line, column = token.start
    for match in re.finditer(r"#[^#]*", token.string):
        first = not token.line[: column + match.start()].strip()
        piece = _Piece(match[0].rstrip(), match.start(), line, column, path, first)
        found = _slip(piece)
        if found is not None:
            yield found


def _slip(piece: _Piece) -> CommentSlip | None:
    match = DIRECTIVE.match(piece.text)
    if match is None:
        return _mistyped(piece)
    rest = piece.text[match.end() :]
    if match["noqa"]:
        return _of_noqa(piece, match, rest)
    if match["file"] and not piece.first:
        return piece.slip("place")
    return _of_ours(piece, match, rest)


def _of_noqa(piece: _Piece, match: re.Match[str], rest: str) -> CommentSlip | None:
    """Without a colon just behind the word it is a blanket ``noqa`` to ruff and flake8."""
    codes = match["codes"] or ""
    if (match["list"] or "").strip() == ":":
        if not codes:
            return piece.slip("empty", word=_word(rest)) if A_CODE.search(rest) else None
        return piece.slip("rest", codes) if JOINED.match(rest) else None
    if not codes:
        return piece.slip("wide") if JOINED.match(rest) else None
    if not A_CODE.search(codes):
        return None
    kind: SlipKind = "list" if (match["list"] or "").strip() else "blanket"
    return piece.to_mend(kind, codes, (match.end("noqa"), match.end()), f": {codes}")


def _of_ours(piece: _Piece, match: re.Match[str], rest: str) -> CommentSlip | None:
    codes, listed = match["codes"] or "", match["list"] or ""
    if not codes and listed:
        return piece.slip("empty", word=_word(rest))
    if JOINED.match(rest):
        return piece.slip("rest" if codes else "wide", codes)
    opened, closed = listed.strip() in ("[", "("), bool(match["closing"])
    left = INSIDE.match(rest) if opened and not closed else None
    if left is not None:  # [LTN101 in short]
        return piece.slip("rest", codes) if A_CODE.search(left[0]) else None
    if opened == closed:
        return None
    return piece.to_mend("open", codes, (match.start("list"), match.end()), f"[{codes}]")


def _word(rest: str) -> str:
    """What stands where a code should."""
    found = re.match(r"\W*([\w-]+)", rest)
    return found[1] if found else ""


def _mistyped(piece: _Piece) -> CommentSlip | None:
    """What is no comment of ours, and was perhaps meant as one."""
    ours = FOR_US.match(piece.text)
    if ours is not None:
        return piece.slip("word") if _is_meant(ours) else None
    if FOR_OTHERS.match(piece.text):
        return piece.slip("tool")
    noqa = LIKE_NOQA.match(piece.text)
    return piece.slip("word") if noqa and _alike(noqa["word"], "noqa") else None


def _is_meant(match: re.Match[str]) -> bool:
    """Whether what begins with our name is more than a remark about us."""
    word, rest = match["word"] or "", match["rest"]
    known = _alike(word, "ignore") or _alike(word, "ignore-file") or word.lower() in INSTEAD
    if A_CODE.search(f"{word}{rest}"):
        return known or bool(match["colon"])
    listed = re.match(r"\s*[\[(:]|\s*$", rest) is not None
    return known and (bool(match["colon"]) or listed)


def _alike(word: str, meant: str) -> bool:
    from difflib import SequenceMatcher

    return SequenceMatcher(None, word.lower(), meant).ratio() >= LIKE
