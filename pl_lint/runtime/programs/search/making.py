"""Making one drawn run, from an untouched copy of the module, in a few milliseconds.

The copy is the case called afresh, as for every other run: a deep copy takes as long, and fails on
modules that hold a generator or an open file. Nothing is watched but the epoch values, which costs
half of a run watched in full; the smallest run that lies is made once more under the recorder.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any
from unittest.mock import patch

import numpy
import torch
from torch import distributed
from torch.utils._pytree import tree_leaves
from torch.utils.data import IterableDataset, RandomSampler, SequentialSampler

from pl_lint.facts.events import EpochValues, RunError
from pl_lint.facts.searches import ACCUMULATE, FIT, RETURNED, DrawnRun, Observation
from pl_lint.runtime.data import Cut, NotRebuilt, as_list, like, samples_of
from pl_lint.runtime.digests import digests_of
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
from pl_lint.runtime.programs.loggers import points_logger
from pl_lint.runtime.programs.search.space import ONCE
from pl_lint.runtime.specs import RunSpec
from pl_lint.runtime.watching.logged.metrics import MetricTap, scalar
from pl_lint.runtime.watching.logged.recorder import Recorder
from pl_lint.runtime.watching.watcher import watcher

ONCE_MORE = -1
HALF = (torch.float16, torch.bfloat16)

Made = dict[tuple[DrawnRun, int], Observation]


@dataclass
class Maker:
    """Makes runs and remembers what they logged, so that none is made twice."""

    spec: RunSpec
    directory: Path
    made: Made = field(default_factory=dict)

    def make(self, run: DrawnRun, seed: int = 1) -> Observation:
        if (run, seed) not in self.made:
            self.made[run, seed] = self._make(run, seed)
        return self.made[run, seed]

    def once_more(self, run: DrawnRun) -> Observation:
        """The same run with the same seeds: what moves is the clock's, or of no seed."""
        if (run, ONCE_MORE) not in self.made:
            self.made[run, ONCE_MORE] = self._make(run, 1)
        return self.made[run, ONCE_MORE]

    def _make(self, run: DrawnRun, seed: int) -> Observation:
        errors: list[RunError] = []
        noted = Noted()
        weights = ""
        with caught(errors, run.program):
            subject = fresh(self.spec)
            prepare(subject, run)
            watchers = [noted.callback(subject.namespace)]
            if run.program == ACCUMULATE:
                watchers.append(_returned(subject.namespace, noted.steps))
            with noted.watching(subject.namespace):
                go(subject, run, seed, self.directory, watchers)
            weights = _weights(subject.module)
        if errors:
            return Observation(error=errors[0])
        steps = {key: tuple(values) for key, values in noted.steps.items()}
        return Observation(tuple(noted.epochs), steps, weights, noted.seen, noted.spacing)


def _weights(module: torch.nn.Module) -> str:
    return "".join(digests_of(dict(module.named_parameters())).values())


def prepare(subject: Subject, run: DrawnRun) -> dict[str, list[tuple[int, ...]]]:
    """Cut the data as the run asks for; returns the batch sizes by stage and dataloader."""
    batches = Cut("drawn", run.batch_size, run.shuffled)
    if run.program not in (FIT, ACCUMULATE):
        shard = (distributed.get_rank(), run.ranks) if run.ranks > 1 else (0, 1)
        return {run.program: serve(subject, run.program, batches, run.samples, shard)}
    trained = run.samples if run.program == ACCUMULATE else run.batch_size * run.training_batches
    sizes = {"train": serve(subject, "train", Cut("drawn", run.batch_size), trained)}
    if "validate" in subject.stages:
        validated = batches if run.program == FIT else Cut("drawn", None)
        sizes["validate"] = serve(subject, "validate", validated, run.samples)
    return sizes


def serve(
    subject: Subject, stage: str, cut: Cut, samples: int, shard: tuple[int, int] = (0, 1)
) -> list[tuple[int, ...]]:
    """Ranks share all the samples that were asked for, or none."""
    if shard[1] > 1:
        subject.supply.change(stage, functools.partial(_with_enough, samples=samples))
    sizes = cut_stage(subject, stage, cut, samples, shard)
    subject.supply.change(stage, _with_own_generators)
    return sizes


