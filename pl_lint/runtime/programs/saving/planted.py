"""Scores that were planted: what the user's own checkpoint callbacks make of them.

A puppet in place of the module logs the same keys in the same hooks, with values that rise and
fall as no training would; its weights say at which step they were saved. The callbacks are those of
the case, run by a real Trainer, in a directory of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch.utils.data import DataLoader

from pl_lint.facts.events import RunError
from pl_lint.facts.records import PlantedRecord
from pl_lint.facts.watchers import CHECKPOINT, PlantedFile, PlantedKeeper, PlantedOffer
from pl_lint.runtime.namespace import Namespace
from pl_lint.runtime.programs.common import Subject, caught, fresh
from pl_lint.runtime.specs import RunSpec
from pl_lint.runtime.watching.saved.keepers import own_callbacks, placed_watchers, watchers_of

LEVELS = (0.5, 0.9, 0.1, 0.4)
"""One for each epoch: the highest, the lowest and the last are three."""
SLOPE = 0.01
BATCHES = 4
_FIELD = re.compile(r"\{(.*?)[:\}]")


def run(spec: RunSpec, directory: Path, rank: int) -> PlantedRecord:
    """``options``: ``keys``, as ``[name, stage, on_step, on_epoch]``; ``validated``, whether there
    is a validation; ``batches``, how many the user's epoch has, if that is known."""
    errors: list[RunError] = []
    subject = fresh(spec)
    with caught(errors, "configure_callbacks"), placed_watchers(subject.places):
        callbacks = _callbacks(subject)
    facts = subject.facts()
    if errors:
        return PlantedRecord(rank=rank, case=facts, error=errors[0])
    planting = Planting(subject, directory / "planted", callbacks)
    trainer = planting.trainer()
    model, restored = planting.puppet(), None
    with caught(errors, "planted scores"), planting.watching():
        trainer.fit(model)
    keepers = () if errors else tuple(planting.keepers(trainer))
    if keepers and keepers[0].best is not None:
        with caught(errors, 'test(ckpt_path="best")'):
            trainer.test(model, ckpt_path="best", verbose=False)
            restored = score(int(model.moment))
    error = errors[0] if errors else None
    return PlantedRecord(rank=rank, case=facts, error=error, keepers=keepers, restored=restored)


def _callbacks(subject: Subject) -> list[Any]:
    """The checkpoint callbacks that a Trainer of the case would have."""
    given = subject.arguments.get("callbacks") or []
    made = subject.module.configure_callbacks()
    every = [item for part in (given, made) for item in (part if _many(part) else [part])]
    return own_callbacks(every, subject.namespace.part(f"callbacks.{CHECKPOINT}"))


def _many(value: Any) -> bool:
    return isinstance(value, (list, tuple))


def score(moment: int) -> float:
    """What the weights of this step are worth."""
    epoch, batch = divmod(max(moment, 1) - 1, BATCHES)
    return LEVELS[epoch % len(LEVELS)] + SLOPE * batch


