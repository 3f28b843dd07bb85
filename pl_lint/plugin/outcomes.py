"""What became of one item, as plain data: it travels from pytest-xdist's workers in the report."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from pl_lint.checks.registry import Result
from pl_lint.facts.codec import from_json, to_json
from pl_lint.findings import Finding
from pl_lint.join import Ruling


class State(str, Enum):
    """The states of the closing table."""

    PASSED = "passed"
    FAILED = "failed"
    EXPECTED = "expected failure"
    NOT_TRIGGERED = "not triggered"
    NOT_DECIDED = "not decided"
    NOT_BUILT = "not run"


DECIDED = (State.PASSED, State.FAILED, State.EXPECTED)


@dataclass(frozen=True)
class ItemOutcome:
    """State, reason, what was found and what was ruled out. ``unbuilt`` is why the module was not
    run, where that is what failed, ``open`` how much the check could not decide, ``cost`` what it
    took, where it measured that."""

    state: State
    reason: str = ""
    findings: tuple[Finding, ...] = ()
    rulings: tuple[Ruling, ...] = ()
    notes: tuple[str, ...] = ()
    unbuilt: str = ""
    open: int = 0
    cost: str = ""

    @classmethod
    def of(
        cls, state: State, result: Result, reason: str = "", notes: tuple[str, ...] = ()
    ) -> ItemOutcome:
        """``notes`` are declarations that mean nothing: they leave something open as well."""
        said = result.findings, result.cleared, (*result.notes, *notes)
        left = result.open + len(notes)
        return cls(state, reason or result.reason, *said, open=left, cost=result.cost)

    @property
    def why_not_run(self) -> str:
        """Why the module was not run; empty if it was."""
        return self.reason if self.state is State.NOT_BUILT else self.unbuilt

    def to_dict(self) -> dict[str, Any]:
        """Nothing but what JSON knows: pytest-xdist carries no enums.

        Fixes stay behind: mending is the affair of ``pl-lint --fix``.
        """
        findings = tuple(replace(finding, fix=None) for finding in self.findings)
        return dict(json.loads(json.dumps(to_json(replace(self, findings=findings)))))

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> ItemOutcome:
        return from_json(cls, data)