def _with_enough(loaders: Any, samples: int) -> Any:
    """What a stream or a sampler of the user's own serves once ranks have met is a part already."""
    for loader in as_list(loaders):
        stream = isinstance(getattr(loader, "dataset", None), IterableDataset)
        sampler = getattr(loader, "sampler", None)
        if stream or not isinstance(sampler, (SequentialSampler, RandomSampler)):
            raise NotRebuilt("it may deal its samples out to the ranks itself")
        if len(samples_of(loader, samples)) < samples:
            raise NotRebuilt(f"it has fewer than {samples} samples to share")
    return loaders


def _with_own_generators(loaders: Any) -> Any:
    """DataLoaders draw a number from the global generator whenever an epoch of theirs begins: a
    validation more would change what training draws."""
    for loader in as_list(loaders):
        loader.generator = torch.Generator()
    return like(loaders, as_list(loaders))


def go(subject: Subject, run: DrawnRun, seed: int, directory: Path, watchers: list[Any]) -> None:
    """Make the run. ``seed`` is what evaluation draws from; training is seeded alike in all."""
    namespace = subject.namespace
    callbacks = [*watchers, _quiet_validation(namespace, seed)]
    if "weights" in subject.spec.inputs:
        callbacks.append(_loads(namespace, run, subject.spec.inputs["weights"]))
    if run.program == ACCUMULATE:
        callbacks.append(_holds_weights(namespace))
    training = run.program in (FIT, ACCUMULATE)
    settings = _fit_settings(run) if training else {"max_epochs": 1}
    trainer = make_trainer(
        subject, directory, callbacks, logger=[points_logger(namespace, [])], **settings
    )
    seed_all(subject.spec.seed if training else seed)
    if training:
        trainer.fit(subject.module, **subject.supply.arguments("fit"))
    else:
        arguments = subject.supply.arguments(run.program)
        getattr(trainer, run.program)(subject.module, **arguments, verbose=False)


def watched(
    run: DrawnRun, spec: RunSpec, directory: Path
) -> tuple[Recorder, dict[str, list[tuple[int, ...]]]]:
    """Make a run in full view; returns what was seen, and its batch sizes by stage and loader."""
    with MetricTap().installed() as tap:
        subject = fresh(spec)
        sizes = prepare(subject, run)
        recorder = Recorder(subject.namespace, tap, sizes)
        callback = watcher(subject.namespace, recorder, lambda module: {}, [])
        with recorder.watching():
            go(subject, run, spec.seed, directory, [callback])
    return recorder, sizes


def _fit_settings(run: DrawnRun) -> dict[str, Any]:
    once = run.interval == ONCE or run.program == ACCUMULATE
    return {
        "max_epochs": run.epochs,
        "accumulate_grad_batches": run.accumulate,
        "val_check_interval": 1.0 if once else run.interval,
        "check_val_every_n_epoch": run.epochs if once else 1,
        "num_sanity_val_steps": run.sanity_steps,
    }


def _loads(namespace: Namespace, run: DrawnRun, path: str) -> Any:
    """Trained weights, so that predictions vary: an untrained classifier always says the same."""
    if run.program not in (FIT, ACCUMULATE):
        return weights_loader(namespace, path)

    class Loads(namespace.Callback):  # type: ignore[misc, name-defined]
        def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
            pl_module.load_state_dict(torch.load(path, weights_only=False))  # our own file

    return Loads()


def _holds_weights(namespace: Namespace) -> Any:
    """After each batch the parameters are what they were: what is logged in training is then a
    property of the data, however often the optimizer steps."""

    class HoldsWeights(namespace.Callback):  # type: ignore[misc, name-defined]
        def on_train_start(self, trainer: Any, pl_module: Any) -> None:
            self.kept = [each.detach().clone() for each in pl_module.parameters()]

        def on_train_batch_end(self, trainer: Any, pl_module: Any, *args: Any) -> None:
            with torch.no_grad():
                for parameter, kept in zip(pl_module.parameters(), self.kept, strict=True):
                    parameter.copy_(kept)

    return HoldsWeights()


