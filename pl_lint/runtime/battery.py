"""The runs of one case, made on demand and shared between checks: what each check may ask for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pl_lint.facts.codec import to_json
from pl_lint.facts.events import CaseFacts, RunError
from pl_lint.facts.loggers import CSV, TENSORBOARD
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
from pl_lint.facts.repetition import WORKERS
from pl_lint.facts.watchers import PlantedKey
from pl_lint.findings import Finding, Location
from pl_lint.runtime import kinds, passes
from pl_lint.runtime.failures import RunFailed, evaluated_before
from pl_lint.runtime.isolation.runs import Runner
from pl_lint.runtime.kinds import Kind, Record
from pl_lint.runtime.made import Made
from pl_lint.runtime.passes import RANKS
from pl_lint.runtime.specs import CaseRef
from pl_lint.runtime.worlds import CPU, CUDA, EMULATED, World

OTHER_HASH_SEED = "13"
"""Of the first 260 the one that gives most sets of two or three class names ("yes", "no") another
order than 0, the usual one, does: 24 of 29 (measured; with 1 it is 14)."""
EXAMPLES = 12
DOUBLE = "64-true"
"""The reference of others, on whatever device they are."""


@dataclass
class Battery:
    """All runs of one case. Implements what ``pl_lint.checks.registry.Runs`` describes.

    ``monitors`` are the ``(key, mode)`` pairs that the user's scripts watch, and ``suspicions``
    what reading suspects of this module, as far as it knows. ``examples`` is how many runs a search
    draws of each kind. ``plain_ddp`` is a Trainer of those scripts that fits this module by DDP as
    it is by default. ``planned`` is for how many epochs those scripts train it, and where.
    ``loggers`` are the classes of loggers that the project builds, ``more_loggers`` those that were
    asked for as well. ``precisions`` are those in which the scripts train this module. ``cuda`` is
    how many GPUs may be used.
    """

    runner: Runner
    ref: CaseRef
    timeout: float = 60.0
    monitors: tuple[tuple[str, str], ...] = ()
    suspicions: tuple[Finding, ...] = ()
    examples: int = EXAMPLES
    plain_ddp: Location | None = None
    planned: tuple[int, str] | None = None
    loggers: tuple[str, ...] = ()
    more_loggers: tuple[str, ...] = ()
    precisions: frozenset[str] = frozenset()
    cuda: int = 0
    _made: Made = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._made = Made(self.runner, self.ref, self.timeout)

    # --- the case ---------------------------------------------------------------------------------

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
        return self._one(kinds.SMOKE)

    def on_device(self) -> DeviceRecord:
        """Every stage on an emulated GPU."""
        return self._one(kinds.ON_DEVICE, world=World(device=EMULATED))

    def gpus(self) -> GpusRecord:
        """Those that may be used: as many as were asked for, if torch sees them."""
        if not self.cuda:
            return GpusRecord()
        record = self._one(kinds.GPUS, world=World(device=CUDA))
        return replace(record, names=record.names[: self.cuda])

    def gpus_asked_for(self) -> int:
        return self.cuda

    def on_gpu(self) -> DeviceRecord:
        """Every stage on a real one."""
        return self._one(kinds.ON_DEVICE, world=World(device=CUDA))

    def logged_to(self, *loggers: str) -> LoggersRecord:
        """A few batches under these loggers; by default under those that cost next to nothing, and
        where the code asks for its logger, under one that is not TensorBoard's, and under none."""
        others = [] if loggers else [[CSV], []]
        options = {"loggers": list(loggers or (TENSORBOARD, CSV)), "others": others}
        return self._one(kinds.LOGGERS, options=options)

    def loggers_asked_for(self) -> Sequence[str]:
        return self.more_loggers

    def loggers_built(self) -> Sequence[str]:
        return self.loggers

    def suspected(self, code: str) -> Sequence[Finding]:
        return [finding for finding in self.suspicions if finding.code == code]

    def trained_by_ddp(self) -> Location | None:
        return self.plain_ddp

    def trained_in(self) -> frozenset[str]:
        return self.precisions | {self.case().precision}

    # --- fits -------------------------------------------------------------------------------------

    def fit(self) -> FitRecord:
        return self._checked(self._one(kinds.FIT, options=self._fit_options()))

    def fit_without_sanity_check(self) -> FitRecord:
        return self._checked(self._one(kinds.PLAIN_FIT, options=self._fit_options(sanity_steps=0)))

    def fit_followed(self) -> FitRecord:
        """The fit, with every NaN followed from the operation that made it."""
        return self._one(kinds.FIT, options=self._fit_options(follow=True))

    def fit_again(self) -> FitRecord:
        """The same fit in another process, which has another hash seed."""
        repeated = self.repeated()
        error = repeated.error or repeated.fits[0].error
        if error is not None:
            text = f"fit raised {error} in a second process"
            raise RunFailed(text, kinds.REPEATED.owner, error.location)
        return repeated.fits[0]

    def repeated(self) -> RepeatRecord:
        options = self._fit_options()
        return self._one(kinds.REPEATED, options=options, hash_seed=OTHER_HASH_SEED)

    def fits_in_workers(self) -> Sequence[WorkersRecord]:
        """The fit with the workers of the user's own loaders, in two processes with two hash seeds;
        one process where that failed."""
        options = self._fit_options(workers=WORKERS)
        first = self._one(kinds.IN_WORKERS, options=options)
        if first.error is not None:
            return [first]
        return [first, self._one(kinds.IN_WORKERS, options=options, hash_seed=OTHER_HASH_SEED)]

    def traced(self, held: tuple[str, ...] = (), attempt: int = 1, workers: int = 0) -> TraceRecord:
        """The fit, its calls of unseeded sources noted, those with the keys ``held`` held still."""
        asked = {"workers": workers} if workers else {}
        options = self._fit_options(held=list(held), **asked)
        return self._one(kinds.TRACED, options=options, repeat=attempt)

    def trained(self) -> TrainingRecord:
        return self._one(kinds.TRAINED)

    # --- checkpoints ------------------------------------------------------------------------------

    def resumed(self) -> ResumeRecord:
        names = {"epoch": "epoch-0.ckpt", "middle": "middle.ckpt"}
        files = {moment: self._file(name) for moment, name in names.items()}
        inputs = {moment: file for moment, file in files.items() if Path(file).exists()}
        return self._one(kinds.RESUMED, options=self._fit_options(), inputs=inputs)

    def resumed_with(self, moment: str, put_back: Sequence[Sequence[str]]) -> RestoredRecord:
        """Resumed at a moment (as in ``states``) with some of what was lost put back, in each of
        these ways; made only where a difference is to be traced to its cause."""
        record = self.resumed()
        file = "middle.ckpt" if moment == "middle" else "epoch-0.ckpt"
        return self._restored(put_back, record.refused, file, moment=moment)

    def reloaded_with(self, put_back: Sequence[Sequence[str]]) -> RestoredRecord:
        """Loaded with some of what was lost put back, in each of these ways."""
        file = f"epoch-{self.fit().epochs_run - 1}.ckpt"
        return self._restored(put_back, self.reloaded().refused, file)

    def _restored(
        self,
        put_back: Sequence[Sequence[str]],
        refused: RunError | None,
        file: str,
        **options: Any,
    ) -> RestoredRecord:
        options["put_back"] = [list(names) for names in put_back]
        options["arguments"] = {"weights_only": False} if refused is not None else {}
        inputs = {"checkpoint": self._file(file)}
        return self._one(kinds.RESTORED, options=self._fit_options(**options), inputs=inputs)

    def planted(self) -> PlantedRecord:
        """The user's checkpoint callbacks under scores that were planted."""
        fit = self.fit()
        options = {
            "keys": _planted_keys(fit),
            "validated": "validate" in self.case().stages,
            "batches": fit.batches,
        }
        return self._one(kinds.PLANTED, options=options)

    def reloaded(self) -> ReloadRecord:
        fit = self.fit()
        inputs = {"checkpoint": self._file(f"epoch-{fit.epochs_run - 1}.ckpt")}
        if any(watcher.key for watcher in fit.watchers) and "validate" in self.case().stages:
            inputs["first"] = self._file("epoch-0.ckpt")
        return self._one(kinds.RELOADED, inputs=inputs)

    def untrained(self) -> UntrainedRecord:
        """Asked for only where a script is suspected of testing such weights."""
        return self._one(kinds.UNTRAINED, inputs=self._weights())

    # --- evaluations ------------------------------------------------------------------------------

    def rebatched(self, stage: str) -> EvaluationRecord:
        alone = {"alone": passes.LOADER_ALONE}
        options = passes.evaluation(stage, passes.REBATCHING) | alone
        return self._one(kinds.EVALUATION, options=options, inputs=self._weights())

    def served(self, stage: str) -> EvaluationRecord:
        """The user's samples in the user's own batches; what takes too long has no passes."""
        options = passes.evaluation(stage, passes.SERVING, passes.SERVED_SAMPLES)
        return self._one(kinds.SERVED, options=options, inputs=self._weights())

    def served_followed(self, stage: str) -> EvaluationRecord:
        """The same, with every NaN followed from the operation that made it."""
        options = passes.evaluation(stage, passes.SERVED_FOLLOWED, passes.SERVED_SAMPLES)
        return self._one(kinds.SERVED, options=options, inputs=self._weights())

    def evaluation_followed(self, stage: str) -> EvaluationRecord:
        """The usual cut, with every NaN followed from the operation that made it."""
        options = passes.evaluation(stage, passes.FOLLOWED)
        return self._one(kinds.EVALUATION, options=options, inputs=self._weights())

    def shaken(self, stage: str, noise: float) -> EvaluationRecord:
        """The usual cut, each weight moved by chance by up to ``noise`` times itself."""
        options = passes.evaluation(stage, passes.shaken(noise))
        return self._one(kinds.SHAKEN, options=options, inputs=self._weights())

    def in_precision(self, precision: str) -> PrecisionRecord:
        evaluated = self._evaluated_stages()[:1]
        # Where nothing is scaled, what training does is what an evaluation shows.
        options = {"stages": ["train", *evaluated] if "mixed" in precision else evaluated}
        device = CUDA if self.gpus().names and precision != DOUBLE else CPU
        world, inputs = World(1, precision, device), self._weights()
        return self._one(kinds.PRECISION, world=world, options=options, inputs=inputs)

    # --- searches ---------------------------------------------------------------------------------

    def searched(self, oracle: str) -> SearchRecord:
        """``oracle`` is the ``module:function`` that says which keys a run logged wrongly."""
        options = {"examples": self.examples, "oracle": oracle}
        return self._one(kinds.SEARCHED, options=options)

    def searched_on_ranks(self, oracle: str) -> Sequence[SearchRecord]:
        """Small searches, on two ranks; where more than the usual number of examples is asked for,
        on three as well. ``sync-dist`` evaluates on three anyway."""
        options = {"examples": self.examples // RANKS, "oracle": oracle}
        parts = {"options": options, "inputs": self._weights()}
        counts = (RANKS, RANKS + 1) if self.examples > EXAMPLES else (RANKS,)
        kind = kinds.SEARCHED_ON_RANKS
        return [self._one(kind, world=World(ranks), **parts) for ranks in counts]

    # --- ranks ------------------------------------------------------------------------------------

    def alone(self, ranks: int) -> RanksRecord:
        """The samples that so many ranks share, evaluated in one process."""
        options = {"passes": self._evaluations(passes.shards(ranks))}
        return self._one(kinds.EVALUATED_ON_RANKS, options=options, inputs=self._weights())

    def on_ranks(self, ranks: int) -> Sequence[RanksRecord]:
        """The same samples, evaluated on so many ranks."""
        if ranks != RANKS and not self._ends_on_two():
            return self._made.records(kinds.EVALUATED_ON_RANKS, **self._shared(ranks))
        try:
            return self.fit_on_ranks(ranks)
        except RunFailed as failure:
            if records := evaluated_before(failure, ranks):
                return records
            raise

    def fit_on_ranks(self, ranks: int) -> Sequence[RanksRecord]:
        """A fit on so many ranks, in the processes that have evaluated before."""
        parts = self._shared(ranks)
        if "train" in self.case().stages:
            parts["options"]["fit"] = self._fit_options(**passes.SHORTER.get(ranks, {}))
        try:
            return self._made.records(kinds.FITTED_ON_RANKS, **parts)
        except RunFailed as failure:
            if evaluated_before(failure, ranks):
                raise
            raise failure.of(kinds.EVALUATED_ON_RANKS.owner) from None  # it did not come to the fit

    def fit_on_gpus(self) -> Sequence[RanksRecord]:
        """The fit on two ranks with a GPU each, which NCCL connects."""
        parts = self._shared(RANKS) | {"world": World(RANKS, device=CUDA)}
        parts["options"]["fit"] = self._fit_options()
        return self._made.records(kinds.FITTED_ON_GPUS, **parts)

    def offered_alone(self) -> Sequence[Listing]:
        """What the loaders of a fit offer one process."""
        options = {"passes": [], "fit": self._fit_options(**passes.ONE_BATCH)}
        fit = self._one(kinds.OFFERED_ALONE, options=options).fit
        return fit.listings if fit is not None else ()

    def _ends_on_two(self) -> bool:
        """Whether a fit on two ranks ends. One that does not is told of as it is, and three ranks
        would only wait once more for as long."""
        try:
            fits = [record.fit for record in self.fit_on_ranks(RANKS)]
        except RunFailed:
            return False
        return all(fit is None or fit.error is None for fit in fits)

    def _shared(self, ranks: int) -> dict[str, Any]:
        options = {"passes": self._evaluations(passes.ON_RANKS)}
        return {"world": World(ranks), "options": options, "inputs": self._weights()}

    def _evaluations(self, wanted: Sequence[passes.Pass]) -> list[dict[str, Any]]:
        return [{"stage": stage, **one} for stage in self._evaluated_stages() for one in wanted]

    # --- what runs have in common -----------------------------------------------------------------

    def _evaluated_stages(self) -> Sequence[str]:
        return [stage for stage in ("validate", "test") if stage in self.case().stages]

    def _fit_options(self, **more: Any) -> dict[str, Any]:
        planned = {"planned": list(self.planned)} if self.planned is not None else {}
        return {"monitors": [list(pair) for pair in self.monitors], **planned, **more}

    def _weights(self) -> Mapping[str, str]:
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
        kind = kinds.SMOKE if "fit" in self.smoke().errors else kinds.FIT
        raise RunFailed(f"fit raised {record.error}", kind.owner, record.error.location)

    def _one(self, kind: Kind[Record], **parts: Any) -> Record:
        """Rank zero's record, or what stands in for it."""
        try:
            return self._made.records(kind, **parts)[0]
        except kind.excused as failure:
            return kind.stand_in(failure, self.case())


def _planted_keys(fit: FitRecord) -> list[Any]:
    """What the puppet logs: each key of the fit, where it was logged and with which flags, and what
    else there was for callbacks to watch."""
    logged = {
        (event.name, event.stage): (event.on_step, event.on_epoch)
        for event in fit.events
        if not event.sanity
    }
    keys = [PlantedKey.of_metric(*place, *flags) for place, flags in sorted(logged.items())]
    available = {name for watcher in fit.watchers for name in watcher.available}
    others = sorted(available - {name for key in keys for name in key.metrics})
    return [to_json(key) for key in (*keys, *(_other(name) for name in others))]


def _other(name: str) -> PlantedKey:
    return PlantedKey(name, "train", on_step=True, on_epoch=False)
