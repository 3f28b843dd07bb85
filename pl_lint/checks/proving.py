"""A finding that a run proved: what the checks' own builders of findings come down to."""

from __future__ import annotations

from pl_lint.checks.registry import Runs
from pl_lint.facts.events import CaseFacts
from pl_lint.findings import Evidence, Finding, Location, Status


def found(
    case: CaseFacts,
    code: str,
    message: str,
    remedy: str,
    at: Location | None = None,
    evidence: tuple[Evidence, ...] = (),
    status: Status = Status.PROVED,
    condition: str = "",
    script: str = "",
) -> Finding:
    """At a line, or at the module's class where no line is known; of a run that cannot prove it,
    ``status`` and ``condition`` say so."""
    return Finding(
        code=code,
        message=message,
        location=at or case.home,
        status=status,
        remedy=remedy,
        subject=case.module,
        condition=condition,
        evidence=evidence,
        script=script,
    )


def suspected_at(runs: Runs, code: str, otherwise: Location | None) -> Location | None:
    """Where reading suspects a mistake that shows elsewhere in a run: what was proved is the line
    to mend."""
    return next((one.location for one in runs.suspected(code)), otherwise)