def _returned(namespace: Namespace, into: dict[str, list[float]]) -> Any:
    """Notes what ``training_step`` returned for each batch: callbacks are given what Lightning has
    divided (``ClosureResult.from_training_step_output``, 2.6.6)."""

    class Returned(namespace.Callback):  # type: ignore[misc, name-defined]
        def on_train_batch_end(
            self, trainer: Any, pl_module: Any, outputs: Any, *args: Any
        ) -> None:
            loss = outputs.get("loss") if isinstance(outputs, dict) else outputs
            number = scalar(loss)
            if number is not None:
                into.setdefault(RETURNED, []).append(number * trainer.accumulate_grad_batches)

    return Returned()


def _quiet_validation(namespace: Namespace, seed: int) -> Any:
    """Validation in a fit draws from random states of its own, the same ones each time, so that
    neither training nor a later validation depends on how often there was one."""

    class QuietValidation(namespace.Callback):  # type: ignore[misc, name-defined]
        def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
            self.kept = random.getstate(), numpy.random.get_state(), torch.get_rng_state()
            seed_all(seed)

        def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
            python, arrays, tensors = self.kept
            random.setstate(python)
            numpy.random.set_state(arrays)
            torch.set_rng_state(tensors)

    return QuietValidation()


@dataclass
class Noted:
    """The epoch values of each stage, what training logged for each batch, and a fingerprint of
    what the last validation was given."""

    epochs: list[EpochValues] = field(default_factory=list)
    steps: dict[str, list[float]] = field(default_factory=dict)
    seen: str = ""
    spacing: dict[str, float] = field(default_factory=dict)
    _keys: dict[bool, set[str]] = field(default_factory=dict)

    @contextmanager
    def watching(self, namespace: Namespace) -> Iterator[None]:
        """``_ResultCollection.log`` knows which stage logs (``result.py``, 2.6.6)."""
        results = namespace.ResultCollection
        with patch.object(results, "log", self._noting(results.log)):
            yield

    def _noting(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def log(results: Any, fx: str, name: str, value: Any, *args: Any, **kwargs: Any) -> Any:
            if kwargs.get("on_epoch"):
                self._keys.setdefault(results.training, set()).add(name)
            if isinstance(value, torch.Tensor) and value.dtype in HALF:
                self.spacing[name] = torch.finfo(value.dtype).eps
            number = scalar(value) if results.training else None
            if number is not None:
                self.steps.setdefault(name, []).append(number)
            return original(results, fx, name, value, *args, **kwargs)

        return log

    def close(self, stage: str, trainer: Any) -> None:
        keys = self._keys.get(stage == "train", set())
        numbers = {
            name: number
            for name, value in trainer.callback_metrics.items()
            if name.split("/dataloader_idx_")[0] in keys and (number := scalar(value)) is not None
        }
        if stage == "train" and self.steps.get(RETURNED):
            numbers[RETURNED] = fmean(self.steps[RETURNED])
        self.epochs.append(EpochValues(stage, trainer.current_epoch, numbers))

    def callback(self, namespace: Namespace) -> Any:
        noted, close = self, self.close

        class Closes(namespace.Callback):  # type: ignore[misc, name-defined]
            def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
                noted.seen = ""

            def on_validation_batch_start(
                self, trainer: Any, pl_module: Any, batch: Any, *args: Any
            ) -> None:
                tensors = digests_of(dict(enumerate(tree_leaves(batch))))
                noted.seen += "".join(tensors.values())

            def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
                if not trainer.sanity_checking:
                    close("validate", trainer)

            def on_test_end(self, trainer: Any, pl_module: Any) -> None:
                close("test", trainer)

            def on_train_end(self, trainer: Any, pl_module: Any) -> None:
                close("train", trainer)

        return Closes()
