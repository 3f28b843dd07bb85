"""Findings for people at a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache

from pl_lint.config import Config
from pl_lint.findings import Evidence, Finding, Location, Status
from pl_lint.fixes import Applicability
from pl_lint.places import Lines
from pl_lint.plain import frozen
from pl_lint.report.excerpt import excerpt, visible
from pl_lint.report.numbers import comparison
from pl_lint.report.result import Result
from pl_lint.static.reading import JudgedAs
from pl_lint.static.sources import Unreadable


@frozen
class Palette:
    """How the parts of a report look; every field is an ANSI sequence or nothing."""

    failing: str = ""
    note: str = ""
    strong: str = ""
    faint: str = ""
    plain: str = ""

    def paint(self, style: str, text: str) -> str:
        return f"{style}{text}{self.plain}" if style else text


MOST_VERSIONS = 3
MIGRATE = "; what Lightning 2 wants changed: --target 2"
RUNNING = "`pytest --pl-check` decides by running it"
LOOKING = "only you can decide that"
PLAIN = Palette()
COLOURED = Palette("\x1b[1;31m", "\x1b[1;33m", "\x1b[1m", "\x1b[2m", "\x1b[0m")


def render(result: Result, lines: Lines, palette: Palette = PLAIN) -> Iterator[str]:
    """The whole report, in pieces that each end without a line break."""
    lines = cache(lines)
    for unreadable in result.unreadable:
        yield render_unreadable(unreadable, lines, palette)
    for finding in result.findings:
        decider = RUNNING if finding.code in result.decided_by_runs else LOOKING
        yield render_finding(finding, lines, palette, decider)
    yield palette.paint(palette.strong, summary(result))


def render_finding(
    finding: Finding, lines: Lines, palette: Palette = PLAIN, decider: str = RUNNING
) -> str:
    """One finding, of the reader or of a run: place, source, what to do, what a run measured.

    ``decider`` says how a suspicion can be settled.
    """
    style = palette.note if finding.status is Status.SUSPECTED else palette.failing
    head = (
        f"{palette.paint(palette.strong, visible(str(finding.location)))}:"
        f" {palette.paint(style, finding.code)}{QUALIFIER[finding.status]}"
        f" {visible(finding.message)}"
    )
    parts = [head, *_source(finding.location, lines, palette), *_details(finding, decider)]
    return "\n".join(parts)


QUALIFIER = {
    Status.CERTAIN: "",
    Status.SUSPECTED: " (suspected)",
    Status.PROVED: " (proved by a run)",
    Status.REFUTED: " (refuted by a run)",
}
"""What stands after a code."""


def render_unreadable(unreadable: Unreadable, lines: Lines, palette: Palette = PLAIN) -> str:
    place = palette.paint(palette.strong, visible(str(unreadable.location)))
    verdict = palette.paint(palette.failing, unreadable.verdict)
    head = f"{place}: {verdict}: {visible(unreadable.message)}"
    return "\n".join([head, *_source(unreadable.location, lines, palette)])


def _source(location: Location, lines: Lines, palette: Palette) -> Iterator[str]:
    """The first line of a place with its underline."""
    text = lines(location.source)
    if not 0 < location.line <= len(text):
        return
    line = text[location.line - 1]
    if not line.strip():
        return
    goes_on = location.end_line > location.line
    end = len(line.rstrip()) if goes_on else location.end_column - 1
    shown, underline = excerpt(line, location.column - 1, end)
    number = f"{location.line:>5}"
    yield palette.paint(palette.faint, f"{number} |") + f" {shown}"
    yield palette.paint(palette.faint, f"{'':>5} |") + f" {underline}"


def _details(finding: Finding, decider: str) -> Iterator[str]:
    if finding.status is Status.SUSPECTED:
        condition = finding.condition or "or not, depending on how the code is run"
        yield f"  note: a mistake {visible(condition)}; {decider}"
    for evidence in finding.evidence:
        yield from _measured(evidence)
    if finding.remedy:
        yield f"  remedy: {_indented(finding.remedy)}"
    if finding.fix:
        yield f"  fix ({finding.fix.applicability.value}): {finding.fix.title}"


def _measured(evidence: Evidence) -> Iterator[str]:
    where = ", ".join(visible(part) for part in (evidence.world, evidence.how) if part)
    yield f"  {visible(evidence.key)}: {comparison(evidence)}" + (f" [{where}]" if where else "")
    if evidence.cause:
        yield f"  cause: {_indented(evidence.cause)}"


def _indented(text: str) -> str:
    """Text of several lines (a snippet of code) below its label."""
    return "\n    ".join(visible(line) for line in text.split("\n"))


def summary(result: Result) -> str:
    """What there is altogether, in one line or a few."""
    warnings = (f"warning: {visible(one)}" for one in result.warnings)
    return "\n".join([*warnings, _counts(result), *_about_versions(result), *_about_fixes(result)])


def _about_versions(result: Result) -> Iterator[str]:
    """Which Lightning code was judged by, where it is not all the newest."""
    if not any(one.version for one in result.judged):
        return
    alone = len(result.judged) == 1
    files = [f", {_count(one.files, 'file')}" * (not alone) for one in result.judged]
    told = [version_of(one) + count for one, count in zip(result.judged, files, strict=True)]
    if len(told) > MOST_VERSIONS:
        told[MOST_VERSIONS:] = [f"{len(told) - MOST_VERSIONS} more (--show-settings)"]
    old = any(one.version.startswith(("0.", "1.")) for one in result.judged)
    yield f"judged as code for Lightning {'; '.join(told)}{MIGRATE * old}"


def version_of(judged: JudgedAs) -> str:
    """A version, and what says so."""
    because = visible(judged.because) or "the newest that is known"
    return f"{judged.known} ({because})"


def _about_fixes(result: Result) -> Iterator[str]:
    if result.fixed:
        yield f"{amount(result.fixed, result.config)} fixed"
    if result.known:
        yield f"{amount(result.known, result.config)} of the baseline not told again"
    safe = sum(_applies(finding, Applicability.SAFE) for finding in result.findings)
    if safe:
        yield f"{safe} can be fixed with --fix"
    yield from about_unsafe_fixes(result, "more " if safe else "")


def about_unsafe_fixes(result: Result, more: str = "") -> Iterator[str]:
    """How those are made that may change what the code does."""
    unsafe = sum(_applies(finding, Applicability.UNSAFE) for finding in result.findings)
    if unsafe:
        look = "look at them before: --diff --unsafe-fixes"
        yield f"{unsafe} {more}with --fix --unsafe-fixes; {look}"


def _applies(finding: Finding, applicability: Applicability) -> bool:
    return finding.fix is not None and finding.fix.applicability is applicability


def _counts(result: Result) -> str:
    read = _count(result.read, "file")
    parts = [_count(len(result.failing), "finding")]
    if result.notes:
        parts.append(f"{_count(len(result.notes), 'note')} (suspected, not counted)")
    if result.broken:
        parts.append(f"{_count(len(result.broken), 'file')} that cannot be read")
    if result.broken_cells:
        parts.append(f"{_count(len(result.broken_cells), 'cell')} that cannot be read")
    told = (*result.broken, *result.broken_cells)
    if unfinished := len(result.unreadable) - len(told):
        parts.append(f"{_count(unfinished, 'file')} not read to the end")
    if not result.files:
        return ", ".join(parts[-1:]) if result.unreadable else "no Python file found"
    if not result.relevant and not result.unreadable:
        return f"no Lightning code found in {read}, nothing to check"
    return f"{', '.join(parts)}; {read} read, {result.relevant} with Lightning code"


def amount(findings: Sequence[Finding], config: Config) -> str:
    """How many findings there are, and how many notes, in the summary's words."""
    counted = sum(map(config.counts, findings))
    notes = len(findings) - counted
    found = _count(counted, "finding") if counted or not notes else ""
    return ", ".join(filter(None, (found, _count(notes, "note") if notes else "")))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + "s" * (number != 1)
