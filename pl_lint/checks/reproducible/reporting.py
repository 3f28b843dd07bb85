"""How this check says what it found."""

from __future__ import annotations

from pl_lint.facts.events import CaseFacts
from pl_lint.findings import Evidence, Finding, Location, Status


def found(
    code: str,
    message: str,
    location: Location | None,
    remedy: str,
    case: CaseFacts,
    evidence: tuple[Evidence, ...] = (),
) -> Finding:
    """A proved finding, at the module's own line where none better is known."""
    return Finding(
        code=code,
        message=message,
        location=location or Location(case.path, case.line),
        status=Status.PROVED,
        remedy=remedy,
        subject=case.module,
        evidence=evidence,
    )
