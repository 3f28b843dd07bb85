"""All outcomes of a session, whichever process they came from, in the order of the project."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from pl_lint.checks.registry import rank_of
from pl_lint.findings import Finding, Status
from pl_lint.join import Ruling, decide, proved
from pl_lint.plugin.items import READING
from pl_lint.plugin.outcomes import DECIDED, ItemOutcome, State
from pl_lint.plugin.reading import ProjectReading, Target


@dataclass(frozen=True)
class Row:
    """One item of the session. ``module`` is empty for the reading of a file."""

    module: str
    path: Path
    check: str
    nodeid: str
    outcome: ItemOutcome

    @property
    def key(self) -> tuple[Path, str]:
        return self.path, self.module


@dataclass
class Results:
    """Collects the outcomes as the reports come in.

    ``visited`` are the files that pytest came by: not those that it was told to leave out.
    """

    project: ProjectReading
    visited: set[Path] = field(default_factory=set)
    _rows: list[Row] = field(default_factory=list)

    def add(self, nodeid: str, data: dict[str, Any]) -> None:
        outcome = ItemOutcome.from_dict(data["outcome"])
        row = Row(data["module"], Path(data["path"]), data["check"], nodeid, outcome)
        self._rows.append(row)

    @property
    def rows(self) -> list[Row]:
        """In the project's order: pytest-xdist's workers answer in any."""
        return sorted(self._rows, key=self._order)

    def _order(self, row: Row) -> tuple[int, int, str]:
        last = len(self._ranks)
        return self._ranks.get(row.key, last), rank_of(row.check), row.nodeid

    @cached_property
    def _ranks(self) -> dict[tuple[Path, str], int]:
        return {target.key: index for index, target in enumerate(self.project.targets)}

    @property
    def checked(self) -> list[Row]:
        return [row for row in self.rows if row.check != READING]

    def of(self, target: Target) -> dict[str, Row]:
        """The rows of one module, by check."""
        return {row.check: row for row in self.checked if row.key == target.key}

    @property
    def targets(self) -> list[Target]:
        """Those of which any item was run."""
        seen = {row.key for row in self.checked}
        return [target for target in self.project.targets if target.key in seen]

    @property
    def not_run(self) -> list[tuple[Target, str]]:
        """Modules that could not be built or bring no data, with the reason."""
        found = []
        for target in self.targets:
            reasons = [row.outcome.why_not_run for row in self.of(target).values()]
            found += [(target, reason) for reason in reasons if reason][:1]
        return found

    @property
    def is_empty_handed(self) -> bool:
        """Whether there was nothing to run, or nothing of it could be run and judged.

        Checks that the user left out himself (``-k``) are no reason to complain.
        """
        if any(row.outcome.state is State.FAILED for row in self.rows):
            return False
        if not self.checked:
            return not self.any_visited
        return not any(row.outcome.state in DECIDED for row in self.checked)

    @property
    def any_visited(self) -> bool:
        return any(target.path in self.visited for target in self.project.targets)

    @property
    def rulings(self) -> list[Ruling]:
        outcomes = [row.outcome for row in self.rows]
        found = [finding for outcome in outcomes for finding in outcome.findings]
        proofs = [proved(finding) for finding in found if finding.status is Status.PROVED]
        return [*(ruling for outcome in outcomes for ruling in outcome.rulings), *proofs]

    @property
    def asked_for(self) -> list[Finding]:
        """The reader's findings that are of interest in this session: decided, in a file whose
        reading was asked for, or about a module that was. pytest may have left out the rest (node
        ids, ``-k``, ``--lf``), or have stopped before it (``-x``)."""
        files = {row.path for row in self.rows if row.check == READING}
        about = {
            (finding.code, finding.location)
            for target in self.targets
            for finding in self.project.suspicions_of(target)
            if finding.subject
        }
        return [
            finding
            for finding in self.findings
            if finding.status in (Status.PROVED, Status.REFUTED)
            or Path(finding.location.path).resolve() in files
            or (finding.code, finding.location) in about
        ]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The reader's findings after all runs: those in the given files, and those decided."""
        read = decide(self.project.reading.findings, self.rulings)
        return tuple(
            finding
            for finding in read
            if finding.status in (Status.PROVED, Status.REFUTED)
            or self.project.is_given(Path(finding.location.path))
        )
