"""Comments with which people switch findings off: at one place, or in a whole file.

``# noqa``, ``# noqa: LTN101, LTN102``, ``# pl-lint: ignore`` and ``# pl-lint: ignore[LTN101] why``
stand on the line; ``# pl-lint: ignore-file`` and ``# pl-lint: ignore-file[LTN101] why`` on a line
of their own anywhere in the file. What looks like a list of codes but names none hides nothing: a
typing mistake must not widen a suppression to everything. ``slips`` finds such mistakes.
"""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Collection, Iterable, Iterator
from functools import cached_property

from pl_lint.facts.sites import CommentSlip, SuppressionSite
from pl_lint.findings import Finding
from pl_lint.places import Location
from pl_lint.plain import frozen, replace

OURS = "LTN"
"""How our codes begin. ``# noqa: E501`` is no business of ours."""
CODE = r"[A-Z]+[0-9]+\b"
DIRECTIVE = re.compile(
    r"#\s*(?:(?P<noqa>noqa)|pl-lint\s*:\s*ignore(?P<file>-file)?)\b(?!-)"
    rf"(?P<list>\s*[:\[(]|\s+(?={CODE}))?"
    rf"\s*(?P<codes>{CODE}(?:[\s,]+{CODE})*)?(?P<closing>\s*[\])])?",
    re.IGNORECASE,
)
"""A comment as it should be, and some that are meant so."""
_CANDIDATE = re.compile(rf"#\s*(?:noqa|pl[-_ ]?lint)|{OURS}[-_ ]?\d", re.IGNORECASE)
"""Where there may be something to say. Our codes stand in mistyped comments, too."""


@frozen
class Directive:
    """One comment. ``codes`` is empty where it hides every code; ``line`` 0 where it is for the
    whole file; ``own``: it is pl-lint's."""

    location: Location
    named: Location
    line: int
    codes: tuple[str, ...]
    own: bool = False

    @property
    def is_of_file(self) -> bool:
        return not self.line

    def hides(self, finding: Finding) -> bool:
        place = finding.location
        here = self.line in (0, place.line, place.end_line or place.line)
        here = here and (not self.line or self.location.cell == place.cell)
        return here and (not self.codes or finding.code in self.codes)


@frozen
class Suppressions:
    """The suppressions of one source text.

    Telling a comment from a string takes ``tokenize``, which costs twice as much as parsing. So
    nothing is done until a finding asks, and then only where a regular expression sees a candidate.
    """

    text: str
    path: str = ""

    def hides(self, finding: Finding) -> bool:
        """Whether a comment on the finding's first line, on its last, or for the file names it."""
        return any(directive.hides(finding) for directive in self._directives)

    def hides_remark(self, finding: Finding) -> bool:
        """The same of a finding about a comment, which must not hide itself with all the rest."""
        able = (one for one in self._directives if one.codes or one.is_of_file)
        return any(directive.hides(finding) for directive in able)

    def sites(
        self, findings: Iterable[Finding], judged: Collection[str]
    ) -> Iterator[SuppressionSite]:
        """The comments that name codes of ours, with those of the codes ``judged`` that hide no
        finding."""
        known = list(findings)
        for one in self._directives:
            hidden = {finding.code for finding in known if one.hides(finding)}
            if one.codes:
                unused = tuple(c for c in one.codes if c in judged and c not in hidden)
                yield SuppressionSite(one.location, one.named, one.codes, unused, one.own)

    def slips(self) -> Iterator[CommentSlip]:
        """The comments that are not what they look like."""
        if not self._candidates:
            return
        from pl_lint.static.slips import slips  # most files have none

        for token in self._candidates:
            for slip in slips(token, self.path):
                span = slip.span and self._seen(slip.span)
                yield replace(slip, location=self._seen(slip.location), span=span)

    @cached_property
    def _candidates(self) -> tuple[tokenize.TokenInfo, ...]:
        """The comments, where any of them may matter."""
        return tuple(self._comments()) if _CANDIDATE.search(self.text) else ()

    @cached_property
    def _directives(self) -> tuple[Directive, ...]:
        found = (one for token in self._candidates for one in _read(token, self.path))
        return tuple(map(self._placed, found))

    def _placed(self, directive: Directive) -> Directive:
        """The comment where people see it."""
        where, named = self._seen(directive.location), self._seen(directive.named)
        line = where.line if directive.line else 0
        return replace(directive, location=where, named=named, line=line)

    def _seen(self, place: Location) -> Location:
        """A place of the text where people see it."""
        return place

    def _comments(self) -> Iterator[tokenize.TokenInfo]:
        """The comments of a text; what else holds Python's comments finds its own."""
        return _comments(self.text)


def _comments(text: str) -> Iterator[tokenize.TokenInfo]:
    """The comments; ends early where the text cannot be cut into tokens."""
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.COMMENT:
                yield token
    except (tokenize.TokenError, SyntaxError, RecursionError):
        return


def _read(token: tokenize.TokenInfo, path: str) -> Iterator[Directive]:
    line, column = token.start

    def place(start: int, end: int) -> Location:
        return Location(path, line, column + start + 1, line, column + end + 1)

    for match in DIRECTIVE.finditer(token.string):
        if match["list"] and not match["codes"]:
            continue
        before = token.line[: column + match.start()]
        if match["file"] and before.strip():
            continue  # behind code it would be a surprise for the rest of the file
        blanks = len(before) - len(before.rstrip())
        next_comment = token.string.find("#", match.end())
        end = next_comment if next_comment >= 0 else len(token.string)
        codes = tuple(re.findall(CODE, (match["codes"] or "").upper()))
        yield Directive(
            location=place(match.start() - blanks, end),
            named=place(*match.span("codes")),
            line=0 if match["file"] else line,
            codes=codes,
            own=not match["noqa"],
        )
