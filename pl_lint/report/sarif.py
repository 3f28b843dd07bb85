"""Findings as SARIF 2.1.0, for code scanning services.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
"""

from __future__ import annotations

import json
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from pl_lint import __version__
from pl_lint.findings import Finding
from pl_lint.fixes import Edit, Fix
from pl_lint.places import Location
from pl_lint.report.result import Result
from pl_lint.static.sources import Unfinished, Unreadable

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)


def render(result: Result) -> str:
    return json.dumps(document(result), indent=2, ensure_ascii=True)


def document(result: Result) -> dict[str, Any]:
    codes = sorted(result.names)
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": _driver(result, codes)},
                "columnKind": "unicodeCodePoints",
                "invocations": [
                    {
                        "executionSuccessful": not result.broken,
                        "exitCode": result.exit_code,
                        "toolExecutionNotifications": [*map(_notification, result.unreadable)],
                        "toolConfigurationNotifications": [
                            {"level": "warning", "message": {"text": one}}
                            for one in result.warnings
                        ],
                    }
                ],
                "results": [_result(finding, result, codes) for finding in result.findings],
            }
        ],
    }


def _driver(result: Result, codes: list[str]) -> dict[str, Any]:
    rules = [
        {
            "id": code,
            "name": _camel(result.names[code]),
            "shortDescription": {"text": result.summaries.get(code) or code},
        }
        for code in codes
    ]
    told = {finding.code for finding in result.findings}
    for rule in result.rules:
        if rule.code in told and rule.documentation:  # what viewers show beside a finding
            rules[codes.index(rule.code)]["help"] = {"text": rule.documentation}
    return {"name": "pl-lint", "version": __version__, "rules": rules}


def _camel(name: str) -> str:
    """Names of rules are identifiers in SARIF: ``LogForwardValue``."""
    return "".join(word.capitalize() for word in name.split("-"))


def _result(finding: Finding, result: Result, codes: list[str]) -> dict[str, Any]:
    """SARIF has no word for a fix that may change what the code does, and a viewer may offer every
    one of ``fixes``. So these hold what ``--fix`` would do; others are properties of ours."""
    remedy = f"\n{finding.remedy}" if finding.remedy else ""
    condition = f" (a mistake {finding.condition})" if finding.condition else ""
    described: dict[str, Any] = {
        "ruleId": finding.code,
        "level": "error" if result.config.counts(finding) else "note",
        "message": {"text": f"{_cell(finding.location)}{finding.message}{condition}{remedy}"},
        "locations": [_location(finding.location)],
    }
    if finding.code in result.names:
        described["ruleIndex"] = codes.index(finding.code)
    if finding.fix and finding.fix.edits and not finding.location.cell:
        fix = _fix(finding.fix, finding.location.path)
        wanted = result.config.may_fix(finding)
        described |= {"fixes": [fix]} if wanted else {"properties": {"unsafeFixes": [fix]}}
    return described


def _cell(place: Location) -> str:
    """Where in a notebook; a region counts the lines of a file, and a cell is none."""
    return f"cell {place.cell}, line {place.line}: " if place.cell else ""


def _location(place: Location) -> dict[str, Any]:
    if not place.line:
        return {"physicalLocation": {"artifactLocation": {"uri": _uri(place.path)}}}
    if place.cell:
        cell = {"name": f"cell {place.cell}", "fullyQualifiedName": str(place)}
        physical = {"artifactLocation": {"uri": _uri(place.path)}}
        return {"physicalLocation": physical, "logicalLocations": [cell]}
    region = {
        "startLine": place.line,
        "startColumn": place.column,
        "endLine": place.end_line or place.line,
        "endColumn": place.end_column or place.column,
    }
    return {"physicalLocation": {"artifactLocation": {"uri": _uri(place.path)}, "region": region}}


def _uri(path: str) -> str:
    """Relative where the path is; SARIF separates with slashes and quotes as in a link."""
    given = PurePath(path)
    return given.as_uri() if given.is_absolute() else quote(given.as_posix())


def _fix(fix: Fix, path: str) -> dict[str, Any]:
    change = {
        "artifactLocation": {"uri": _uri(path)},
        "replacements": [*map(_replacement, fix.edits)],
    }
    return {
        "description": {"text": fix.title},
        "artifactChanges": [change],
        "properties": {"applicability": fix.applicability.value},
    }


def _replacement(edit: Edit) -> dict[str, Any]:
    (line, column), (end_line, end_column) = edit.start, edit.end
    return {
        "deletedRegion": {
            "startLine": line,
            "startColumn": column,
            "endLine": end_line,
            "endColumn": end_column,
        },
        "insertedContent": {"text": edit.text},
    }


def _notification(unreadable: Unreadable) -> dict[str, Any]:
    return {
        "level": "warning" if isinstance(unreadable, Unfinished) else "error",
        "message": {"text": f"{_cell(unreadable.location)}{unreadable.message}"},
        "locations": [_location(unreadable.location)],
    }
