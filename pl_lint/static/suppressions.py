"""Comments with which people switch a finding off at one place.

``# noqa``, ``# noqa: LTN101, LTN102``, ``# pl-lint: ignore`` and ``# pl-lint: ignore[LTN101] why``.
What looks like a list of codes but names none hides nothing: a typing mistake must not widen a
suppression to everything.
"""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from pl_lint.findings import Finding

_CANDIDATE = re.compile(r"#\s*(?:noqa|pl-lint\s*:)", re.IGNORECASE)
_CODE = r"[A-Z]+[0-9]+\b"
_DIRECTIVE = re.compile(
    r"#\s*(?:noqa|pl-lint\s*:\s*ignore)\b(?!-)"
    rf"(?P<list>\s*[:\[(]|\s+(?={_CODE}))?"
    rf"\s*(?P<codes>{_CODE}(?:[\s,]+{_CODE})*)?",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Everything:
    """A suppression that names no code hides every code."""

    def __contains__(self, code: object) -> bool:
        return True


Codes = frozenset[str] | Everything


@dataclass(frozen=True)
class Suppressions:
    """The suppressions of one source text.

    Telling a comment from a string takes ``tokenize``, which costs twice as much as parsing. So
    nothing is done until a finding asks, and then only where a regular expression sees a candidate.
    """

    text: str

    def hides(self, finding: Finding) -> bool:
        """Whether a comment on the finding's first line, or on its last, names its code."""
        place = finding.location
        lines = {place.line, place.end_line or place.line}
        return any(finding.code in codes for line in lines for codes in self._by_line.get(line, ()))

    @cached_property
    def _by_line(self) -> Mapping[int, tuple[Codes, ...]]:
        if not _CANDIDATE.search(self.text):
            return {}
        found = ((line, tuple(_directives(comment))) for line, comment in _comments(self.text))
        return {line: codes for line, codes in found if codes}


def _comments(text: str) -> Iterator[tuple[int, str]]:
    """The line and text of each comment; ends early where the text cannot be cut into tokens."""
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.COMMENT:
                yield token.start[0], token.string
    except (tokenize.TokenError, SyntaxError, RecursionError):
        return


def _directives(comment: str) -> Iterator[Codes]:
    for match in _DIRECTIVE.finditer(comment):
        if not match["list"]:
            yield Everything()
        elif match["codes"]:
            yield frozenset(re.findall(_CODE, match["codes"].upper()))
