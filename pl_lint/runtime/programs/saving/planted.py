"""Scores that were planted: what the user's own checkpoint callbacks make of them.

A puppet in place of the module logs the same keys in the same hooks, with values that rise and
fall as no training would; its weights say at which step they were saved. The callbacks are those of
the case, run by a real Trainer, in a directory of their own.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

from pl_lint.facts.codec import from_json
from pl_lint.facts.events import RunError
from pl_lint.facts.records import PlantedRecord
from pl_lint.facts.watchers import CHECKPOINT, PlantedFile, PlantedKeeper, PlantedKey, PlantedOffer
from pl_lint.runtime.programs.common import Subject, caught, fresh
from pl_lint.runtime.programs.saving.puppet import BATCHES, LEVELS, puppet, score
from pl_lint.runtime.specs import RunSpec
from pl_lint.runtime.watching.saved.keepers import own_callbacks, placed_watchers, watchers_of

_FIELD = re.compile(r"\{(.*?)[:\}]")


def run(spec: RunSpec, directory: Path, rank: int) -> PlantedRecord:
    """``options``: ``keys``, of which each is a ``PlantedKey``; ``validated``, whether there is a
    validation; ``batches``, how many the user's epoch has, if that is known. Where some key of the
    module cannot be logged by a puppet, those are that a callback asks for."""
    keys = [from_json(PlantedKey, key) for key in spec.options["keys"]]
    record = _planted(spec, directory / "planted", rank, lambda asked: keys)
    if record.error is None:
        return record
    few = _planted(
        spec,
        directory / "watched",
        rank,
        lambda asked: [key for key in keys if not asked.isdisjoint(key.metrics)],
    )
    return record if few.error is not None else few


def _planted(
    spec: RunSpec, directory: Path, rank: int, chosen: Callable[[set[str]], Sequence[PlantedKey]]
) -> PlantedRecord:
    errors: list[RunError] = []
    subject = fresh(spec)
    with caught(errors, "configure_callbacks"), placed_watchers(subject.places):
        callbacks = _callbacks(subject)
    facts = subject.facts()
    if errors:
        return PlantedRecord(rank=rank, case=facts, error=errors[0])
    keys = chosen({name for callback in callbacks for name in _asked_for(callback)})
    planting = Planting(subject, directory, [Kept(callback) for callback in callbacks], keys)
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
    made = subject.module.configure_callbacks()
    every = [*subject.callbacks, *(made if isinstance(made, (list, tuple)) else [made])]
    return own_callbacks(every, subject.namespace.part(f"callbacks.{CHECKPOINT}"))


def _asked_for(callback: Any) -> Iterator[str]:
    """The keys that it watches, or writes into the names of its files."""
    if callback.monitor is not None:
        yield callback.monitor
    yield from _FIELD.findall(callback.filename or "")


@dataclass
class Kept:
    """One callback of the case, and what it did."""

    callback: Any
    offers: list[PlantedOffer] = field(default_factory=list)
    files: list[PlantedFile] = field(default_factory=list)


@dataclass
class Written:
    """What stands under a path: whose it is, of which step, and the fields of its name that had no
    value."""

    writer: Any = None
    step: int = 0
    absent: tuple[str, ...] | None = None


@dataclass
class Planting:
    """One fit of the puppet, and what its callbacks did."""

    subject: Subject
    directory: Path
    kept: Sequence[Kept]
    keys: Sequence[PlantedKey]
    paths: defaultdict[str, Written] = field(default_factory=lambda: defaultdict(Written))

    @property
    def callbacks(self) -> list[Any]:
        return [each.callback for each in self.kept]

    def of(self, callback: Any) -> Kept:
        return next(each for each in self.kept if each.callback is callback)

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
            callbacks=self.callbacks,
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
        return puppet(self.subject.namespace, self.keys, self.options["validated"])

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
                self.of(callback).offers.append(PlantedOffer(step, value, score(step)))
            original(callback, trainer, candidates)

        return consider

    def _naming(self, original: Any) -> Any:
        def name(callback: Any, metrics: Any, filename: Any = None, **kwargs: Any) -> str:
            template = filename or callback.filename or ""
            absent = tuple(n for n in _FIELD.findall(template) if n not in metrics)
            path = str(original(callback, metrics, filename, **kwargs))
            if self.paths[path].absent is None:
                self.paths[path].absent = absent
            return path

        return name

    def _saving(self, original: Any) -> Any:
        def save(callback: Any, trainer: Any, path: str) -> None:
            written = self.paths[path]
            before, written.writer = written.writer, callback
            over = type(before).__name__ if before not in (None, callback) else ""
            written.step = trainer.global_step
            original(callback, trainer, path)
            self.of(callback).files.append(replace(self._file(callback, path), over=over))

        return save

    def _file(self, callback: Any, path: str) -> PlantedFile:
        believed, written = callback.best_k_models.get(path), self.paths[path]
        return PlantedFile(
            path=str(Path(path).relative_to(callback.dirpath)),
            step=written.step,
            score=None if believed is None else float(believed),
            true=score(written.step),
            absent=written.absent or (),
        )

    def keepers(self, trainer: Any) -> Iterator[PlantedKeeper]:
        """What came of it, callback by callback."""
        places = self.subject.places
        watchers = watchers_of(trainer, self.subject.namespace, places, {}, set())
        for watcher, kept in zip(watchers, self.kept, strict=True):
            best = kept.callback.best_model_path
            yield PlantedKeeper(
                watcher=watcher,
                offers=tuple(kept.offers),
                files=tuple(kept.files),
                best=self._restored(kept.callback, best) if best else None,
                template=kept.callback.filename or "",
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
