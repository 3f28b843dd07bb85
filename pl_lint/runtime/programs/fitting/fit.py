"""A small, seeded, complete fit: two epochs, uneven batches, validation, checkpoints, TensorBoard.

``fast_dev_run`` cannot show one wrong number: it runs one batch, with a dummy logger and without
checkpoints. This run is what most checks judge.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import torch

from pl_lint.facts.events import (
    Batching,
    CaseFacts,
    EvaluationPass,
    LoggerPoint,
    Note,
    OptimizerStep,
    RunError,
    SchedulerState,
)
from pl_lint.facts.records import FitRecord
from pl_lint.facts.watchers import Watcher
from pl_lint.runtime.data import NotRebuilt, as_list, like, shortened
from pl_lint.runtime.digests import digests_of
from pl_lint.runtime.namespace import Namespace
from pl_lint.runtime.programs.common import (
    Subject,
    caught,
    fresh,
    load_weights,
    make_trainer,
    seed_all,
)
from pl_lint.runtime.programs.fitting import checkpoints
from pl_lint.runtime.programs.fitting.interruption import Interruption
from pl_lint.runtime.programs.fitting.own_workers import with_workers
from pl_lint.runtime.programs.outputs import CUT, SAMPLES, outputs_of
from pl_lint.runtime.specs import RunSpec
from pl_lint.runtime.watching.logged.finite import FollowNotFinite
from pl_lint.runtime.watching.logged.last_loss import LastLosses, loss_watchers
from pl_lint.runtime.watching.logged.metrics import MetricTap
from pl_lint.runtime.watching.logged.normalisers import FollowNormalisers
from pl_lint.runtime.watching.logged.recorder import Recorder
from pl_lint.runtime.watching.logged.served import Served
from pl_lint.runtime.watching.logged.tensorboard import read_points
from pl_lint.runtime.watching.repeated.beginnings import Beginnings, beginnings_watcher
from pl_lint.runtime.watching.saved.assignments import places_of
from pl_lint.runtime.watching.saved.keepers import Missed, forgiven, placed_watchers, watchers_of
from pl_lint.runtime.watching.saved.states import unsaved_buffers
from pl_lint.runtime.watching.trained.diary import TrainingDiary, training_watcher
from pl_lint.runtime.watching.trained.schedulers import OwnPlan, ScheduleDiary
from pl_lint.runtime.watching.watcher import watcher

EPOCHS = 2
TRAINING_BATCHES = 6
VALIDATION_BATCHES = 4
VALIDATION, VALIDATION_SAMPLES = CUT, SAMPLES


def run(spec: RunSpec, directory: Path, rank: int) -> FitRecord:
    """``options``: ``epochs``, ``sanity_steps``, and ``monitors``, the ``[key, mode]`` pairs to
    keep a best checkpoint for; ``planned``, the epochs for which a script trains the module, and
    where; ``follow``, to find what made NaN, and what was divided by. Leaves
    ``weights.pt``, ``epoch-N.ckpt`` and ``middle.ckpt``."""
    with MetricTap().installed() as tap:
        subject = fresh(spec)
        trainer, record = trained(subject, tap, directory, rank)
        if record.error is not None:
            return record
        torch.save(subject.module.state_dict(), directory / "weights.pt")
        # Last, because they evaluate the module again and load other weights into it.
        tested = tested_weights(subject, trainer, directory)
        outputs = outputs_of(subject.module, spec, directory)
        return replace(record, tested=tested, outputs=outputs)


def tested_weights(subject: Subject, trainer: Any, directory: Path) -> tuple[EvaluationPass, ...]:
    """What ``trainer.test`` says of the last and the best weights. The module has the last ones
    afterwards, as their checkpoint has them."""
    tested = _best_against_last(subject, trainer, directory)
    last = directory / f"epoch-{trainer.current_epoch - 1}.ckpt"
    if last.exists():  # Lightning saves none while no optimizer has made a step
        state = torch.load(last, weights_only=False)["state_dict"]
        load_weights(subject.module, state)
    return tested


def trained(
    subject: Subject,
    tap: MetricTap,
    directory: Path,
    rank: int,
    states: checkpoints.StateDiary | None = None,
    **arguments: Any,
) -> tuple[Any, FitRecord]:
    """Fit a fresh module; the Trainer, and what was seen. ``arguments`` go to ``trainer.fit``;
    ``states`` is told when a state is to be noted."""
    fit = Fit.prepared(subject, tap, directory, states or checkpoints.StateDiary())
    facts, trainer = subject.facts(), fit.trainer()
    errors: list[RunError] = []
    with (
        caught(errors, "fit"),
        fit.recorder.watching(),
        fit.training.watching(),
        fit.schedules.watching(),
        fit.randomness.watching(subject.namespace),
        placed_watchers(subject.places),
        forgiven(subject.namespace, trainer, fit.missed),
    ):
        trainer.fit(subject.module, **arguments, **subject.supply.arguments("fit"))
    schedulers = fit.schedules.states(trainer)
    return trainer, fit.record(trainer, facts, schedulers, rank, errors[0] if errors else None)


@dataclass
class Fit:
    """One fit under way: who is trained, and everything that watches it."""

    subject: Subject
    directory: Path
    recorder: Recorder
    plan: OwnPlan = field(default_factory=OwnPlan)
    randomness: checkpoints.RandomStates = field(default_factory=checkpoints.RandomStates)
    states: checkpoints.StateDiary = field(default_factory=checkpoints.StateDiary)
    beginnings: Beginnings = field(default_factory=Beginnings)
    steps: list[OptimizerStep] = field(default_factory=list)
    points: list[LoggerPoint] = field(default_factory=list)
    missed: Missed = field(default_factory=WeakKeyDictionary)
    last_losses: LastLosses = field(default_factory=LastLosses)

    @classmethod
    def prepared(
        cls, subject: Subject, tap: MetricTap, directory: Path, states: checkpoints.StateDiary
    ) -> Fit:
        """A fit of a few batches, counted, with loaders that a resumed run draws as a whole one."""
        plan = _own_plan(subject)
        subject.supply.change("train", plan.note)
        workers = subject.spec.options.get("workers", 0)
        sizes = {"train": shorten(subject, "train", TRAINING_BATCHES, workers)}
        if "validate" in subject.stages:
            sizes["validate"] = shorten(subject, "validate", VALIDATION_BATCHES, workers)
        recorder = Recorder(subject.namespace, tap, sizes)
        fit = cls(subject, directory, recorder, plan, states=states)
        if subject.spec.options.get("follow"):
            fit.recorder.follow = FollowNotFinite()
            fit.recorder.divisions = FollowNormalisers()
        if "validate" in sizes:
            subject.supply.change("validate", fit.recorder.served.noting)
        subject.supply.change("train", functools.partial(fit.interruptible, sizes["train"]))
        for stage in sizes:
            subject.supply.inside(stage, fit.randomness.while_loading)
        return fit

    def interruptible(self, sizes: Sequence[tuple[int, ...]], loaders: Any) -> Any:
        """Let the fit be interrupted inside its last epoch, and gone on with from there. Workers
        are asked for batches ahead of time: then nobody knows where it is."""
        if any(getattr(loader, "num_workers", 0) for loader in as_list(loaders)):
            return loaders
        window = self.subject.arguments.get("accumulate_grad_batches", 1)
        return self.interruption.over(loaders, sizes[0], window) if len(sizes) == 1 else loaders

    @property
    def options(self) -> Mapping[str, Any]:
        return self.subject.spec.options

    @functools.cached_property
    def training(self) -> TrainingDiary:
        return TrainingDiary(self.subject.namespace, self.subject.module)

    @functools.cached_property
    def schedules(self) -> ScheduleDiary:
        return ScheduleDiary(self.subject.namespace, self.subject.module, self.plan)

    @functools.cached_property
    def interruption(self) -> Interruption:
        last = self.options.get("epochs", EPOCHS) - 1
        return Interruption(self.directory, last, self.randomness, self.states)

    def trainer(self) -> Any:
        return make_trainer(
            self.subject,
            self.directory,
            self._callbacks(),
            self.points,
            max_epochs=self.options.get("epochs", EPOCHS),
            num_sanity_val_steps=self.options.get("sanity_steps", self._sanity_steps()),
            limit_train_batches=TRAINING_BATCHES,
            limit_val_batches=VALIDATION_BATCHES,
        )

    def _sanity_steps(self) -> int:
        """Lightning's own number, except for a case that says that there is none."""
        return 0 if self.subject.arguments.get("num_sanity_val_steps") == 0 else 2

    def _callbacks(self) -> list[Any]:
        namespace, monitors = self.subject.namespace, self.options.get("monitors", [])
        return [
            watcher(namespace, self.recorder, _fingerprints, self.steps),
            beginnings_watcher(namespace, self.beginnings),
            checkpoints.random_state_keeper(namespace, self.interruption),
            checkpoints.diarist(namespace, self.states),
            training_watcher(self.training),
            *loss_watchers(namespace, self.subject.module, self.last_losses),
            *checkpoints.best_keepers(namespace, monitors, self.directory),
            checkpoints.epoch_saver(namespace, self.directory),
        ]

    def record(
        self,
        trainer: Any,
        case: CaseFacts,
        schedulers: tuple[SchedulerState, ...],
        rank: int,
        error: RunError | None = None,
    ) -> FitRecord:
        return FitRecord(
            rank=rank,
            case=case,
            error=error,
            events=tuple(self.recorder.events),
            epochs=tuple(self.recorder.epochs),
            replays=tuple(self.recorder.replays),
            looks=tuple(self.recorder.looks),
            not_finite=tuple(self.recorder.not_finite.values()),
            initial=self.beginnings.initial,
            begun=tuple(self.beginnings.batches),
            steps=tuple(self.steps),
            schedulers=schedulers,
            handed_to_logger=tuple(self.points),
            read_back=read_points(self.directory / "events"),
            digests=digests_of(self.subject.module.state_dict()),
            validated=dict(self.recorder.validated),
            unsaved={
                "start": self.beginnings.unsaved,
                "end": digests_of(unsaved_buffers(self.subject.module)),
            },
            estimated_steps=_estimated_steps(trainer),
            epochs_planned=self.options.get("epochs", EPOCHS),
            epochs_run=trainer.current_epoch,
            parameters=tuple(name for name, _ in self.subject.module.named_parameters()),
            states=self.states.by_moment,
            unpaired=_unpaired(self.subject),
            watchers=self._watchers(trainer),
            batches=self.subject.batches.get("train"),
            workers=self.subject.workers.get("train", 0),
            places=places_of(self.subject.module, getattr(trainer, "callbacks", ())),
            training=self.training.story(),
            last_losses=self.last_losses.found(),
            notes=tuple(self.subject.notes),
        )

    def _watchers(self, trainer: Any) -> tuple[Watcher, ...]:
        """A key is missing only where all that could log it was run."""
        subject, places = self.subject, self.subject.places
        seen = {event.name for event in self.recorder.events} | set(trainer.callback_metrics)
        seen |= {name for values in self.recorder.epochs for name in values.values}
        found = watchers_of(trainer, subject.namespace, places, self.missed, seen)
        validates = subject.namespace.overrides("validation_step", subject.module)
        if not validates or "validate" in subject.stages:
            return found
        return tuple(replace(watcher, missing=False) for watcher in found)


