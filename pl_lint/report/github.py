"""Findings as annotations of a pull request: the workflow commands of GitHub Actions.

https://docs.github.com/actions/reference/workflow-commands-for-github-actions
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from pl_lint.findings import Finding
from pl_lint.places import Lines, Location
from pl_lint.report.result import Result
from pl_lint.report.text import QUALIFIER
from pl_lint.static.notebook_places import line_of


def render(result: Result, lines: Lines) -> Iterator[str]:
    """An error for what counts, a notice for what does not."""
    lines = cache(lines)
    for unreadable in result.unreadable:
        level = "error" if unreadable in result.broken else "warning"
        yield _command(level, unreadable.location, "pl-lint", unreadable.message, lines)
    if not result.files:
        yield "::error title=pl-lint::no Python file found"
    yield from (f"::warning title=pl-lint::{_data(one)}" for one in result.warnings)
    for finding in result.findings:
        level = "error" if result.config.counts(finding) else "notice"
        name = result.names.get(finding.code, "")
        title = f"{finding.code}{QUALIFIER[finding.status]} {name}".strip()
        yield _command(level, finding.location, title, _told(finding), lines)


def _told(finding: Finding) -> str:
    condition = f" (a mistake {finding.condition})" if finding.condition else ""
    remedy = f"\n{finding.remedy}" if finding.remedy else ""
    return f"{finding.message}{condition}{remedy}"


def _command(level: str, place: Location, title: str, message: str, lines: Lines) -> str:
    if place.cell:  # the service counts the lines of the JSON, and people those of the cell
        message = f"cell {place.cell}, line {place.line}: {message}"
        text = "\n".join(lines(place.path))
        place = Location(place.path, line_of(text, place.cell, place.line))
    fields = {
        "file": place.path,
        "line": place.line or 1,
        "col": place.column,
        "endLine": place.end_line or place.line or 1,
        "endColumn": place.end_column or place.column,
        "title": title,
    }
    given = ",".join(f"{name}={_property(str(value))}" for name, value in fields.items())
    return f"::{level} {given}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
