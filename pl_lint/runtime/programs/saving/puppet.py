"""The puppet that logs planted scores in the place of the user's module."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.utils.data import DataLoader

from pl_lint.facts.watchers import PlantedKey
from pl_lint.runtime.namespace import Namespace

LEVELS = (0.5, 0.9, 0.1, 0.4)
"""One for each epoch: the highest, the lowest and the last are three."""
SLOPE = 0.01
BATCHES = 4


def score(moment: int) -> float:
    """What the weights of this step are worth."""
    epoch, batch = divmod(max(moment, 1) - 1, BATCHES)
    return LEVELS[epoch % len(LEVELS)] + SLOPE * batch


def puppet(namespace: Namespace, keys: Sequence[PlantedKey], validated: bool) -> Any:
    """A module that logs these keys; its only weight is the number of steps that it was trained."""

    class Puppet(_Hooks, namespace.LightningModule):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.keys, self.validated = keys, validated
            self.weight = torch.nn.Parameter(torch.zeros(1))
            self.register_buffer("moment", torch.tensor(0))

    return Puppet()


class _Hooks:
    """What the puppet does in any Lightning.

    A key of one of several loaders is logged without its number, for that loader: Lightning adds
    the number, and refuses a key that has it (``LightningModule.log``, 2.6.6).
    """

    keys: Sequence[PlantedKey]
    validated: bool
    weight: torch.nn.Parameter
    moment: torch.Tensor
    trainer: Any
    log: Any
    parameters: Any

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        self.moment.fill_(self.trainer.global_step + 1)
        self._log("train")
        return 0.0 * self.weight.sum()

    def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        self._log("validate", dataloader_idx)

    def test_step(self, batch: Any, batch_idx: int) -> None:
        """Which weights are tested is all that is asked."""

    def _log(self, stage: str, dataloader: int = 0) -> None:
        value = score(int(self.moment))
        for key in self.keys:
            if (key.stage, key.dataloader or 0) == (stage, dataloader):
                self.log(
                    key.name,
                    value,
                    on_step=key.on_step,
                    on_epoch=key.on_epoch,
                    batch_size=1,
                    add_dataloader_idx=key.dataloader is not None,
                )

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=0.1)

    def train_dataloader(self) -> Any:
        return DataLoader(torch.zeros(BATCHES, 1))

    def test_dataloader(self) -> Any:
        return DataLoader(torch.zeros(1, 1))

    def val_dataloader(self) -> Any:
        one = DataLoader(torch.zeros(1 if self.validated else 0, 1))
        loaders = 1 + max((key.dataloader or 0 for key in self.keys), default=0)
        numbered = any(key.dataloader is not None for key in self.keys)
        return [one] * max(loaders, 2) if numbered else one