def _own_plan(subject: Subject) -> OwnPlan:
    """How long the case would train, were it not for this short fit; or a script of the project."""
    epochs = subject.arguments.get("max_epochs")
    accumulated = subject.arguments.get("accumulate_grad_batches") or 1
    if isinstance(epochs, int) and epochs > 0:
        return OwnPlan(epochs, accumulated=accumulated)
    return OwnPlan(*subject.spec.options.get("planned", ()), accumulated=accumulated)


def _fingerprints(module: torch.nn.Module) -> dict[str, str]:
    return digests_of(module.state_dict())


def shorten(subject: Subject, stage: str, batches: int, workers: int = 0) -> list[tuple[int, ...]]:
    """Let a stage's loaders serve a few batches of the user's own size, each with its own workers
    up to so many; returns the sizes by loader, nothing where they cannot be counted."""
    sizes: list[tuple[int, ...]] = []

    def change(loaders: Any) -> Any:
        sizes.clear()
        own_workers = (getattr(loader, "num_workers", 0) for loader in as_list(loaders))
        subject.workers[stage] = max(own_workers, default=0)
        with suppress(TypeError):
            subject.batches[stage] = sum(len(loader) for loader in as_list(loaders))
        try:
            own = as_list(loaders)
            pairs = [shortened(loader, batches) for loader in own]
        except NotRebuilt as reason:
            subject.notes.append(Note(f"{stage} data", str(reason)))
            return loaders
        # Several training loaders make one combined batch; what it counts is then not known.
        if stage != "train" or len(pairs) == 1:
            sizes.extend(counted for _, counted in pairs)
        short = zip(own, (loader for loader, _ in pairs), strict=True)
        return like(loaders, [with_workers(*both, workers) for both in short])

    subject.supply.change(stage, change)
    return sizes


