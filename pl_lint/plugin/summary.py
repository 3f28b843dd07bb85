"""The closing words of a session: modules × checks, what reading suspected, what was not run."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pl_lint.checks.registry import ORDER
from pl_lint.facts.events import to_json
from pl_lint.findings import Finding, Status
from pl_lint.plugin.items import READING, final_findings
from pl_lint.plugin.outcomes import ItemOutcome, State
from pl_lint.plugin.reading import ProjectReading
from pl_lint.report.numbers import comparison

SHORT = {
    State.PASSED: "pass",
    State.FAILED: "FAIL",
    State.EXPECTED: "expected",
    State.NOT_TRIGGERED: "nothing",
    State.NOT_DECIDED: "undecided",
    State.NOT_BUILT: "skipped",
}
DECIDED = (State.PASSED, State.FAILED, State.EXPECTED)


@dataclass(frozen=True)
class Row:
    """One item of the session."""

    module: str
    check: str
    nodeid: str
    is_case: bool
    outcome: ItemOutcome


@dataclass
class Summary:
    """Collects the outcomes as the reports come in, from whichever process."""

    project: ProjectReading
    rows: list[Row] = field(default_factory=list)

    def add(self, nodeid: str, data: dict[str, Any]) -> None:
        outcome = ItemOutcome.from_dict(data["outcome"])
        self.rows.append(Row(data["module"], data["check"], nodeid, data["is_case"], outcome))

    @property
    def checked(self) -> list[Row]:
        return [row for row in self.rows if row.check != READING]

    @property
    def anything_decided(self) -> bool:
        """Whether any module was really run, or any file read with something to say."""
        return any(row.outcome.state in DECIDED for row in self.checked) or any(
            row.outcome.state is State.FAILED for row in self.rows
        )

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The reader's findings with the runs' judgement."""
        return final_findings(self.project.reading.findings, [row.outcome for row in self.rows])

    def write(self, to: pytest.TerminalReporter) -> None:
        to.section("pl-check")
        self._write_table(to)
        self._write_counts(to)
        self._write_reasons(to)
        self._write_suspicions(to)
        self._write_unbuilt(to)

    def save(self, path: Path) -> None:
        data = {
            "version": 1,
            "read": [to_json(finding) for finding in self.findings],
            "run": [
                {"module": row.module, "check": row.check, "nodeid": row.nodeid}
                | row.outcome.to_dict()
                for row in self.rows
            ],
        }
        path.write_text(json.dumps(data, indent=1), encoding="utf-8")

    # --- parts --------------------------------------------------------------------------------

    def _write_table(self, to: pytest.TerminalReporter) -> None:
        modules = list(dict.fromkeys((_owner(row), row.module) for row in self.checked))
        checks = [c for c in ORDER if any(row.check == c for row in self.checked)]
        if not modules:
            to.line("no LightningModule and no case was found in the files given")
            return
        width = max(len(name) for _, name in modules)
        to.line("  ".join([" " * width, *(f"{check:>{_width(check)}}" for check in checks)]))
        cells = {(_owner(row), row.module, row.check): row.outcome.state for row in self.checked}
        for owner, name in modules:
            states = [cells.get((owner, name, check)) for check in checks]
            shown = [
                f"{SHORT[state] if state else '-':>{_width(check)}}"
                for state, check in zip(states, checks, strict=True)
            ]
            to.line("  ".join([f"{name:<{width}}", *shown]))

    def _write_counts(self, to: pytest.TerminalReporter) -> None:
        counts = {state: sum(r.outcome.state is state for r in self.checked) for state in State}
        words = [f"{number} {state.value}" for state, number in counts.items() if number]
        to.line("")
        to.line(f"checks: {', '.join(words) or 'none'}")

    def _write_reasons(self, to: pytest.TerminalReporter) -> None:
        for row in self.checked:
            open_state = row.outcome.state in (State.NOT_TRIGGERED, State.NOT_DECIDED)
            if open_state and row.outcome.reason:
                state = row.outcome.state.value
                to.line(f"  {row.module} {row.check}: {state}: {row.outcome.reason}")
            for note in row.outcome.notes:
                to.line(f"  {row.module} {row.check}: {note}")

    def _write_suspicions(self, to: pytest.TerminalReporter) -> None:
        doubtful = [f for f in self.findings if f.status is not Status.CERTAIN]
        if doubtful:
            to.line("")
            to.line("what reading suspected:")
        for finding in doubtful:
            status = "undecided" if finding.status is Status.SUSPECTED else finding.status.value
            numbers = f" ({comparison(finding.evidence[-1])})" if finding.evidence else ""
            to.line(f"  {status:<10} {finding.location}: {finding.code}{numbers}")

    def _write_unbuilt(self, to: pytest.TerminalReporter) -> None:
        """Modules that were not run, why, and the lines that would have them run."""
        unbuilt = {
            (row.module, row.outcome.reason)
            for row in self.checked
            if row.outcome.state is State.NOT_BUILT
        }
        for name, reason in sorted(unbuilt):
            to.line("")
            to.line(f"not run: {name}: {reason}. To have it run, add a case:")
            for line in (
                "    @pl_lint.case",
                f"    def {_function_name(name)}():",
                f"        return {name}(...), MyDataModule()",
            ):
                to.line(line)


def _owner(row: Row) -> str:
    return row.nodeid.rpartition("::")[0]


def _width(check: str) -> int:
    return max(len(check), *map(len, SHORT.values()))


def _function_name(name: str) -> str:
    letters = [f"_{c.lower()}" if c.isupper() else c for c in name.replace(".", "_")]
    return "".join(letters).lstrip("_")
