"""Each stage on a GPU, emulated or real: what stays on the CPU meets what was moved."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from pl_lint.facts.devices import Stranger, WrittenDevice
from pl_lint.facts.events import RunError
from pl_lint.facts.records import DeviceRecord
from pl_lint.findings import Location
from pl_lint.runtime import emulated
from pl_lint.runtime.programs.common import Subject, caught, fresh, make_trainer
from pl_lint.runtime.programs.smoke import METHODS
from pl_lint.runtime.specs import RunSpec
from pl_lint.runtime.watching.callsite import UNKNOWN, caller
from pl_lint.runtime.watching.placed.holders import Held, held_by, of_batch, same_memory
from pl_lint.runtime.watching.placed.origins import Origins
from pl_lint.runtime.watching.placed.written import WrittenDevices, cuda_there
from pl_lint.runtime.worlds import EMULATED

BATCHES = 2
CPU = torch.device("cpu")


@dataclass
class Seen:
    """What all stages showed."""

    errors: dict[str, RunError] = field(default_factory=dict)
    strangers: dict[Stranger, None] = field(default_factory=dict)
    written: dict[WrittenDevice, None] = field(default_factory=dict)
    made: dict[Location, None] = field(default_factory=dict)


def run(spec: RunSpec, directory: Path, rank: int) -> DeviceRecord:
    seen = Seen()
    facts = fresh(spec).facts()
    for stage in facts.stages:
        errors: list[RunError] = []
        with caught(errors, METHODS[stage]), _watched(spec, seen) as watch:
            watch.subject = fresh(spec)
            _tried(watch, METHODS[stage], directory)
        seen.errors.update(dict.fromkeys([METHODS[stage]], *errors) if errors else {})
    return DeviceRecord(
        rank=rank,
        case=facts,
        ran=tuple(METHODS[stage] for stage in facts.stages),
        errors=seen.errors,
        strangers=tuple(seen.strangers),
        written=tuple(seen.written),
        made=tuple(seen.made),
    )


def _tried(watch: Watch, method: str, directory: Path) -> None:
    """A few batches of a Trainer method, with the hooks at the end of an epoch."""
    subject = watch.subject
    assert subject is not None
    limits: dict[str, Any] = {
        f"limit_{name}_batches": BATCHES for name in ("train", "val", "test", "predict")
    }
    limits |= {"max_epochs": 1, "num_sanity_val_steps": 0}
    trainer = make_trainer(subject, directory, [watch.callback(subject)], **limits)
    quiet = {} if method in ("fit", "predict") else {"verbose": False}
    getattr(trainer, method)(subject.module, **subject.supply.arguments(method), **quiet)


def _watched(spec: RunSpec, seen: Seen) -> AbstractContextManager[Watch]:
    """A real GPU refuses by itself, and stops at the first fault."""
    emulate = spec.world.device == EMULATED
    return emulation(seen) if emulate else nullcontext(Watch(Origins(), seen))


@dataclass
class Watch:
    """Turns what the emulation refuses into what there is to say of it."""

    origins: Origins
    seen: Seen
    subject: Subject | None = None
    batch: Any = None

    def callback(self, subject: Subject) -> Any:
        """Keeps the batch that the steps are given."""
        watch = self

        class KeepsBatch(subject.namespace.Callback):  # type: ignore[misc, name-defined]
            def on_train_batch_start(
                self, trainer: Any, pl_module: Any, batch: Any, *args: Any
            ) -> None:
                watch.batch = batch

            on_validation_batch_start = on_test_batch_start = on_train_batch_start
            on_predict_batch_start = on_train_batch_start

        return KeepsBatch()

    def refused(self, operation: Any, tensors: Sequence[torch.Tensor]) -> None:
        place = caller()
        if place.path == UNKNOWN:  # Lightning's own business
            return
        for tensor in tensors:
            held = self._held(tensor)
            name = operation.overloadpacket.__name__
            found = (*held,) if held else ("", "")
            made = self.origins.of(tensor)
            self.seen.strangers[Stranger(name, tuple(tensor.shape), place, made, *found)] = None

    def _held(self, tensor: torch.Tensor) -> Held | None:
        if self.subject is None:
            return None
        found = held_by(self.subject.module, tensor), *self._in_batch(tensor)
        return next(filter(None, found), None)

    def _in_batch(self, tensor: torch.Tensor) -> Iterator[Held]:
        """The part of the batch that it is; behind that, those that it may be computed from."""
        made = self.origins.of(tensor)
        parts = [(held, each) for held, each in of_batch(self.batch) if each.device == CPU]
        yield from (held for held, each in parts if same_memory(each, tensor))
        yield from (held for held, each in parts if made and self.origins.of(each) == made)


@contextmanager
def emulation(seen: Seen) -> Iterator[Watch]:
    """A GPU that is not there: also the one that the code asks for by name."""
    emulated.install()
    origins = Origins()
    watch = Watch(origins, seen)
    written = WrittenDevices(torch.device(emulated.NAME, 0))
    with cuda_there(), emulated.Emulation(watch.refused), origins, written:
        try:
            yield watch
        finally:
            seen.written.update(written.found)
            seen.made.update(dict.fromkeys(origins.seen()))
