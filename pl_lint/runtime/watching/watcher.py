"""The Lightning callback that tells the recorder when things happen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from pl_lint.facts.events import OptimizerStep
from pl_lint.runtime.namespace import Namespace
from pl_lint.runtime.watching.logged.recorder import Recorder

# Layers whose output in training mode depends on the batch or on chance.
_MODE_DEPENDENT = (torch.nn.modules.batchnorm._BatchNorm, torch.nn.modules.dropout._DropoutNd)

Digest = Callable[[torch.nn.Module], dict[str, str]]


@dataclass
class _Watching:
    """What the hooks below write to; they only look: a callback that computed a metric early would
    change what the user's own hooks see."""

    recorder: Recorder
    digests: Digest
    steps: list[OptimizerStep]


class _Training(_Watching):
    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        self.recorder.name_metrics(pl_module)

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        epoch, moment = trainer.current_epoch, self.recorder.moment
        if moment.stage == "train" and moment.epoch < epoch:
            self.recorder.close_epoch("train", epoch - 1, trainer.callback_metrics, sanity=False)

    def on_train_batch_start(
        self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int
    ) -> None:
        self.recorder.enter_batch("train", trainer.current_epoch, batch_idx, 0, sanity=False)

    def on_train_batch_end(self, trainer: Any, pl_module: Any, *args: Any) -> None:
        if not self.steps or self.steps[-1].step < trainer.global_step:
            rates = [group["lr"] for opt in trainer.optimizers for group in opt.param_groups]
            found = self.digests(pl_module)
            self.steps.append(OptimizerStep(trainer.global_step, found, tuple(map(float, rates))))

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        self.recorder.leave_training(trainer.current_epoch)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        moment = self.recorder.moment
        if moment.stage == "train":
            values = trainer.callback_metrics
            self.recorder.close_epoch("train", moment.epoch, values, sanity=False)


class _Evaluation(_Watching):
    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
        self.recorder.name_metrics(pl_module)

    on_test_start = on_validation_start

    def on_validation_batch_start(
        self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        sanity, epoch = trainer.sanity_checking, trainer.current_epoch
        self._note_sums(pl_module)
        self.recorder.enter_batch("validate", epoch, batch_idx, dataloader_idx, sanity)

    def on_test_batch_start(
        self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        self._note_sums(pl_module)
        self.recorder.enter_batch("test", trainer.current_epoch, batch_idx, dataloader_idx, False)

    def on_validation_batch_end(self, trainer: Any, pl_module: Any, *args: Any) -> None:
        self.recorder.training_submodules.update(_left_in_training(pl_module))
        if not trainer.sanity_checking and not self.recorder.validated:
            self.recorder.validated.update(self.digests(pl_module))

    def on_test_batch_end(self, trainer: Any, pl_module: Any, *args: Any) -> None:
        self.recorder.training_submodules.update(_left_in_training(pl_module))

    def _note_sums(self, pl_module: Any) -> None:
        """Once a batch is over, with all hooks of the module's own."""
        moment = self.recorder.moment
        if moment.stage in ("validate", "test") and moment.batch >= 0:
            self.recorder.accumulators.note(pl_module)

    def on_validation_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        self._note_sums(pl_module)
        self.recorder.leave_batches()

    on_test_epoch_end = on_validation_epoch_end

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        values, sanity = trainer.callback_metrics, trainer.sanity_checking
        self.recorder.close_epoch("validate", trainer.current_epoch, values, sanity)

    def on_test_end(self, trainer: Any, pl_module: Any) -> None:
        values = trainer.callback_metrics
        self.recorder.close_epoch("test", trainer.current_epoch, values, False)


def watcher(
    namespace: Namespace, recorder: Recorder, digests: Digest, steps: list[OptimizerStep]
) -> Any:
    """A callback for one Trainer, of the Trainer's own Lightning."""

    class Watcher(_Training, _Evaluation, namespace.Callback):  # type: ignore[misc, name-defined]
        pass

    return Watcher(recorder, digests, steps)


def _left_in_training(module: torch.nn.Module) -> list[str]:
    """Submodules that should be in evaluation mode while validating, and are not."""
    return [
        name
        for name, child in module.named_modules()
        if child.training and isinstance(child, _MODE_DEPENDENT)
    ]
