"""What a check is: a name, a page of documentation, and a predicate over run records.

A check never starts a Trainer and never imports torch. It asks its :class:`Runs` for records, which
are made once and shared between checks, and says what they prove.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

import pl_lint.checks
from pl_lint.facts.events import CaseFacts, Note
from pl_lint.facts.ranks import Listing
from pl_lint.facts.records import (
    DeviceRecord,
    EvaluationRecord,
    FitRecord,
    GpusRecord,
    LoggersRecord,
    PlantedRecord,
    PrecisionRecord,
    RanksRecord,
    ReloadRecord,
    RepeatRecord,
    RestoredRecord,
    ResumeRecord,
    SearchRecord,
    SmokeRecord,
    TraceRecord,
    TrainingRecord,
    UntrainedRecord,
    WorkersRecord,
)
from pl_lint.findings import Evidence, Finding, Location, Status
from pl_lint.join import Ruling


class Verdict(str, Enum):
    """What a check has to say of a module."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_TRIGGERED = "not triggered"
    """Nothing in the module could have failed this check."""
    NOT_DECIDED = "not decided"
    """Something could have, but this run cannot tell."""


@dataclass(frozen=True)
class Result:
    """A check's answer: what it proved, what it cleared, and why it could say no more.

    ``open`` is how much of its promise a check that passed could not decide; the notes say what.
    ``cost`` is what it took, where that was measured: no two sessions take the same."""

    verdict: Verdict
    reason: str = ""
    findings: tuple[Finding, ...] = ()
    cleared: tuple[Ruling, ...] = ()
    notes: tuple[str, ...] = ()
    open: int = 0
    cost: str = field(default="", compare=False)


class Runs(Protocol):
    """The records of one case, made on demand (``pl_lint.runtime.battery``).

    A run that did not end as it should raises ``RunFailed`` through the check that asked for it.
    """

    def case(self) -> CaseFacts: ...
    def smoke(self) -> SmokeRecord: ...
    def fit(self) -> FitRecord: ...
    def fit_without_sanity_check(self) -> FitRecord: ...
    def fit_again(self) -> FitRecord: ...
    def repeated(self) -> RepeatRecord: ...
    def fits_in_workers(self) -> Sequence[WorkersRecord]: ...
    def traced(
        self, held: tuple[str, ...] = (), attempt: int = 1, workers: int = 0
    ) -> TraceRecord: ...
    def resumed(self) -> ResumeRecord: ...
    def resumed_with(self, moment: str, put_back: Sequence[Sequence[str]]) -> RestoredRecord: ...
    def reloaded_with(self, put_back: Sequence[Sequence[str]]) -> RestoredRecord: ...
    def planted(self) -> PlantedRecord: ...
    def reloaded(self) -> ReloadRecord: ...
    def untrained(self) -> UntrainedRecord: ...
    def trained(self) -> TrainingRecord: ...
    def rebatched(self, stage: str) -> EvaluationRecord: ...
    def served(self, stage: str) -> EvaluationRecord: ...
    def served_followed(self, stage: str) -> EvaluationRecord: ...
    def fit_followed(self) -> FitRecord: ...
    def evaluation_followed(self, stage: str) -> EvaluationRecord: ...
    def searched(self, oracle: str) -> SearchRecord: ...
    def searched_on_ranks(self, oracle: str) -> Sequence[SearchRecord]: ...
    def alone(self, ranks: int) -> RanksRecord: ...
    def on_ranks(self, ranks: int) -> Sequence[RanksRecord]: ...
    def fit_on_ranks(self, ranks: int) -> Sequence[RanksRecord]: ...
    def offered_alone(self) -> Sequence[Listing]: ...
    def in_precision(self, precision: str) -> PrecisionRecord: ...
    def shaken(self, stage: str, noise: float) -> EvaluationRecord: ...
    def on_device(self) -> DeviceRecord: ...
    def gpus(self) -> GpusRecord: ...
    def gpus_asked_for(self) -> int: ...
    def on_gpu(self) -> DeviceRecord: ...
    def fit_on_gpus(self) -> Sequence[RanksRecord]: ...
    def logged_to(self, *loggers: str) -> LoggersRecord: ...
    def loggers_asked_for(self) -> Sequence[str]: ...
    def loggers_built(self) -> Sequence[str]: ...
    def suspected(self, code: str) -> Sequence[Finding]: ...
    def trained_in(self) -> frozenset[str]: ...
    def trained_by_ddp(self) -> Location | None: ...


