"""How this check says what it found."""

from __future__ import annotations

from pl_lint.checks import proving
from pl_lint.checks.reproducible.script import script_of
from pl_lint.facts.events import CaseFacts
from pl_lint.findings import Evidence, Finding, Location


def found(
    code: str,
    message: str,
    location: Location | None,
    remedy: str,
    case: CaseFacts,
    evidence: tuple[Evidence, ...] = (),
) -> Finding:
    """A proved finding, at the module's own line where none better is known."""
    key = evidence[0].key if evidence else ""
    script = script_of(code, case.building, message, key)
    return proving.found(case, code, message, remedy, location, evidence, script=script)
