"""The ground floor: what both observers, the reader and the runner, say to people."""

from __future__ import annotations

from enum import Enum

from pl_lint.fixes import Fix
from pl_lint.places import Location
from pl_lint.plain import field, frozen, replace

__all__ = ["Evidence", "Finding", "Location", "Status"]


class Status(str, Enum):
    """How sure a finding is, and who made it so."""

    CERTAIN = "certain"
    """Reading alone decides."""
    SUSPECTED = "suspected"
    """It depends on how the code is run, and no run has decided it yet."""
    PROVED = "proved"
    """A run logged a value that differs from the truth and equals what this mistake would log."""
    REFUTED = "refuted"
    """A run in which this mistake would have shown logged the truth."""


@frozen
class Evidence:
    """What a run saw: the numbers that prove or refute a finding.

    ``logged`` and ``true`` are in the unit of the logged quantity; ``tolerance`` is absolute.
    ``world`` names where it ran ("1 process, fp32"), ``how`` the data ("47 samples in batches of
    16, 16, 15"), ``cause`` the formula that reproduces the logged value, in words with its result,
    ``because`` why the tolerance is as large as it is, ``words`` what the two numbers are.
    """

    key: str
    logged: float
    true: float
    tolerance: float
    world: str
    how: str = ""
    cause: str = ""
    because: str = ""
    words: tuple[str, str] = ("logged", "true")

    @property
    def difference(self) -> float:
        return abs(self.logged - self.true)


@frozen
class Finding:
    """One thing that is wrong (or may be) at one place, in words that a stranger can act on.

    ``message`` says what is wrong and why it matters, ``remedy`` what to write instead, ``subject``
    whose code it is ("LitClassifier"), ``condition`` under which circumstances a suspected finding
    is a mistake ("on two or more devices"), ``script`` a Python program that shows it by itself,
    ``fix`` a change of the source that mends it.
    """

    code: str
    message: str
    location: Location
    status: Status = Status.CERTAIN
    remedy: str = ""
    subject: str = ""
    condition: str = ""
    evidence: tuple[Evidence, ...] = field(default=())
    script: str = ""
    fix: Fix | None = None

    @property
    def key(self) -> str:
        """The logged key that its numbers are of; empty where it has none."""
        return self.evidence[0].key if self.evidence else ""

    def judged(self, status: Status, *evidence: Evidence) -> Finding:
        """This finding after a run has decided it."""
        return replace(self, status=status, evidence=self.evidence + evidence)

    @property
    def counts_for_reader(self) -> bool:
        """Whether it fails ``pl-lint`` without ``--fail-on suspected``."""
        return self.status is Status.CERTAIN

    @property
    def counts_for_runner(self) -> bool:
        """Whether it fails ``pytest --pl-check``."""
        return self.status in (Status.CERTAIN, Status.PROVED)
