"""One batch, trained on again and again from fresh weights."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch.nn.parameter import is_lazy
from torch.utils.data import DataLoader, Dataset

from pl_lint.facts.events import Note, RunError
from pl_lint.facts.training import CutGraph, Overfitting
from pl_lint.runtime.data import as_list, like
from pl_lint.runtime.programs.common import Subject, caught, make_trainer, seed_all
from pl_lint.runtime.programs.fitting.fit import shorten
from pl_lint.runtime.watching.trained.cuts import FollowCuts
from pl_lint.runtime.watching.trained.schedulers import curve_of, horizon_of, is_measured
from pl_lint.runtime.watching.trained.traces import twin_of

STEPS = 20
LARGE, FEW_STEPS = 2_000_000, 7
"""A module of more parameters than this is given fewer steps: each takes long. They are more than
the batches of the small fit's epoch, which shows what the horizon of a schedule follows."""
LEAST, PATIENCE = 6, 8.0
"""After so many seconds so many steps have to do."""
LOOKED_AT = 3
"""Steps whose direction is measured; each costs a copy of all parameters."""


def overfit(
    subject: Subject, directory: Path, notes: list[Note]
) -> tuple[Overfitting, tuple[CutGraph, ...]]:
    """The losses of one batch, and the calls at which the graph of the first step ends."""
    descent, cuts = Descent(_steps_for(subject.module)), FollowCuts(subject.module)
    errors: list[RunError] = []
    with caught(errors, "fit"), _following_first_step(subject.module, cuts):
        _repeat_one_batch(subject, descent.steps)
        trainer = make_trainer(
            subject,
            directory,
            [descent.callback(subject)],
            max_epochs=1,
            limit_val_batches=0,
            num_sanity_val_steps=0,
            accumulate_grad_batches=1,
        )
        trainer.fit(subject.module, **subject.supply.arguments("fit"))
    notes += [Note("one batch", str(error)) for error in errors]
    return descent.told(), cuts.found()


def _steps_for(module: torch.nn.Module) -> int:
    size = sum(p.numel() for p in module.parameters() if not is_lazy(p))
    return STEPS if size <= LARGE else FEW_STEPS


class Repeated(Dataset):
    """One batch, again and again; a step that changes it in place changes a copy."""

    def __init__(self, batch: Any, times: int) -> None:
        self.batch, self.times = batch, times

    def __len__(self) -> int:
        return self.times

    def __getitem__(self, index: int) -> Any:
        return copy.deepcopy(self.batch)


def _repeat_one_batch(subject: Subject, times: int) -> None:
    shorten(subject, "train", 1)

    def change(loaders: Any) -> Any:
        repeated = [
            DataLoader(Repeated(next(iter(each)), times), batch_size=None, collate_fn=_as_it_is)
            for each in as_list(loaders)
        ]
        return like(loaders, repeated)

    subject.supply.change("train", change)


def _as_it_is(batch: Any) -> Any:
    return batch


@contextmanager
def _following_first_step(module: Any, cuts: FollowCuts) -> Iterator[None]:
    """Follow the graph of the first training step only: following costs time."""
    step, waiting = module.training_step, [cuts]

    def training_step(*args: Any, **kwargs: Any) -> Any:
        if not waiting:
            return step(*args, **kwargs)
        with waiting.pop():
            return step(*args, **kwargs)

    # The signature says to Lightning what to pass; it follows __wrapped__.
    training_step.__wrapped__ = step  # type: ignore[attr-defined]
    with patch.object(module, "training_step", training_step):
        yield


class Descent:
    """The losses that ``training_step`` returned, or gave to ``manual_backward``, and whether the
    optimizer went down or up their gradient."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.horizons: tuple[tuple[str, int | None], ...] = ()
        self.curves: tuple[tuple[str, tuple[float, ...]], ...] = ()
        self.losses: list[float] = []
        self.ascents = 0
        self.descents = 0
        self.begun = time.monotonic()
        self.backwards: list[torch.Tensor] = []
        self._before: list[torch.Tensor] = []

    def callback(self, subject: Subject) -> Any:
        diary = self

        class Descending(subject.namespace.Callback):  # type: ignore[misc, name-defined]
            def on_train_start(self, trainer: Any, pl_module: Any) -> None:
                schedulers = tuple(_schedulers(trainer))
                diary.horizons = tuple((type(s).__name__, horizon_of(s)) for s in schedulers)
                diary.curves = tuple(diary.curve(s) for s in schedulers)

            def on_train_batch_start(self, trainer: Any, pl_module: Any, *args: Any) -> None:
                seed_all(subject.spec.seed)  # the same dropout masks at every step
                diary.backwards = []
                if len(diary.losses) < LOOKED_AT and len(trainer.optimizers) == 1:
                    diary.remember(pl_module)

            def on_before_backward(self, trainer: Any, pl_module: Any, loss: Any) -> None:
                diary.backwards.append(loss.detach())

            def on_train_batch_end(
                self, trainer: Any, pl_module: Any, outputs: Any, *args: Any
            ) -> None:
                loss = outputs.get("loss") if isinstance(outputs, dict) else outputs
                if not pl_module.automatic_optimization:
                    loss = diary.only_backward(trainer)
                diary.note(loss, pl_module)
                if diary.is_enough(loss):
                    trainer.should_stop = True

        return Descending()

    def note(self, loss: Any, module: torch.nn.Module) -> None:
        if isinstance(loss, torch.Tensor):
            self.look(module)
            self.losses.append(float(loss))

    def is_enough(self, loss: Any) -> bool:
        enough = len(self.losses) >= LEAST or not isinstance(loss, torch.Tensor)
        return enough and time.monotonic() - self.begun > PATIENCE

    def only_backward(self, trainer: Any) -> torch.Tensor | None:
        """The loss of a batch in manual optimization, where there is one and who steps on it is
        known."""
        single = len(self.backwards) == len(trainer.optimizers) == 1
        return self.backwards[0] if single and self.backwards[0].numel() == 1 else None

    def remember(self, module: torch.nn.Module) -> None:
        parameters = list(module.parameters())
        if not any(map(is_lazy, parameters)):
            self._before = [parameter.detach().clone() for parameter in parameters]

    def look(self, module: torch.nn.Module) -> None:
        """The product of the gradient and of what the optimizer did: negative on the way down."""
        slope = sum(
            float(((parameter.detach() - before) * parameter.grad).sum())
            for parameter, before in zip(module.parameters(), self._before, strict=False)
            if parameter.grad is not None and not parameter.grad.is_sparse
        )
        if self._before:
            self.ascents += slope > 0
            self.descents += slope < 0
        self._before = []

    def curve(self, scheduler: Any) -> tuple[str, tuple[float, ...]]:
        """By its class; a twin, since it is this fit's own that has to be stepped by it."""
        twin = twin_of(scheduler) if is_measured(scheduler) else None
        return type(scheduler).__name__, curve_of(scheduler, twin, self.steps)

    def told(self) -> Overfitting:
        return Overfitting(
            losses=tuple(self.losses),
            ascents=self.ascents,
            descents=self.descents,
            steps=self.steps,
            horizons=self.horizons,
            curves=self.curves,
        )


def _schedulers(trainer: Any) -> Iterator[Any]:
    for config in getattr(trainer.strategy, "lr_scheduler_configs", []):
        yield config.scheduler