@dataclass
class Planting:
    """One fit of the puppet, and what its callbacks did."""

    subject: Subject
    directory: Path
    callbacks: Sequence[Any]
    offered: dict[int, list[PlantedOffer]] = field(default_factory=dict)
    files: dict[int, list[PlantedFile]] = field(default_factory=dict)
    absent: dict[str, tuple[str, ...]] = field(default_factory=dict)
    writers: dict[str, Any] = field(default_factory=dict)
    steps: dict[str, int] = field(default_factory=dict)

    @property
    def options(self) -> Mapping[str, Any]:
        return self.subject.spec.options

    def trainer(self) -> Any:
        """Checkpoints by steps are saved as often, measured by epochs and validations, as in the
        user's own runs, and in directories that are shared where the user's are."""
        interval = self._scale()
        folders: dict[str, Path] = {}
        for callback in self.callbacks:
            place = folders.setdefault(str(callback.dirpath), self.directory / str(len(folders)))
            callback.dirpath = str(place)
        return self.subject.namespace.Trainer(
            accelerator="cpu",
            devices=1,
            logger=False,
            max_epochs=len(LEVELS),
            callbacks=list(self.callbacks),
            default_root_dir=str(self.directory),
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            val_check_interval=interval,
            limit_val_batches=1 if self.options["validated"] else 0,
        )

    def _scale(self) -> float | int:
        """Shrinks what counts batches to the puppet's epochs; the interval between validations."""
        interval = self.subject.arguments.get("val_check_interval") or 1.0
        batches = self.options["batches"]
        for callback in self.callbacks:
            every = callback._every_n_train_steps
            if callback._train_time_interval is not None:
                callback._train_time_interval, every = None, 1
            elif not every:
                callback._every_n_epochs = min(callback._every_n_epochs, 1)
                continue
            aligned = every == interval or bool(batches and every % batches == 0)
            callback._every_n_train_steps = _steps(aligned, interval)
        if isinstance(interval, int):
            return 2
        return interval if interval == 1.0 else 0.5

    def puppet(self) -> Any:
        return puppet(self.subject.namespace, self.options["keys"], self.options["validated"])

    @contextmanager
    def watching(self) -> Iterator[None]:
        kind = self.subject.namespace.part(f"callbacks.{CHECKPOINT}")
        with ExitStack() as stack:
            for method, watched in (
                ("_save_topk_checkpoint", self._offering),
                ("format_checkpoint_name", self._naming),
                ("_save_checkpoint", self._saving),
            ):
                stack.enter_context(patch.object(kind, method, watched(getattr(kind, method))))
            yield

    def _offering(self, original: Any) -> Any:
        def consider(callback: Any, trainer: Any, candidates: Any) -> None:
            if callback.monitor is not None and callback.monitor not in candidates:
                return  # said of the module's own fit
            if callback.monitor is not None:
                value, step = float(candidates[callback.monitor]), trainer.global_step
                offer = PlantedOffer(step, value, score(step))
                self.offered.setdefault(id(callback), []).append(offer)
            original(callback, trainer, candidates)

        return consider

    def _naming(self, original: Any) -> Any:
        def name(callback: Any, metrics: Any, filename: Any = None, **kwargs: Any) -> str:
            template = filename or callback.filename or ""
            absent = tuple(n for n in _FIELD.findall(template) if n not in metrics)
            path = str(original(callback, metrics, filename, **kwargs))
            self.absent.setdefault(path, absent)
            return path

        return name

    def _saving(self, original: Any) -> Any:
        def save(callback: Any, trainer: Any, path: str) -> None:
            before = self.writers.get(path)
            over = type(before).__name__ if before not in (None, callback) else ""
            self.writers[path], self.steps[path] = callback, trainer.global_step
            original(callback, trainer, path)
            file = self._file(callback, path)
            self.files.setdefault(id(callback), []).append(replace(file, over=over))

        return save

    def _file(self, callback: Any, path: str) -> PlantedFile:
        believed = callback.best_k_models.get(path)
        moment = self.steps[path]
        return PlantedFile(
            path=str(Path(path).relative_to(callback.dirpath)),
            step=moment,
            score=None if believed is None else float(believed),
            true=score(moment),
            absent=self.absent.get(path, ()),
        )

    def keepers(self, trainer: Any) -> Iterator[PlantedKeeper]:
        """What came of it, callback by callback."""
        places = self.subject.places
        watchers = watchers_of(trainer, self.subject.namespace, places, {}, set())
        for watcher, callback in zip(watchers, self.callbacks, strict=True):
            best = callback.best_model_path
            yield PlantedKeeper(
                watcher=watcher,
                offers=tuple(self.offered.get(id(callback), ())),
                files=tuple(self.files.get(id(callback), ())),
                best=self._restored(callback, best) if best else None,
                template=callback.filename or "",
            )

    def _restored(self, callback: Any, path: str) -> PlantedFile:
        """The best file, by what is really in it."""
        saved = torch.load(path, weights_only=False)["state_dict"]  # our own file
        moment = int(saved["moment"])
        return replace(self._file(callback, path), step=moment, true=score(moment))


def _steps(aligned: bool, interval: float | int) -> int:
    if isinstance(interval, int):
        return 2 if aligned else 3
    return BATCHES if aligned else BATCHES - 1


def puppet(namespace: Namespace, keys: Sequence[Sequence[Any]], validated: bool) -> Any:
    """A module that logs these keys; its only weight is the number of steps that it was trained."""

    class Puppet(namespace.LightningModule):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))
            self.register_buffer("moment", torch.tensor(0))

        def training_step(self, batch: Any, batch_idx: int) -> Any:
            self.moment.fill_(self.trainer.global_step + 1)
            self._log("train")
            return 0.0 * self.weight.sum()

        def validation_step(self, batch: Any, batch_idx: int) -> None:
            self._log("validate")

        def test_step(self, batch: Any, batch_idx: int) -> None:
            """Which weights are tested is all that is asked."""

        def _log(self, stage: str) -> None:
            value = score(int(self.moment))
            for name, where, on_step, on_epoch in keys:
                if where == stage:
                    self.log(name, value, on_step=on_step, on_epoch=on_epoch, batch_size=1)

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), lr=0.1)

        def train_dataloader(self) -> Any:
            return DataLoader(torch.zeros(BATCHES, 1))

        def test_dataloader(self) -> Any:
            return DataLoader(torch.zeros(1, 1))

        def val_dataloader(self) -> Any:
            return DataLoader(torch.zeros(1 if validated else 0, 1))

    return Puppet()
