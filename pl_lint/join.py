"""Where the two observers meet: what a run says about what reading suspects.

A suspected finding is *proved* when a run found the same mistake (the same code, so the same
formula) at the same call; it is *refuted* when the value logged there was the truth in a run in
which this mistake would have shown. Otherwise it stays suspected.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pl_lint.findings import Evidence, Finding, Location, Status


@dataclass(frozen=True)
class Ruling:
    """One thing that a run settled: these mistakes are (or are not) made at this place."""

    codes: tuple[str, ...]
    status: Status
    location: Location
    evidence: tuple[Evidence, ...]
    subject: str = ""


def proved(finding: Finding) -> Ruling:
    return Ruling(
        (finding.code,), Status.PROVED, finding.location, finding.evidence, finding.subject
    )


def decide(findings: Iterable[Finding], rulings: Sequence[Ruling]) -> tuple[Finding, ...]:
    """The reader's findings after the runs. One proof outweighs any number of refutations: another
    subclass or another case may do right what one does wrong."""
    return tuple(_decided(finding, rulings) for finding in findings)


def _decided(finding: Finding, rulings: Sequence[Ruling]) -> Finding:
    if finding.status is not Status.SUSPECTED:
        return finding
    about = [ruling for ruling in rulings if settles(ruling, finding)]
    for status in (Status.PROVED, Status.REFUTED):
        for ruling in about:
            if ruling.status is status:
                return finding.judged(status, *ruling.evidence)
    return finding


def settles(ruling: Ruling, finding: Finding) -> bool:
    """Whether a ruling is about what reading found."""
    return finding.code in ruling.codes and same_place(ruling.location, finding.location)


def same_place(one: Location, other: Location) -> bool:
    """Whether two places in source overlap. The reader's paths are relative, a run's absolute; a
    run on Python 3.10 knows the line only."""
    if Path(one.path).resolve() != Path(other.path).resolve():
        return False
    first, second = sorted((one, other), key=lambda place: place.line)
    return first.covers(second.line)
