"""A precision, as Lightning spells it, and for whom a mistake in it matters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pl_lint.checks.proving import found
from pl_lint.checks.registry import Runs
from pl_lint.facts.events import CaseFacts
from pl_lint.findings import Evidence, Finding, Location, Status

EPSILON: Mapping[str, float] = {
    "bf16-mixed": 2**-8,
    "16-mixed": 2**-11,
    "bf16-true": 2**-8,
}
"""The distance from 1 to the next number of each format that is run."""
MIXED = ("bf16-mixed", "16-mixed")
HARMLESS_IN_FP32 = ("LTN601", "LTN602", "LTN603", "LTN608")
"""Mistakes only of who trains so: the same lines are right in fp32."""


@dataclass(frozen=True)
class Spelling:
    """One of the precisions in which a case is run."""

    name: str
    runs: Runs
    case: CaseFacts

    @property
    def epsilon(self) -> float:
        return EPSILON[self.name]

    def __str__(self) -> str:
        return self.name

    def found(
        self,
        code: str,
        text: str,
        remedy: str,
        at: Location | None = None,
        evidence: tuple[Evidence, ...] = (),
        script: str = "",
    ) -> Finding:
        """Proved, or suspected where it matters to others only."""
        matters = self._is_for_all(code) or self._is_trained_so(code)
        status = Status.PROVED if matters else Status.SUSPECTED
        condition = "" if matters else f"with Trainer(precision={self.name!r})"
        return found(self.case, code, text, remedy, at, evidence, status, condition, script)

    @property
    def concerns(self) -> bool:
        """Whether this case is trained so, or might as well be."""
        return self.name in MIXED or self.case.precision == self.name

    def _is_for_all(self, code: str) -> bool:
        return self.name in MIXED and code not in HARMLESS_IN_FP32

    def _is_trained_so(self, code: str) -> bool:
        """The case's Trainer arguments say so, or a Trainer for which reading suspects it."""
        asked = self.case.precision
        same = asked == self.name if self.name not in MIXED else asked.startswith(("16", "bf16"))
        return same or bool(self.runs.suspected(code))
