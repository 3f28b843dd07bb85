"""Train a little and evaluate in a lower precision, with the weights that fp32 training gave."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torchmetrics import Metric

from pl_lint.facts.events import RunError
from pl_lint.facts.records import PrecisionRecord
from pl_lint.runtime.namespace import Namespace
from pl_lint.runtime.programs.common import (
    Subject,
    caught,
    cut_stage,
    fresh,
    make_trainer,
    seed_all,
)
from pl_lint.runtime.programs.evaluate import weights_loader
from pl_lint.runtime.programs.fitting.fit import (
    TRAINING_BATCHES,
    VALIDATION,
    VALIDATION_BATCHES,
    VALIDATION_SAMPLES,
    shorten,
)
from pl_lint.runtime.specs import RunSpec
from pl_lint.runtime.watching.arguments import is_finite
from pl_lint.runtime.watching.logged.metrics import MetricTap
from pl_lint.runtime.watching.logged.recorder import Recorder
from pl_lint.runtime.watching.overflow import FindOverflow
from pl_lint.runtime.watching.scaled import ScaledClips
from pl_lint.runtime.watching.summed import HalfSums
from pl_lint.runtime.watching.watcher import watcher

HALF = (torch.float16, torch.bfloat16)


def run(spec: RunSpec, directory: Path, rank: int) -> PrecisionRecord:
    """``options``: the ``stages`` to run, training and one to evaluate. ``inputs``: ``weights``."""
    subject = fresh(spec)
    facts = subject.facts()
    stages = spec.options["stages"]
    recorder = Recorder(subject.namespace, MetricTap())
    errors: list[RunError] = []
    half = _HalfStates()
    finder = FindOverflow(half.sums.done)
    looks = _TrainingLooks()
    if "train" in stages:
        with caught(errors, "fit"), recorder.watching(), finder, looks.clips.watching():
            _train(subject, recorder, looks, half, directory)
    for stage in [] if errors else [each for each in stages if each != "train"]:
        subject = fresh(spec)
        seed_all(spec.seed)  # as for the evaluation in fp32
        with caught(errors, stage), recorder.watching(), finder:
            _evaluate(subject, stage, recorder, half, directory)
    return PrecisionRecord(
        rank=rank,
        case=facts,
        error=errors[0] if errors else None,
        events=tuple(recorder.events),
        epochs=tuple(recorder.epochs),
        overflow=finder.first,
        half_states=tuple(sorted(set(half.found))),
        half_sums=half.sums.found,
        batches=looks.batches,
        lost=looks.lost,
        clipped=tuple(looks.clips.found),
    )


def _train(
    subject: Subject, recorder: Recorder, looks: _TrainingLooks, half: _HalfStates, directory: Path
) -> None:
    if "train" not in subject.stages:
        return
    shorten(subject, "train", TRAINING_BATCHES)
    if "validate" in subject.stages:  # a scheduler may wait for what validation logs
        shorten(subject, "validate", VALIDATION_BATCHES)
    callbacks = [_looks(subject, recorder), half.callback(subject.namespace)]
    callbacks.append(looks.callback(subject.namespace))
    limits = {"limit_train_batches": TRAINING_BATCHES, "limit_val_batches": VALIDATION_BATCHES}
    trainer = make_trainer(
        subject, directory, callbacks, max_epochs=1, num_sanity_val_steps=0, **limits
    )
    trainer.fit(subject.module, **subject.supply.arguments("fit"))


def _evaluate(
    subject: Subject, stage: str, recorder: Recorder, half: _HalfStates, directory: Path
) -> None:
    cut_stage(subject, stage, VALIDATION, VALIDATION_SAMPLES)
    callbacks = [_looks(subject, recorder), half.callback(subject.namespace)]
    if "weights" in subject.spec.inputs:
        callbacks.append(weights_loader(subject.namespace, subject.spec.inputs["weights"]))
    trainer = make_trainer(subject, directory, callbacks, max_epochs=1)
    getattr(trainer, stage)(subject.module, **subject.supply.arguments(stage), verbose=False)


def _looks(subject: Subject, recorder: Recorder) -> Any:
    return watcher(subject.namespace, recorder, lambda module: {}, [])


@dataclass
class _TrainingLooks:
    """Which losses were lost, and which gradients were clipped too early."""

    batches: int = 0
    lost: int = 0
    clips: ScaledClips = field(default_factory=ScaledClips)

    def callback(self, namespace: Namespace) -> Any:
        looks = self

        class TrainingLooks(namespace.Callback):  # type: ignore[misc, name-defined]
            def on_train_start(self, trainer: Any, pl_module: Any) -> None:
                looks.clips.trainer = trainer

            def on_train_batch_end(
                self, trainer: Any, pl_module: Any, outputs: Any, *args: Any
            ) -> None:
                loss = outputs.get("loss") if isinstance(outputs, dict) else outputs
                looks.batches += 1
                looks.lost += isinstance(loss, torch.Tensor) and not is_finite(loss)

        return TrainingLooks()


class _HalfStates:
    """Looks at the metrics and sums after every batch: at the end of an epoch they are reset."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self.sums = HalfSums()

    def callback(self, namespace: Namespace) -> Any:
        found, sums = self.found, self.sums

        class HalfStates(namespace.Callback):  # type: ignore[misc, name-defined]
            def on_train_batch_end(self, trainer: Any, pl_module: Any, *args: Any) -> None:
                found.extend(_half_states(pl_module))
                sums.look(pl_module)

            on_validation_batch_end = on_test_batch_end = on_train_batch_end

        return HalfStates()


def _half_states(module: torch.nn.Module) -> list[str]:
    """Metric states kept in half precision: they stop growing after a few hundred updates."""
    return [
        f"{name}.{state}"
        for name, metric in module.named_modules()
        if isinstance(metric, Metric)
        for state in metric._defaults
        if _is_half(getattr(metric, state))
    ]


def _is_half(value: Any) -> bool:
    """List states hold raw inputs, not sums; their precision is the input's."""
    return isinstance(value, torch.Tensor) and value.dtype in HALF
