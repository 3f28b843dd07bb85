"""The numbers that a finding of one process shows: a value beside the truth, or two counts."""

from __future__ import annotations

from pl_lint.checks.values.numbers import FLOAT32, tolerance
from pl_lint.checks.values.randomness import value_tolerance, why_tolerance
from pl_lint.facts.events import CaseFacts
from pl_lint.findings import Evidence

ONE_PROCESS = "1 process, CPU, fp32"


def compared(
    key: str, logged: float, true: float, how: str, cause: str = "", case: CaseFacts | None = None
) -> Evidence:
    """A value that is further off than float32 sums may be, or than its ``case`` allows."""
    within = tolerance(true) if case is None else value_tolerance(case, key, true)
    because = FLOAT32 if case is None else why_tolerance(case, key)
    return Evidence(key, logged, true, within, ONE_PROCESS, how, cause, because)


def counted(key: str, seen: float, expected: float, how: str) -> Evidence:
    """Two counts, which need no tolerance."""
    return Evidence(
        key,
        float(seen),
        float(expected),
        0.0,
        ONE_PROCESS,
        how,
        because="two counts: nothing is rounded",
        words=("counted", "expected"),
    )
