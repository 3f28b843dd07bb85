"""The Lightning callback that tells the recorder when things happen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from pl_lint.facts.events import OptimizerStep
from pl_lint.runtime.namespace import Namespace
from pl_lint.runtime.watching.logged.recorder import Recorder

# Layers whose output in training mode depends on the batch or on chance.
_MODE_DEPENDENT = (torch.nn.modules.batchnorm._BatchNorm, torch.nn.modules.dropout._DropoutNd)

Digest = Callable[[torch.nn.Module], dict[str, str]]


def watcher(
    namespace: Namespace, recorder: Recorder, digests: Digest, steps: list[OptimizerStep]
) -> Any:
    """A callback for one Trainer. It only looks: a callback that computed a metric early would
    change what the user's own hooks see."""

    class Watcher(namespace.Callback):  # type: ignore[misc, name-defined]
        def on_train_start(self, trainer: Any, pl_module: Any) -> None:
            recorder.name_metrics(pl_module)

        def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
            epoch = trainer.current_epoch
            if recorder.moment.stage == "train" and recorder.moment.epoch < epoch:
                recorder.close_epoch("train", epoch - 1, trainer.callback_metrics, sanity=False)

        def on_train_batch_start(
            self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int
        ) -> None:
            recorder.enter_batch("train", trainer.current_epoch, batch_idx, 0, sanity=False)

        def on_train_batch_end(self, trainer: Any, pl_module: Any, *args: Any) -> None:
            if not steps or steps[-1].step < trainer.global_step:
                rates = [group["lr"] for opt in trainer.optimizers for group in opt.param_groups]
                found = digests(pl_module)
                steps.append(OptimizerStep(trainer.global_step, found, tuple(map(float, rates))))

        def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
            recorder.leave_training(trainer.current_epoch)

        def on_train_end(self, trainer: Any, pl_module: Any) -> None:
            if recorder.moment.stage == "train":
                epoch = recorder.moment.epoch
                recorder.close_epoch("train", epoch, trainer.callback_metrics, sanity=False)

        def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
            recorder.name_metrics(pl_module)

        on_test_start = on_validation_start

        def on_validation_batch_start(
            self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
        ) -> None:
            sanity, epoch = trainer.sanity_checking, trainer.current_epoch
            self._note_sums(pl_module)
            recorder.enter_batch("validate", epoch, batch_idx, dataloader_idx, sanity)

        def on_validation_batch_end(self, trainer: Any, pl_module: Any, *args: Any) -> None:
            recorder.training_submodules.update(_left_in_training(pl_module))

        def _note_sums(self, pl_module: Any) -> None:
            """Once a batch is over, with all hooks of the module's own."""
            if recorder.moment.stage in ("validate", "test") and recorder.moment.batch >= 0:
                recorder.accumulators.note(pl_module)

        def on_validation_epoch_end(self, trainer: Any, pl_module: Any) -> None:
            self._note_sums(pl_module)
            recorder.leave_batches()

        def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
            values, sanity = trainer.callback_metrics, trainer.sanity_checking
            recorder.close_epoch("validate", trainer.current_epoch, values, sanity)

        def on_test_batch_start(
            self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
        ) -> None:
            self._note_sums(pl_module)
            recorder.enter_batch("test", trainer.current_epoch, batch_idx, dataloader_idx, False)

        on_test_batch_end = on_validation_batch_end
        on_test_epoch_end = on_validation_epoch_end

        def on_test_end(self, trainer: Any, pl_module: Any) -> None:
            recorder.close_epoch("test", trainer.current_epoch, trainer.callback_metrics, False)

    return Watcher()


def _left_in_training(module: torch.nn.Module) -> list[str]:
    """Submodules that should be in evaluation mode while validating, and are not."""
    return [
        name
        for name, child in module.named_modules()
        if child.training and isinstance(child, _MODE_DEPENDENT)
    ]
