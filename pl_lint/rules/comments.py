"""Comments that switch findings off."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from pl_lint.config import nearest
from pl_lint.facts.sites import CommentSlip, ProjectFacts, SuppressionSite
from pl_lint.findings import Finding, Status
from pl_lint.fixes import Applicability, Fix, Replace
from pl_lint.rules.registry import Rule, all_rules, rule

OURS = "LTN"
LIKE = 0.75
"""How alike, by ``difflib``, a mistyped word is to the one that was meant."""
A_CODE = re.compile(rf"\b{OURS}[-_ ]?(\d{{3}})\b", re.IGNORECASE)
LIST = "write `{noqa}` or `{ignore}`"
RUN_ALONE = "what only a run finds is declared with the case (`expected_failures`)"
SLIPS = {
    "open": ("a bracket is missing in this comment: it hides {codes}", LIST),
    "blanket": (
        "without a colon behind noqa this hides {codes} for pl-lint, and for ruff and flake8"
        " everything in this line",
        LIST,
    ),
    "list": (
        "without a colon behind noqa this hides {codes} for pl-lint, nothing for ruff, and for"
        " flake8 everything in this line",
        LIST,
    ),
    "wide": ("this hides everything in its line, not just the codes behind it", LIST),
    "empty": ("this comment names no code where it should, and hides nothing", LIST),
    "rest": ("of this comment only {codes} is read", LIST),
    "word": ("pl-lint has no such comment as `{written}`: it hides nothing", LIST),
    "place": (
        "behind code `ignore-file` hides nothing",
        "write `{file}` on a line of its own, or `{ignore}` for this line",
    ),
    "tool": (
        "pl-lint does not read this comment, which is for another tool: it hides nothing",
        f"{LIST}, for a whole file `{{file}}` on a line of its own",
    ),
}
"""What each kind of slip does, and what to write."""


@rule(
    "LTN999",
    "unused-suppression",
    rows=(),
    status=Status.SUSPECTED,
    condition="unless a run finds there what reading does not",
    subject="comments",
)
def unused_suppression(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A comment switches off a finding that is not there.

    What it does
    ------------
    Finds `# noqa: LTN101` and `# pl-lint: ignore[LTN101]` where reading finds no LTN101, for the
    rules that are on.

    Why is this bad
    ---------------
    Nothing is wrong today. But the comment would hide the mistake when somebody makes it again.

    Example
    -------
        def validation_step(self, batch, batch_idx):
            self.log("val_loss", self.loss(batch))  # noqa: LTN101

    Use instead
    -----------
        def validation_step(self, batch, batch_idx):
            self.log("val_loss", self.loss(batch))

    When to ignore
    --------------
    Where `pytest --pl-check` finds something at that line that cannot be read.

    References
    ----------
    - https://docs.astral.sh/ruff/rules/unused-noqa/
    """
    for site in facts.suppressions:
        if site.unused:
            codes = ", ".join(site.unused)
            yield self.finding(
                site.location,
                f"there is no {codes} here that the comment could hide",
                remedy="delete what hides nothing, so that it cannot hide a mistake later",
                fix=_shortened(site),
            )


def _shortened(site: SuppressionSite) -> Fix:
    left = ", ".join(code for code in site.codes if code not in site.unused)
    change = Replace(site.named, left) if left else Replace(site.location, "")
    return Fix("shorten the comment", (change,))


@rule("LTN998", "mistyped-suppression", rows=(), subject="comments", fixable=True)
def mistyped_suppression(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A comment that was meant to hide findings is not what it looks like.

    What it does
    ------------
    Finds `# noqa` and `# pl-lint: ignore[...]` with a bracket or a colon too few, without a code
    where a list begins, with codes that no rule has, behind code where they should have a line of
    their own, and words that are nearly right. Codes of other tools are not looked at.

    Why is this bad
    ---------------
    The comment hides nothing, or more than it says. `# noqa LTN106` hides LTN106 alone for pl-lint,
    and everything in its line for ruff and flake8, to which it is a blanket `noqa`.

    Example
    -------
        def validation_step(self, batch, batch_idx):
            self.log("val_loss", self.loss(batch))  # pl-lint: ignore[LTN1O6] one device

    Use instead
    -----------
        def validation_step(self, batch, batch_idx):
            self.log("val_loss", self.loss(batch))  # pl-lint: ignore[LTN106] one device

    When to ignore
    --------------
    Never: write it as it is meant.

    References
    ----------
    - https://docs.astral.sh/ruff/linter/#error-suppression
    """
    for slip in facts.slips:
        said, remedy = SLIPS[slip.kind]
        message = said.format(codes=", ".join(slip.codes), written=slip.written)
        remedy = _code_for(slip.word) or _filled_in(remedy, slip)
        yield self.finding(slip.location, message, remedy=remedy, fix=_mended(slip))
    known = {one.code for one in all_rules()}
    for site in facts.suppressions:
        for code in site.codes:
            if code not in known and _is_for_us(code, site):
                yield self.finding(
                    site.named,
                    f"no rule has the code {code}: this hides nothing",
                    remedy=_meant(code, known),
                )


def _filled_in(remedy: str, slip: CommentSlip) -> str:
    """A remedy with the codes that the comment names, in the form that it nearly has."""
    named = dict.fromkeys(f"{OURS}{number}" for number in A_CODE.findall(slip.written))
    codes = ", ".join(named or (f"{OURS}101", f"{OURS}102"))
    file = f"# pl-lint: ignore-file[{codes}] why"
    noqa, ignore = f"# noqa: {codes}", f"# pl-lint: ignore[{codes}] why"
    if named and remedy == LIST:
        ours = file if FILE.search(slip.written) else ignore
        return f"write `{ours if FOR_US.match(slip.written) else noqa}`"
    return remedy.format(noqa=noqa, ignore=ignore, file=file)


FOR_US = re.compile(r"#\s*pl[-_ ]?lint", re.IGNORECASE)
FILE = re.compile(r"#\s*pl[-_ ]?lint\W*(?:ignore|disable|skip)?[-_ ]?file\b", re.IGNORECASE)
"""A comment that means its whole file; a reason may speak of one, too."""


def _mended(slip: CommentSlip) -> Fix | None:
    """A bracket changes nothing; a blanket ``noqa`` that is none any more shows what it hid."""
    if slip.span is None:
        return None
    safe = slip.kind == "open"
    how = Applicability.SAFE if safe else Applicability.UNSAFE
    return Fix("write the list of codes as one", (Replace(slip.span, slip.meant),), how)


def _code_for(word: str) -> str:
    """What to write in the place of a rule's name, or of a mistyped code."""
    if not word:
        return ""
    codes = {name: one.code for one in all_rules() for name in (one.code, one.name.upper())}
    from difflib import SequenceMatcher

    near = nearest(word.upper(), codes)
    if near is None or SequenceMatcher(None, word.upper(), near).ratio() < LIKE:
        return ""
    return f"no rule has the code {word!r}; did you mean {codes[near]}?"


def _is_for_us(code: str, site: SuppressionSite) -> bool:
    """Whether a code should be one of ours: by its letters, or for the comment is ours."""
    letters = code.rstrip("0123456789")
    return site.own or sorted(letters) == sorted(OURS)


def _meant(code: str, known: Iterable[str]) -> str:
    near = nearest(code, known)
    meant = f"did you mean {near}?" if near else "`pl-lint rules` lists them"
    return f"{meant} ({RUN_ALONE})" if _is_complete(code) else meant


def _is_complete(code: str) -> bool:
    return code.startswith(OURS) and len(code) == len(OURS) + 3
