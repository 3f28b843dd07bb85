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
    "32-true": 2**-11,
}
"""The distance from 1 to the next number of each format that is run; of TF32, in which a GPU
multiplies numbers of fp32 (``torch.backends.cudnn.allow_tf32``)."""
FULL = "32-true"
MIXED = ("bf16-mixed", "16-mixed")
HARMLESS_IN_FP32 = ("LTN210", "LTN601", "LTN602", "LTN603", "LTN608")
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

    @property
    def device(self) -> str:
        return next(iter(self.runs.gpus().names), "CPU")

    @property
    def world(self) -> str:
        return f"1 process, {self.device}, {self}"

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
        matters = self._matters(code)
        status = Status.PROVED if matters else Status.SUSPECTED
        condition = "" if matters else f"with Trainer(precision={self.name!r})"
        return found(self.case, code, text, remedy, at, evidence, status, condition, script)

    @property
    def concerns(self) -> bool:
        """Whether this case is trained so, or might as well be: nobody has to write a module for
        bf16 alone who trains in nothing of the kind, and fp32 on the CPU is what all else is
        held against."""
        if self.name == FULL:
            return bool(self.runs.gpus().names)
        return self.name in MIXED or self.name in self.runs.trained_in()

    def _matters(self, code: str) -> bool:
        """Whether the case or a Trainer of the project trains in half precision, or reading
        suspects this very mistake, of which it knows a Trainer then."""
        trained_so = any(one.startswith(("16", "bf16")) for one in self.runs.trained_in())
        return code not in HARMLESS_IN_FP32 or trained_so or bool(self.runs.suspected(code))
