"""Which parameters a gradient ever reaches: DistributedDataParallel waits for the others."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch.nn.parameter import UninitializedParameter


@dataclass
class GradientWatch:
    """The trainable parameters that have had no gradient yet, and how many backward passes there
    were."""

    waiting: set[str] = field(default_factory=set)
    backwards: int = 0
    _handles: list[Any] = field(default_factory=list)

    def attach(self, module: torch.nn.Module) -> None:
        """Watch what is trainable now. A hook sees gradients that ``zero_grad`` takes away again,
        and those of a ``backward`` that the user called."""
        for name, parameter in module.named_parameters():
            if parameter.requires_grad and not isinstance(parameter, UninitializedParameter):
                self.waiting.add(name)
                self._handles.append(parameter.register_hook(self._seen(name)))

    def detach(self) -> None:
        while self._handles:
            self._handles.pop().remove()

    def _seen(self, name: str) -> Any:
        def hook(gradient: torch.Tensor) -> None:
            self.waiting.discard(name)

        return hook
