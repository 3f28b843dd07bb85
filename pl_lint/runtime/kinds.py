"""Which kinds of runs there are: whose business each of them is, and what stands in for it.

A run that is only slow, or that a machine has no room for, says nothing against the module. What a
check is given instead of its record is declared here, beside everything else about the run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pl_lint.facts.events import TIME_LIMIT, CaseFacts, Note, RunError
from pl_lint.facts.records import (
    DeviceRecord,
    EvaluationRecord,
    FitRecord,
    GpusRecord,
    LoggersRecord,
    PlainFitRecord,
    PlantedRecord,
    PrecisionRecord,
    RanksRecord,
    ReloadRecord,
    RepeatRecord,
    RestoredRecord,
    ResumeRecord,
    RunRecord,
    SearchRecord,
    SmokeRecord,
    TraceRecord,
    TrainingRecord,
    UntrainedRecord,
    WorkersRecord,
)
from pl_lint.runtime.failures import RunFailed, RunHung

Record = TypeVar("Record", bound=RunRecord)
Instead = Callable[[RunFailed], Mapping[str, Any]]
"""What is said of a failure in the record that stands in for one: fields by name."""


def nothing(failure: RunFailed) -> Mapping[str, Any]:
    """An empty record says all that is to be said."""
    return {}


def an_error(during: str) -> Instead:
    def told(failure: RunFailed) -> Mapping[str, Any]:
        kind = TIME_LIMIT if isinstance(failure, RunHung) else RunFailed.__name__
        return {"error": RunError(kind, str(failure), during, failure.location)}

    return told


def notes(*about: str) -> Instead:
    def told(failure: RunFailed) -> Mapping[str, Any]:
        return {"notes": tuple(Note(each, str(failure)) for each in about)}

    return told


@dataclass(frozen=True)
class Kind(Generic[Record]):
    """A kind of run: what it leaves, the check that fails where it does not end as it should, and
    how many times the usual limit it may take (``patience``).

    Failures that are ``excused`` fail nothing: ``instead`` of them the check gets a record.
    """

    record: type[Record]
    owner: str
    patience: int = 1
    excused: type[RunFailed] | tuple[()] = ()
    instead: Instead = nothing

    def stand_in(self, failure: RunFailed, case: CaseFacts) -> Record:
        return self.record(case=case, **self.instead(failure))


SMOKE = Kind(SmokeRecord, "fast-dev-run")
ON_DEVICE = Kind(DeviceRecord, "device", excused=RunFailed, instead=an_error("device"))
"""The emulation may crash or be slow; what it is then not able to say is no fault of the module."""
GPUS = Kind(GpusRecord, "device")
LOGGERS = Kind(LoggersRecord, "loggers", excused=RunFailed, instead=an_error("fit"))
"""Several fits in one process, and packages that take seconds to import."""
FIT = Kind(FitRecord, "logged-values")
PLAIN_FIT = Kind(PlainFitRecord, "logged-values")
EVALUATION = Kind(EvaluationRecord, "logged-values")
SERVED = Kind(EvaluationRecord, "logged-values", excused=RunHung)
"""The user's own batches may take long."""
SHAKEN = Kind(EvaluationRecord, "precision")
PRECISION = Kind(PrecisionRecord, "precision", excused=RunHung, instead=an_error("precision"))
"""CPUs are slow in half precision: no fault of the module."""

REPEATED = Kind(RepeatRecord, "reproducible", patience=3, excused=RunHung, instead=an_error("fit"))
"""Two fits in one process take twice the time of one, and workers some more. One fit has ended in
time before: a slow module, or a full machine."""
IN_WORKERS = Kind(
    WorkersRecord, "reproducible", patience=2, excused=RunFailed, instead=an_error("fit")
)
"""Workers may be slow to start, short of shared memory, not made for a fork."""
TRACED = Kind(TraceRecord, "reproducible", patience=2)

RESUMED = Kind(ResumeRecord, "checkpoint")
RESTORED = Kind(
    RestoredRecord, "checkpoint", patience=3, excused=RunFailed, instead=an_error("resume")
)
"""A fit and several that are resumed: they only say more of what was found already."""
PLANTED = Kind(PlantedRecord, "checkpoint")
RELOADED = Kind(ReloadRecord, "checkpoint")
UNTRAINED = Kind(UntrainedRecord, "checkpoint", excused=RunHung, instead=an_error("test"))
"""Four tests of a slow module."""
TRAINED = Kind(
    TrainingRecord, "training", excused=RunHung, instead=notes("one batch", "samples", "hooks")
)
"""A slow module: nothing that its training has done is wrong."""

SEARCHED = Kind(SearchRecord, "search", excused=RunHung, instead=an_error("search"))
"""A large model is slow, not wrong."""
SEARCHED_ON_RANKS = Kind(SearchRecord, "search", excused=RunFailed, instead=an_error("ranks"))
"""What hangs or crashes on ranks is the business of others."""

EVALUATED_ON_RANKS = Kind(RanksRecord, "sync-dist")
FITTED_ON_RANKS = Kind(RanksRecord, "distributed")
FITTED_ON_GPUS = Kind(RanksRecord, "distributed")
OFFERED_ALONE = Kind(RanksRecord, "distributed", excused=RunFailed)
"""Where loaders fail in one process, other checks tell of it."""
