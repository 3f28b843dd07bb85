"""What the oracles of ``logged-values`` share: how a wrong value is reported, and a right one."""

from __future__ import annotations

from dataclasses import replace

from pl_lint.checks.logged_values.cause import Cause
from pl_lint.checks.registry import Gathering
from pl_lint.checks.values.lines import line_of
from pl_lint.checks.values.numbers import shown
from pl_lint.checks.values.randomness import why_tolerance
from pl_lint.facts.events import CaseFacts, LogEvent, Note
from pl_lint.findings import Evidence, Finding, Location, Status

STAGE_WORDS = {"train": "training", "validate": "validation", "test": "test"}


def note_power(powerful: bool, name: str, into: Gathering) -> None:
    if powerful:
        into.passed += 1
    else:
        into.untriggered.append(Note(name, "every known mistake would have logged the same number"))


def place_of(events: tuple[LogEvent, ...], name: str, stage: str, case: CaseFacts) -> Location:
    """The line that logged a key in a stage."""
    return line_of((event for event in events if event.stage == stage), name, case)


def wrong_value(
    cause: Cause, name: str, evidence: Evidence, location: Location, case: CaseFacts
) -> Finding:
    because = evidence.because or why_tolerance(case, evidence.key)
    evidence = replace(evidence, cause=cause.formula, because=because)
    return Finding(
        code=cause.code,
        message=f"{name!r} was logged as {shown(evidence.logged)}, the truth is "
        f"{shown(evidence.true)}: {cause.formula}",
        location=location,
        status=Status.PROVED if cause.counts else Status.SUSPECTED,
        remedy=cause.remedy.replace("KEY", name),
        subject=case.module,
        evidence=(evidence,),
    )
