"""The runs of one case, made on demand and shared between checks: what each check may ask for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from pl_lint.facts.codec import from_json
from pl_lint.facts.events import (
    AGAIN,
    ALL_BUT_ONE,
    HALF,
    ONES,
    REPEATED,
    SHUFFLED,
    TIME_LIMIT,
    USUAL,
    WHOLE,
    CaseFacts,
    Note,
    RunError,
)
from pl_lint.facts.ranks import Listing
from pl_lint.facts.records import (
    EvaluationRecord,
    FitRecord,
    PlantedRecord,
    PrecisionRecord,
    RanksRecord,
    ReloadRecord,
    RepeatRecord,
    ResumeRecord,
    RunRecord,
    SearchRecord,
    SmokeRecord,
    TraceRecord,
    TrainingRecord,
    UntrainedRecord,
    WorkersRecord,
)
from pl_lint.facts.repetition import WORKERS
from pl_lint.findings import Finding, Location
from pl_lint.runtime.isolation.outcome import RunOutcome
from pl_lint.runtime.isolation.runs import Runner
from pl_lint.runtime.specs import CASE_FILE, OWN, CaseRef, RunSpec
from pl_lint.runtime.worlds import EVALUATED, World

Record = TypeVar("Record", bound=RunRecord)

REBATCHING: tuple[Mapping[str, Any], ...] = (
    {"label": WHOLE},
    {"label": USUAL, "size": 16, "uneven": True},
    {"label": ALL_BUT_ONE, "size": -1},
    {"label": ONES, "size": 1},
    {"label": SHUFFLED, "size": 16, "uneven": True, "shuffled": True},
    {"label": AGAIN, "size": 16, "uneven": True, "seed": 2},
    {"label": REPEATED, "size": 16, "uneven": True, "before": {"label": HALF, "shard": [0, 2]}},
    {"label": HALF, "shard": [0, 2]},
)
LOADER_ALONE: Mapping[str, Any] = {"size": 16, "uneven": True}  # cut as usual
SERVING: tuple[Mapping[str, Any], ...] = ({"label": USUAL, "size": OWN},)
SERVED_SAMPLES = 1000  # a full validation set of most small projects, seconds for a small model
REBATCHED_SAMPLES = 47  # prime: no batch size but 1 divides it
_FORKS = ("_step", "_epoch")
OTHER_HASH_SEED = "13"
"""Of the first 260 the one that gives most sets of two or three class names ("yes", "no") another
order than 0, the usual one, does: 24 of 29 (measured; with 1 it is 14)."""
MORE_TIME = "a module that is slow, not stuck, needs a higher limit: --pl-timeout SECONDS"
RANKS = 2
SHORTER: Mapping[int, Mapping[str, Any]] = {
    3: {"epochs": 1, "batches": {"train": 2, "validate": 1}},
}
"""What a fit on more ranks is cut to: it has the samples of one epoch on two, and shows what holds
for two ranks only."""
ONE_BATCH: Mapping[str, Any] = {"epochs": 1, "batches": {"train": 1, "validate": 1}}
ALONE: tuple[Mapping[str, Any], ...] = (
    {"label": WHOLE, "whole": True},
    {"label": USUAL},
    {"label": AGAIN, "seed": 2},
)
"""What one process sees of the samples that ranks share."""


EXAMPLES = 12
DRAWS = 5
"""How often weights are shaken: one draw in five that moves a value by chance is the least seen."""


class RunFailed(Exception):
    """A run did not end as it should.

    ``owner`` is the check that fails for it; ``case`` what the case was before that, None where it
    was never built.
    """

    def __init__(
        self,
        message: str,
        owner: str,
        location: Location | None = None,
        case: CaseFacts | None = None,
        directory: str = "",
    ) -> None:
        super().__init__(message)
        self.owner = owner
        self.location = location
        self.case = case
        self.directory = directory


class RunHung(RunFailed):
    """A run that had no result when its time was up."""


@dataclass
class Battery:
    """All runs of one case. Implements what ``pl_lint.checks.registry.Runs`` describes.

    ``monitors`` are the ``(key, mode)`` pairs that the user's scripts watch, and ``suspicions``
    what reading suspects of this module, as far as it knows. ``examples`` is how many runs a search
    draws of each kind. ``plain_ddp`` is a Trainer of those scripts that fits this module by DDP as
    it is by default.
    """

    runner: Runner
    ref: CaseRef
    timeout: float = 60.0
    monitors: tuple[tuple[str, str], ...] = ()
    suspicions: tuple[Finding, ...] = ()
    examples: int = EXAMPLES
    plain_ddp: Location | None = None
    _done: dict[str, list[Any]] = field(default_factory=dict)
    _failed: dict[str, RunFailed] = field(default_factory=dict)

    def case(self) -> CaseFacts:
        facts = self.smoke().case
        assert facts is not None
        return facts

    def declared(self) -> CaseFacts | None:
        """What the case declares, also where running it failed; None where it was never built."""
        try:
            return self.case()
        except RunFailed as failure:
            return failure.case

    def smoke(self) -> SmokeRecord:
        return self._one(SmokeRecord, "fast-dev-run")

    def fit(self) -> FitRecord:
        return self._checked(self._one(FitRecord, "logged-values", options=self._fit_options()))

    def fit_without_sanity_check(self) -> FitRecord:
        options = {**self._fit_options(), "sanity_steps": 0}
        return self._checked(self._one(FitRecord, "logged-values", options=options))

    def fit_again(self) -> FitRecord:
        """The same fit in another process, which has another hash seed."""
        repeated = self.repeated()
        error = repeated.error or repeated.fits[0].error
        if error is not None:
            text = f"fit raised {error} in a second process"
            raise RunFailed(text, "reproducible", error.location)
        return repeated.fits[0]

    def repeated(self) -> RepeatRecord:
        """Two fits in one process take twice the time of one, and workers some more."""
        parts = {"options": self._fit_options(), "hash_seed": OTHER_HASH_SEED}
        try:
            return self._one(RepeatRecord, "reproducible", timeout=3 * self.timeout, **parts)
        except RunHung as failure:  # one fit has ended in time: a slow module, or a full machine
            error = RunError(TIME_LIMIT, str(failure), "fit", failure.location)
            return RepeatRecord(case=self.case(), error=error)

    def fits_in_workers(self) -> Sequence[WorkersRecord]:
        """The fit with the workers of the user's own loaders, in two processes with two hash
        seeds."""
        options, long = {**self._fit_options(), "workers": WORKERS}, 2 * self.timeout
        seeds = ({}, {"hash_seed": OTHER_HASH_SEED})
        try:
            return [
                self._one(WorkersRecord, "reproducible", options=options, timeout=long, **seed)
                for seed in seeds
            ]
        except RunFailed as failure:  # slow to start, short of shared memory, not made for a fork
            kind = TIME_LIMIT if isinstance(failure, RunHung) else "RunFailed"
            error = RunError(kind, str(failure), "fit", failure.location)
            return [WorkersRecord(case=self.case(), error=error)]

    def traced(self, held: tuple[str, ...] = (), attempt: int = 1, workers: int = 0) -> TraceRecord:
        """The fit, its calls of unseeded sources noted, those with the keys ``held`` held still."""
        options: dict[str, Any] = {**self._fit_options(), "held": list(held)}
        options |= {"workers": workers} if workers else {}
        parts = {"options": options, "repeat": attempt, "timeout": 2 * self.timeout}
        return self._one(TraceRecord, "reproducible", **parts)

    def resumed(self) -> ResumeRecord:
        names = {"epoch": "epoch-0.ckpt", "middle": "middle.ckpt"}
        files = {moment: self._file(name) for moment, name in names.items()}
        inputs = {moment: file for moment, file in files.items() if Path(file).exists()}
        options = self._fit_options()
        return self._one(ResumeRecord, "checkpoint", options=options, inputs=inputs)

    def planted(self) -> PlantedRecord:
        """The user's checkpoint callbacks under scores that were planted."""
        fit = self.fit()
        logged = {
            (event.name, event.stage): (event.on_step, event.on_epoch)
            for event in fit.events
            if not event.sanity
        }
        known = {name for name, _ in logged}
        available = {name for watcher in fit.watchers for name in watcher.available}
        others = sorted(available - known - {name + end for name in known for end in _FORKS})
        keys = [[*place, *flags] for place, flags in sorted(logged.items())]
        options = {
            "keys": keys + [[name, "train", True, False] for name in others],
            "validated": "validate" in self.case().stages,
            "batches": fit.batches,
        }
        return self._one(PlantedRecord, "checkpoint", options=options)

    def reloaded(self) -> ReloadRecord:
        fit = self.fit()
        inputs = {"checkpoint": self._file(f"epoch-{fit.epochs_run - 1}.ckpt")}
        if any(watcher.key for watcher in fit.watchers) and "validate" in self.case().stages:
            inputs["first"] = self._file("epoch-0.ckpt")
        return self._one(ReloadRecord, "checkpoint", inputs=inputs)

    def untrained(self) -> UntrainedRecord:
        """Asked for only where a script is suspected of testing such weights."""
        try:
            return self._one(UntrainedRecord, "checkpoint", inputs=self._weights())
        except RunHung as failure:  # four tests of a slow module
            error = RunError(TIME_LIMIT, str(failure), "test", failure.location)
            return UntrainedRecord(case=self.case(), error=error)

    def trained(self) -> TrainingRecord:
        try:
            return self._one(TrainingRecord, "training")
        except RunHung as failure:  # a slow module: nothing that its training has done is wrong
            notes = tuple(Note(about, str(failure)) for about in ("one batch", "samples", "hooks"))
            return TrainingRecord(case=self.case(), notes=notes)

    def rebatched(self, stage: str) -> EvaluationRecord:
        options: dict[str, Any] = {"stage": stage, "limit": REBATCHED_SAMPLES}
        options |= {"passes": REBATCHING, "alone": LOADER_ALONE}
        return self._one(EvaluationRecord, "logged-values", options=options, inputs=self._weights())

    def served(self, stage: str) -> EvaluationRecord:
        """The user's samples in the user's own batches; what takes too long has no passes."""
        options = {"stage": stage, "limit": SERVED_SAMPLES, "passes": SERVING}
        try:
            return self._one(
                EvaluationRecord, "logged-values", options=options, inputs=self._weights()
            )
        except RunHung:
            return EvaluationRecord(case=self.case())

    def fit_followed(self) -> FitRecord:
        """The fit, with every NaN followed from the operation that made it."""
        options = {**self._fit_options(), "follow": True}
        return self._one(FitRecord, "logged-values", options=options)

    def evaluation_followed(self, stage: str) -> EvaluationRecord:
        """The usual cut, with every NaN followed from the operation that made it."""
        usual = next(order for order in REBATCHING if order["label"] == USUAL)
        options: dict[str, Any] = {"stage": stage, "limit": REBATCHED_SAMPLES}
        options["passes"] = [{**usual, "follow": True}]
        return self._one(EvaluationRecord, "logged-values", options=options, inputs=self._weights())

    def searched(self, oracle: str) -> SearchRecord:
        """``oracle`` is the ``module:function`` that says which keys a run logged wrongly."""
        options = {"examples": self.examples, "oracle": oracle}
        try:
            return self._one(SearchRecord, "search", options=options)
        except RunHung as failure:  # a large model is slow, not wrong
            error = RunError(TIME_LIMIT, str(failure), "search", failure.location)
            return SearchRecord(case=self.case(), error=error)

    def searched_on_ranks(self, oracle: str) -> SearchRecord:
        """A small search on two ranks. What hangs or crashes there is the business of others."""
        options = {"examples": self.examples // RANKS, "oracle": oracle}
        try:
            world, inputs = World(RANKS), self._weights()
            return self._one(SearchRecord, "search", world=world, options=options, inputs=inputs)
        except RunFailed as failure:
            error = RunError("RunFailed", str(failure), "ranks", failure.location)
            return SearchRecord(case=self.case(), error=error)

    def alone(self, ranks: int) -> RanksRecord:
        """The samples that so many ranks share, evaluated in one process: all of them (asked with
        two ranks, which come first), and each rank's part."""
        parts = tuple({"label": f"shard {n}", "shard": [n, ranks]} for n in range(ranks))
        options = {"passes": self._evaluations(ALONE + parts if ranks == RANKS else parts)}
        return self._one(RanksRecord, "sync-dist", options=options, inputs=self._weights())

    def on_ranks(self, ranks: int) -> Sequence[RanksRecord]:
        """The same samples, evaluated on so many ranks."""
        if ranks != RANKS and not self._ends_on_two():
            return self._all(RanksRecord, "sync-dist", **self._shared(ranks))
        try:
            return self.fit_on_ranks(ranks)
        except RunFailed as failure:
            if failure.owner == "sync-dist" or not failure.directory:
                raise
            return _evaluated(Path(failure.directory), ranks)

    def fit_on_ranks(self, ranks: int) -> Sequence[RanksRecord]:
        """A fit on so many ranks, in the processes that have evaluated before."""
        parts = self._shared(ranks)
        if "train" in self.case().stages:
            parts["options"]["fit"] = {**self._fit_options(), **SHORTER.get(ranks, {})}
        try:
            return self._all(RanksRecord, "distributed", **parts)
        except RunFailed as failure:
            if failure.directory and len(_evaluated(Path(failure.directory), ranks)) < ranks:
                failure.owner = "sync-dist"  # it did not come as far as the fit
            raise

    def offered_alone(self) -> Sequence[Listing]:
        """What the loaders of a fit offer one process; nothing where that fails, of which other
        checks tell."""
        fit = {**self._fit_options(), **ONE_BATCH}
        try:
            record = self._one(RanksRecord, "distributed", options={"passes": [], "fit": fit})
        except RunFailed:
            return ()
        return record.fit.listings if record.fit is not None else ()

    def _ends_on_two(self) -> bool:
        """Whether a fit on two ranks ends. One that does not is told of as it is, and three ranks
        would only wait once more for as long."""
        try:
            fits = [record.fit for record in self.fit_on_ranks(RANKS)]
        except RunFailed:
            return False
        return all(fit is None or fit.error is None for fit in fits)

    def _shared(self, ranks: int) -> dict[str, Any]:
        options = {"passes": self._evaluations(({"label": USUAL},))}
        return {"world": World(ranks), "options": options, "inputs": self._weights()}

    def _evaluations(self, passes: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        stages = [stage for stage in ("validate", "test") if stage in self.case().stages]
        return [{"stage": stage, **one} for stage in stages for one in passes]

    def in_precision(self, precision: str) -> PrecisionRecord:
        stages = self.case().stages
        stage = next((stage for stage in ("validate", "test") if stage in stages), None)
        world = World(1, precision)
        options = {"stage": stage}
        inputs = self._weights()
        try:
            return self._one(
                PrecisionRecord, "precision", world=world, options=options, inputs=inputs
            )
        except RunHung as failure:  # CPUs are slow in half precision: no fault of the module
            error = RunError(TIME_LIMIT, str(failure), "precision", failure.location)
            return PrecisionRecord(case=self.case(), error=error)

    def shaken(self, stage: str, noise: float) -> EvaluationRecord:
        """The usual cut, each weight moved by chance by up to ``noise`` times itself."""
        usual = next(order for order in REBATCHING if order["label"] == USUAL)
        options: dict[str, Any] = {"stage": stage, "limit": REBATCHED_SAMPLES}
        options["passes"] = [{**usual, "noise": [noise, draw]} for draw in range(DRAWS)]
        return self._one(EvaluationRecord, "precision", options=options, inputs=self._weights())

    def suspected(self, code: str) -> Sequence[Finding]:
        return [finding for finding in self.suspicions if finding.code == code]

    def trained_by_ddp(self) -> Location | None:
        return self.plain_ddp

    def _fit_options(self) -> dict[str, Any]:
        return {"monitors": [list(pair) for pair in self.monitors]}

    def _weights(self) -> dict[str, str]:
        """Trained weights for an evaluation; a module without training is judged as it is built."""
        if "train" not in self.case().stages:
            return {}
        return {"weights": self._file("weights.pt")}

    def _file(self, name: str) -> str:
        """A file that the fit has left in its directory."""
        return str(Path(self.fit().directory) / name)

    def _checked(self, record: FitRecord) -> FitRecord:
        """A fit that raised has no weights and no epoch values to judge."""
        if record.error is None:
            return record
        smoke_failed = "fit" in self.smoke().errors
        owner = "fast-dev-run" if smoke_failed else "logged-values"
        raise RunFailed(f"fit raised {record.error}", owner, record.error.location)

    def _one(self, kind: type[Record], owner: str, **parts: Any) -> Record:
        return self._all(kind, owner, **parts)[0]

    def _all(self, kind: type[Record], owner: str, **parts: Any) -> list[Record]:
        spec = RunSpec(self.ref, kind.program, **{"timeout": self.timeout, **parts})
        key = repr(spec)
        if key in self._failed:
            raise self._failed[key]
        if key not in self._done:
            outcome = self.runner.run(spec)
            if not outcome.finished:
                self._failed[key] = _failure(outcome, owner)
                raise self._failed[key]
            self._done[key] = [_record(kind, outcome, data) for data in outcome.records]
        return self._done[key]


def _record(kind: type[Record], outcome: RunOutcome, data: dict[str, Any]) -> Record:
    return replace(from_json(kind, data), directory=outcome.directory)


def _failure(outcome: RunOutcome, owner: str) -> RunFailed:
    ending = outcome.error
    frame = ending.frame if ending is not None else None
    place = Location(frame.path, frame.line) if frame is not None else None
    kind = RunHung if outcome.status == "hung" else RunFailed
    case = _case_in(Path(outcome.directory))
    more = [*_given_up(outcome), MORE_TIME] if _ran_out_of_time(outcome) else []
    return kind("; ".join([outcome.message, *more]), owner, place, case, outcome.directory)


def _ran_out_of_time(outcome: RunOutcome) -> bool:
    """Importing has a limit of its own, which nobody can raise."""
    return outcome.status == "hung" and outcome.phase == "run"


def _given_up(outcome: RunOutcome) -> Iterator[str]:
    """Ranks that no longer waited for one that hangs: they told why in their records."""
    for data in outcome.records:
        error = (data.get("fit") or {}).get("error")
        if error is not None:
            at = " > ".join(error["stack"])
            yield f"rank {data['rank']} had given up waiting at {at or 'no line of the module'}"


def _evaluated(directory: Path, ranks: int) -> list[RanksRecord]:
    """What ranks had evaluated before a fit that did not end; only what all of them have."""
    files = [directory / EVALUATED.format(rank=rank) for rank in range(ranks)]
    if not all(file.exists() for file in files):
        return []
    return [from_json(RanksRecord, json.loads(file.read_text("utf-8"))) for file in files]


def _case_in(directory: Path) -> CaseFacts | None:
    """What a run that broke off had said of its case; nothing where that was never built."""
    told = directory / CASE_FILE
    return from_json(CaseFacts, json.loads(told.read_text("utf-8"))) if told.exists() else None
