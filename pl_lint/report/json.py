"""Findings for programs. The format is documented in ``docs/json.md``.

``version`` changes when a field is removed or changes its meaning; new fields may come at any time.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from pl_lint import __version__
from pl_lint.findings import Evidence, Finding, Location
from pl_lint.fixes import Edit, Fix
from pl_lint.report.result import Result
from pl_lint.static.reading import JudgedAs
from pl_lint.static.sources import Unreadable

VERSION = 1


def render(result: Result) -> str:
    return json.dumps(document(result), indent=2, ensure_ascii=True, allow_nan=False)


def document(result: Result) -> dict[str, Any]:
    return {
        "version": VERSION,
        "tool": {"name": "pl-lint", "version": __version__},
        "findings": [
            {**describe(finding, result.names), "counts": result.config.counts(finding)}
            for finding in result.findings
        ],
        "unreadable": [_unreadable(one) for one in result.unreadable],
        "lightning": [*map(_version, result.judged)],
        "warnings": [*result.warnings],
        "summary": _summary(result),
    }


def describe(finding: Finding, names: Mapping[str, str]) -> dict[str, Any]:
    """One finding, of the reader or of a run."""
    return {
        "code": finding.code,
        "name": names.get(finding.code, ""),
        "status": finding.status.value,
        **_place(finding.location),
        "message": finding.message,
        "remedy": finding.remedy,
        "subject": finding.subject,
        "condition": finding.condition,
        "evidence": [_evidence(evidence) for evidence in finding.evidence],
        "script": finding.script,
        "fix": _fix(finding.fix) if finding.fix else None,
    }


def _fix(fix: Fix) -> dict[str, Any]:
    return {
        "title": fix.title,
        "applicability": fix.applicability.value,
        "edits": [*map(_edit, fix.edits)],
    }


def _edit(edit: Edit) -> dict[str, Any]:
    (line, column), (end_line, end_column) = edit.start, edit.end
    return {
        "line": line,
        "column": column,
        "end_line": end_line,
        "end_column": end_column,
        "cell": edit.cell or None,
        "text": edit.text,
    }


def _place(location: Location) -> dict[str, Any]:
    """``null`` where the end, or a notebook's cell, is not known or does not apply."""
    return {
        "path": location.path,
        "line": location.line or 1,
        "column": location.column,
        "end_line": location.end_line or None,
        "end_column": location.end_column or None,
        "cell": location.cell or None,
    }


def _evidence(evidence: Evidence) -> dict[str, Any]:
    return {
        "key": evidence.key,
        "logged": _number(evidence.logged),
        "true": _number(evidence.true),
        "difference": _number(evidence.difference),
        "tolerance": _number(evidence.tolerance),
        "because": evidence.because,
        "world": evidence.world,
        "how": evidence.how,
        "cause": evidence.cause,
    }


def _number(value: float) -> float | str:
    """JSON has no word for ``nan`` and ``inf``; they are written as strings."""
    return value if math.isfinite(value) else str(value)


def _unreadable(unreadable: Unreadable) -> dict[str, Any]:
    place = unreadable.location
    return {
        "path": place.path,
        "line": place.line or 1,
        "column": place.column,
        "cell": place.cell or None,
        "verdict": unreadable.verdict,
        "message": unreadable.message,
    }


def _version(judged: JudgedAs) -> dict[str, Any]:
    return {"version": judged.known, "because": judged.because, "files": judged.files}


def _summary(result: Result) -> dict[str, int]:
    return {
        "findings": len(result.failing),
        "notes": len(result.notes),
        "unreadable": len(result.unreadable),
        "files": result.files,
        "files_with_lightning": result.relevant,
        "exit_code": result.exit_code,
    }
