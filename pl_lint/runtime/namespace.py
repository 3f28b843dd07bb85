"""One Lightning out of two: ``lightning.pytorch`` and ``pytorch_lightning`` are different classes.

A module must run under the Trainer of its own namespace, or Lightning refuses it.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

NAMES = ("lightning.pytorch", "pytorch_lightning")


@dataclass(frozen=True)
class Namespace:
    """The parts of one Lightning that the runner uses."""

    name: str

    def part(self, path: str) -> Any:
        """``part("callbacks.ModelCheckpoint")`` of this Lightning."""
        module, _, attribute = f"{self.name}.{path}".rpartition(".")
        return getattr(importlib.import_module(module), attribute)

    @property
    def Trainer(self) -> Any:
        return self.part("Trainer")

    @property
    def Callback(self) -> Any:
        return self.part("Callback")

    @property
    def LightningModule(self) -> Any:
        return self.part("LightningModule")

    @property
    def ResultCollection(self) -> Any:
        return self.part("trainer.connectors.logger_connector.result._ResultCollection")

    def overrides(self, hook: str, instance: Any) -> bool:
        """Whether the instance's class defines this Lightning hook itself."""
        return bool(self.part("utilities.model_helpers.is_overridden")(hook, instance))


def namespace_of(module: Any) -> Namespace:
    """The Lightning that a module's class comes from."""
    for base in type(module).__mro__:
        for name in NAMES:
            if base.__module__.startswith(name + "."):
                return Namespace(name)
    raise TypeError(f"{type(module).__name__} is not a LightningModule")
