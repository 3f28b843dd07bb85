"""Findings in one line each, for editors, `grep` and people who know the rules."""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.findings import Status
from pl_lint.report.excerpt import visible
from pl_lint.report.result import Result
from pl_lint.report.text import summary


def render(result: Result) -> Iterator[str]:
    """``path:line:column: CODE message``; ``(suspected)`` after the code of a note."""
    for unreadable in result.unreadable:
        place, why = visible(str(unreadable.location)), visible(unreadable.message)
        yield f"{place}: {unreadable.verdict}: {why}"
    for finding in result.findings:
        note = " (suspected)" if finding.status is Status.SUSPECTED else ""
        mark = " [*]" if result.config.may_fix(finding) else ""
        place = visible(str(finding.location))
        yield f"{place}: {finding.code}{note}{mark} {visible(finding.message)}"
    yield summary(result)
