"""``--pl-report``: a session's results for programs. docs/pl-report.md documents the format."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pl_lint import __version__
from pl_lint.findings import Finding
from pl_lint.plugin.items import near
from pl_lint.plugin.results import Results, Row
from pl_lint.report.json import describe
from pl_lint.rules.registry import all_rules
from pl_lint.static.sources import shown

VERSION = 1
"""Changes when a field is removed or changes its meaning; new fields may come at any time."""


def save(results: Results, path: Path) -> None:
    """Whoever reads the file sees all of it, or what was there before."""
    with _draft(path) as draft:
        draft.write_text(json.dumps(document(results), indent=2, allow_nan=False), encoding="utf-8")
        os.replace(draft, path)


def obstacle(path: Path) -> str:
    """Why this file cannot be written, or nothing: tried before the runs, which take longer."""
    try:
        if path.is_dir():
            return "is a folder; name a file in it"
        with _draft(path) as draft:
            draft.touch()
    except OSError as error:
        return f"cannot be written: {error.strerror}: {error.filename}"
    return ""


@contextlib.contextmanager
def _draft(path: Path) -> Iterator[Path]:
    """A file beside this one, in a folder that is there, and gone afterwards."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield draft
    finally:
        draft.unlink(missing_ok=True)


def document(results: Results) -> dict[str, Any]:
    names = {rule.code: rule.name for rule in all_rules()}
    return {
        "version": VERSION,
        "tool": {"name": "pl-lint", "version": __version__},
        "read": _findings(results.findings, names),
        "run": [_row(row, names) for row in results.rows],
        "not_run": [
            {"path": shown(target.path), "module": target.name, "reason": reason}
            for target, reason in results.not_run
        ],
        "unreadable": [
            {"path": one.location.path, "line": one.location.line or 1, "message": one.message}
            for one in results.project.reading.unreadable
        ],
    }


def _row(row: Row, names: Mapping[str, str]) -> dict[str, Any]:
    return {
        "path": shown(row.path),
        "module": row.module,
        "check": row.check,
        "nodeid": row.nodeid,
        "state": row.outcome.state.value,
        "reason": row.outcome.reason,
        "findings": _findings(row.outcome.findings, names),
        "notes": list(row.outcome.notes),
        "open": row.outcome.open,
        "cost": row.outcome.cost,
    }


def _findings(findings: Iterable[Finding], names: Mapping[str, str]) -> list[dict[str, Any]]:
    return [
        {**describe(near(finding), names), "counts": finding.counts_for_runner}
        for finding in findings
    ]
