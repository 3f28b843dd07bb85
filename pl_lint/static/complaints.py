# ruff: noqa: RUF001 - characters that look like others are what this is about
"""Why a file cannot be read, in words that say what to do about it."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable

from pl_lint.plain import frozen

LOOK_ALIKES: dict[str, tuple[str, str]] = {
    **dict.fromkeys("“”„‟«»″", ("typographic quote", 'write "..."')),
    **dict.fromkeys("‘’‚‛‹›′`´", ("typographic quote", "write '...'")),
    **dict.fromkeys("–—‒―−‐‑", ("typographic dash", "write -")),
    **dict.fromkeys("\u00a0\u2007\u202f\u2009\u3000", ("special space", "write a plain space")),
    **dict.fromkeys("\u200b\u200c\u200d\u2060\ufeff\u00ad", ("invisible character", "delete it")),
    "…": ("typographic ellipsis", "write ..."),
    "×": ("multiplication sign", "write *"),
    "÷": ("division sign", "write /"),
    "≤": ("less-or-equal sign", "write <="),
    "≥": ("greater-or-equal sign", "write >="),
    "≠": ("unequal sign", "write !="),
    "→": ("arrow", "write ->"),
    "（": ("full-width bracket", "write ("),
    "）": ("full-width bracket", "write )"),
    "，": ("full-width comma", "write ,"),
    "：": ("full-width colon", "write :"),
}
"""Characters that word processors, web pages and chats put in the place of Python's own."""


@frozen
class Situation:
    """A syntax error: what Python said, and of which line."""

    said: str
    line: str


def is_notebook(text: str) -> bool:
    """Whether a text is a notebook's JSON, which is mostly valid Python, too."""
    return re.match(r"\s*\{", text) is not None and '"cells"' in text[:2000]


def explain(error: SyntaxError, text: str) -> str:
    """One sentence for a syntax error: what stands there, and what to write instead."""
    line = _line(text, error.lineno or 1)
    stranger = re.search(r"\(?U\+([0-9A-F]{4,6})\)?$", error.msg or "")
    if stranger:
        return _character(chr(int(stranger[1], 16)))
    situation = Situation(error.msg or "invalid syntax", line)
    here = sys.version_info[:2]
    for version, recognises, what in _NEWER:
        if here < version and recognises(situation):
            return (
                f"{what} came with Python {_dotted(version)}, and pl-lint runs under Python "
                f"{_dotted(here)}; install pl-lint under the newer one, or exclude the file"
            )
    for recognises, sentence in _KINDS:
        if recognises(situation):
            return sentence
    return (
        f"syntax error: {situation.said}; correct it or exclude the file"
        f" (read with Python {_dotted(here)})"
    )


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def _line(text: str, number: int) -> str:
    lines = text.split("\n")
    return lines[number - 1] if 0 < number <= len(lines) else ""


def _character(character: str) -> str:
    name, remedy = LOOK_ALIKES.get(character, ("character", "delete it or put it in quotes"))
    return f"{name} U+{ord(character):04X}; {remedy}"


def _any(*patterns: str) -> Callable[[Situation], bool]:
    """Recognises the offending line."""
    compiled = [re.compile(pattern) for pattern in patterns]
    return lambda situation: any(p.search(situation.line) for p in compiled)


def _is_python_2(situation: Situation) -> bool:
    known = ("Missing parentheses in call to", "multiple exception types must be")
    return situation.said.startswith(known) or bool(
        re.search(r"^\s*raise\s+\w+\s*,|\bur['\"]", situation.line)
    )


def _is_free_f_string(situation: Situation) -> bool:
    """Its own quotes, or a backslash, within the braces of an f-string."""
    within = r"""\bf(["']).*?\{[^}]*(?:\1|\\)[^}]*\}"""
    said = ("f-string", "invalid syntax", "unexpected character after line continuation")
    return situation.said.startswith(said) and bool(re.search(within, situation.line, re.I))


_KINDS: tuple[tuple[Callable[[Situation], bool], str], ...] = (
    (
        _any(r"^(<{7}|>{7}|\|{7}) ", r"^={7}$"),
        "marks of an unfinished merge; finish it and delete the <<<<<<<, ======= and >>>>>>> lines",
    ),
    (
        _any(r"^\s*%%?[a-z]\w*", r"^\s*![a-z]", r"^\s*\?\w|^\s*[\w.]+\?$"),
        "a command for IPython (% or !) in a Python file; delete the line or comment it out",
    ),
    (
        _any(r"\{\{.*\}\}", r"\{%.*%\}"),
        "this is a template to be filled in, no Python yet; exclude the file",
    ),
    (
        _any(r"^version https://git-lfs"),
        "a Git LFS pointer in the place of the file; run `git lfs pull`",
    ),
    (
        _is_python_2,
        "this is Python 2; Lightning needs Python 3: convert it, or exclude the file",
    ),
)
"""What the usual reasons look like, most specific first."""
_NEWER: tuple[tuple[tuple[int, int], Callable[[Situation], bool], str], ...] = (
    (
        (3, 12),
        _any(r"^\s*type\s+\w+\s*(\[.*\])?\s*=", r"^\s*(async\s+)?(def|class)\s+\w+\s*\["),
        "this way to write types",
    ),
    ((3, 12), _is_free_f_string, "this way to write f-strings"),
    (
        (3, 14),
        _any(r"^\s*except\s+[A-Z][\w.]*(\s*,\s*[A-Z]\w*[a-z][\w.]*)+\s*:"),
        "several exceptions without brackets",
    ),
    ((3, 14), _any(r"""(?<![\w'"])[tT][rR]?["']"""), 'a template string (t"...")'),
)
"""Syntax that is no mistake, by the Python that it came with."""
