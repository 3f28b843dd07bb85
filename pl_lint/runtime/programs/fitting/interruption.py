"""A fit interrupted between two batches: what is saved there, and the data from there on.

Lightning does not keep the place in an epoch for a plain DataLoader (CKP13): a resumed fit reads
the first samples again. That is not the module's doing, so the loaders of a small fit go on where
the interrupted one stopped, and what still differs is state of the user's own. Nor are gradients in
a checkpoint. Under automatic optimization a fit is interrupted where none are left from the batches
before; under manual optimization only the module knows when that is, so they are kept with the
order, and put back before the first batch of a resumed fit.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch.utils.data import DataLoader, Sampler

from pl_lint.runtime.programs.fitting.checkpoints import (
    RandomStates,
    StateDiary,
    iterates_again,
    random_state,
    set_random_state,
)

MIDDLE = "middle"
"""The moment in the diary, and the name of the checkpoint."""


@dataclass
class Interruption:
    """Saves ``middle.ckpt`` inside an epoch, or lets a fit go on from there.

    Saved when the sampler is asked for the next batch: then every hook of the batch before has been
    called. ``on_train_batch_end`` is too early: Lightning calls that of callbacks before that of
    the module.
    """

    directory: Path
    epoch: int
    randomness: RandomStates
    diary: StateDiary
    trainer: Any = None
    remaining: list[int] = field(default_factory=list)
    """The samples of the epoch that are left: to be saved, or as they were restored."""
    saved: bool = False
    loader: DataLoader | None = None
    generator: torch.Tensor | None = None
    """The state of the loader's own generator, restored and not yet given to it."""
    gradients: dict[str, torch.Tensor] = field(default_factory=dict)
    """Of manual optimization, restored and not yet given to the parameters."""

    def over(self, loader: Any, sizes: Sequence[int], window: int) -> Any:
        """The kit's own loader, its order kept over the interruption.

        ``window`` batches make one optimizer step: gradients of half a window are in no checkpoint.
        """
        if not isinstance(loader, DataLoader):
            return loader
        self.loader = loader
        self._restore_generator()
        batches = window * max(1, (len(sizes) - 1) // 2 // window)
        if batches < len(sizes):
            position = sum(sizes[:batches])
            loader.batch_sampler.sampler = _KeptOrder(loader.sampler, position, self)
        return loader

    def state(self) -> dict[str, Any]:
        """Tensors and plain numbers, which ``weights_only`` loading accepts."""
        generator = getattr(self.loader, "generator", None)
        place = {"remaining": self.remaining}
        if generator is not None:
            place["generator"] = generator.get_state()
        return {**random_state(), **place, "gradients": self._left_gradients()}

    def _left_gradients(self) -> dict[str, torch.Tensor]:
        """Those that a module that optimizes by hand has not zeroed: some go on adding to them."""
        module = self.trainer.lightning_module
        if module.automatic_optimization:
            return {}
        named = module.named_parameters()
        return {name: p.grad.detach() for name, p in named if p.grad is not None}

    def restore(self, state: dict[str, Any]) -> None:
        self.remaining, self.saved = list(state["remaining"]), True  # saved by the whole run
        self.generator = state.get("generator")
        self.gradients = state.get("gradients", {})
        self._restore_generator()
        self.randomness.restore(state)

    def _restore_generator(self) -> None:
        """Lightning does not save a loader's own generator: no mistake of the module's."""
        if self.generator is not None and getattr(self.loader, "generator", None) is not None:
            self.loader.generator.set_state(self.generator)

    def begin(self) -> None:
        """An epoch; before the first one of a resumed fit an iterator may have been thrown away,
        which had drawn from the loader's own generator."""
        if self.randomness.begins and iterates_again(self.trainer.fit_loop):
            self._restore_generator()
        self.randomness.begin()

    def restore_gradients(self) -> None:
        """Once everything else of a resumed fit has been restored."""
        for name, parameter in self.trainer.lightning_module.named_parameters():
            if name in self.gradients:
                parameter.grad = self.gradients[name].to(parameter.device)
        self.gradients = {}

    def continued(self) -> list[int]:
        """What is left of the epoch that was interrupted, once; empty where none was."""
        remaining, self.remaining = self.remaining, []
        if remaining:
            self.randomness.restore_again()
            self._restore_generator()
            self.diary.note(MIDDLE, self.trainer)
        return remaining

    def reach(self, remaining: Sequence[int]) -> None:
        """The middle of an epoch: saved once, without drawing on any random generator."""
        trainer = self.trainer
        if self.saved or trainer is None or trainer.current_epoch != self.epoch:
            return
        if not trainer.training:
            return
        state = random_state()
        self.saved, self.remaining = True, list(remaining)
        self.diary.note(MIDDLE, trainer)
        trainer.save_checkpoint(self.directory / f"{MIDDLE}.ckpt")
        self.remaining = []
        set_random_state(state)


class _KeptOrder(Sampler[int]):
    """The order of another sampler, noticed at one position, and gone on with after it."""

    def __init__(self, sampler: Any, position: int, interruption: Interruption) -> None:
        self._sampler = sampler
        self._position = position
        self._interruption = interruption

    def __len__(self) -> int:
        return len(self._sampler)

    def __iter__(self) -> Iterator[int]:
        if not _asked_by_lightning():  # a hook that looks at all the training data
            yield from self._sampler
            return
        order = self._interruption.continued() or list(self._sampler)
        for position, index in enumerate(order):
            if position == self._position:
                self._interruption.reach(order[position:])
            yield index


def _asked_by_lightning() -> bool:
    """Whether the next batch is for the training loop (``loops/fetchers.py``)."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if Path(frame.f_code.co_filename).parts[-2:] == ("loops", "fetchers.py"):
            return True
        frame = frame.f_back
    return False