def _unpaired(subject: Subject) -> str:
    """A checkpoint hook without the other: what it saves nobody loads, or the reverse."""
    hooks = ("on_save_checkpoint", "on_load_checkpoint")
    own = [hook for hook in hooks if subject.namespace.overrides(hook, subject.module)]
    (other,) = set(hooks) - set(own) if len(own) == 1 else ("",)
    return f"{own[0]} without {other}" if other else ""


def _estimated_steps(trainer: Any) -> float | None:
    try:
        return float(trainer.estimated_stepping_batches)
    except Exception:  # the loaders are gone after a failed fit
        return None


def _best_against_last(
    subject: Subject, trainer: Any, directory: Path
) -> tuple[EvaluationPass, ...]:
    """What ``trainer.test`` says of the last weights, of the best by each kept monitor, and of the
    last ones again: what two tests of the same weights do not agree on says nothing about weights.

    Two epochs of a few batches seldom go wrong: where the last weights are the best, a better score
    of the first epoch is planted.
    """
    best = [
        callback
        for callback in trainer.checkpoint_callbacks
        if type(callback).__name__ == checkpoints.BEST_KEEPER and callback.best_model_path
    ]
    if not best or "test" not in subject.stages:
        return ()
    given, last = Served(), copy.deepcopy(subject.module.state_dict())
    trainer.callbacks.append(_batch_notary(subject.namespace, given))
    passes = [_tested(subject, trainer, given, "last")]
    for callback in best:
        path, label = callback.best_model_path, f"best by {callback.monitor}"
        checkpoint = torch.load(path, weights_only=False)  # our own file
        first = directory / "epoch-0.ckpt"
        if checkpoint["global_step"] == trainer.global_step and first.exists():
            checkpoint = torch.load(first, weights_only=False)
            label = f"best by {callback.monitor}, a better score of the first epoch being planted"
        load_weights(subject.module, checkpoint["state_dict"])
        passes.append(_tested(subject, trainer, given, label))
    load_weights(subject.module, last)
    return (*passes, _tested(subject, trainer, given, "last, again"))


def _batch_notary(namespace: Namespace, given: Served) -> Any:
    """Notes each batch that a test step is given, whoever serves it: ``setup`` may draw the data
    anew for every test."""

    class BatchNotary(namespace.Callback):  # type: ignore[misc, name-defined]
        def on_test_batch_start(
            self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
        ) -> None:
            given.note(dataloader_idx, batch_idx, batch)

    return BatchNotary()


def _tested(subject: Subject, trainer: Any, given: Served, label: str) -> EvaluationPass:
    """One test, seeded as all of them are: what is drawn for it tells no weights apart."""
    values: Mapping[str, float] = {}
    errors: list[RunError] = []
    with caught(errors, "test"):
        seed_all(subject.spec.seed)
        arguments = subject.supply.arguments("test")
        results = trainer.test(subject.module, **arguments, verbose=False)
        values = {key: value for result in results for key, value in result.items()}
    error = errors[0] if errors else None
    return EvaluationPass("test", Batching(label, ()), values, error=error, seen=given.taken())