@dataclass(frozen=True)
class Check:
    """A named check. Its function's docstring is its page of documentation.

    ``place`` orders checks in a report: what breaks first comes first.
    """

    name: str
    place: int
    function: Callable[[Runs], Result]

    def __call__(self, runs: Runs) -> Result:
        return self.function(runs)

    @property
    def documentation(self) -> str:
        return inspect.cleandoc(self.function.__doc__ or "")

    @property
    def summary(self) -> str:
        return self.documentation.split("\n", 1)[0]


def check(name: str, place: int) -> Callable[[Callable[[Runs], Result]], Check]:
    """Make a check of a function. It is found by being in a module of ``pl_lint.checks``."""
    return functools.partial(Check, name, place)


@functools.cache
def all_checks() -> tuple[Check, ...]:
    """Every check of every module of this package, in the order of the report."""
    modules = [
        importlib.import_module(f"{pl_lint.checks.__name__}.{info.name}")
        for info in pkgutil.iter_modules(pl_lint.checks.__path__)
    ]
    found = {item.name: item for module in modules for item in vars(module).values() if _is(item)}
    return tuple(sorted(found.values(), key=lambda item: (item.place, item.name)))


def rank_of(name: str) -> int:
    """Where a check stands in a report; a name that is no check's comes last."""
    names = [each.name for each in all_checks()]
    return names.index(name) if name in names else len(names)


def _is(item: object) -> bool:
    return isinstance(item, Check)


@dataclass
class Gathering:
    """Collects what a check finds on its way, and makes the result of it.

    An oracle, a function that holds records against a truth, gives one of its own: other checks
    may ask it which keys are wrong without making its findings theirs.
    """

    findings: list[Finding] = field(default_factory=list)
    cleared: list[Ruling] = field(default_factory=list)
    undecided: list[Note] = field(default_factory=list)
    untriggered: list[Note] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    passed: int = 0

    @property
    def keys(self) -> frozenset[str]:
        """The logged keys that are wrong."""
        return frozenset(one.key for finding in self.findings for one in finding.evidence)

    def add(self, other: Gathering) -> None:
        """Make all that another one has gathered part of this."""
        self.findings += other.findings
        self.cleared += other.cleared
        self.undecided += other.undecided
        self.untriggered += other.untriggered
        self.notes += other.notes
        self.passed += other.passed

    def clear(
        self, codes: tuple[str, ...], location: Location, evidence: Evidence, subject: str
    ) -> None:
        """A value was true in a run in which these mistakes would have shown."""
        ruling = Ruling(codes, Status.REFUTED, location, (evidence,), subject)
        self.cleared.append(ruling)

    def result(self, nothing: str) -> Result:
        """FAILED if anything was found; PASSED only if something could have failed and did not.

        ``nothing`` is the reason to give when there was nothing to look at.
        """
        return Result(
            self._verdict(),
            reason="; ".join(dict.fromkeys(self._reasons() or [nothing])),
            findings=tuple(dict.fromkeys(self.findings)),  # test may call what validation calls
            cleared=tuple(self.cleared),
            notes=tuple(dict.fromkeys([*self._noted(), *self._suspected(), *self._left_open()])),
            open=len(dict.fromkeys(map(str, self.undecided))),
        )

    def _verdict(self) -> Verdict:
        if any(finding.counts_for_runner for finding in self.findings):
            return Verdict.FAILED
        if self.passed:
            return Verdict.PASSED
        return Verdict.NOT_DECIDED if self.undecided else Verdict.NOT_TRIGGERED

    def _reasons(self) -> list[str]:
        if self._verdict() in (Verdict.FAILED, Verdict.PASSED):
            return [""]
        return [str(note) for note in self.undecided or self.untriggered]

    def _noted(self) -> list[str]:
        return [str(note) for note in self.notes]

    def _suspected(self) -> list[str]:
        """What a run cannot prove fails nothing, and is said all the same."""
        return [finding.message for finding in self.findings if not finding.counts_for_runner]

    def _left_open(self) -> list[str]:
        """What a pass or failure of other values would hide."""
        if self._verdict() not in (Verdict.FAILED, Verdict.PASSED):
            return []
        open_ones = [f"not decided: {reason}" for reason in self.undecided]
        return open_ones + [f"not triggered: {reason}" for reason in self.untriggered]
