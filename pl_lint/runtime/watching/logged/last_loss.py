"""Attributes that hold the loss of the last training batch, and nothing of the batches before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from pl_lint.facts.events import Accumulator
from pl_lint.runtime.namespace import Namespace
from pl_lint.runtime.watching.holding import held, names_of_own

_EPOCH_END = "on_train_epoch_end"


@dataclass
class LastLosses:
    """Of one epoch: the losses that the steps returned, and the attributes that had each of them,
    exactly, once its batch was over. A running mean has the first one only."""

    losses: list[float] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    waiting: float | None = None
    """The loss of a batch whose own hooks are still to come."""

    def begin(self) -> None:
        self.losses, self.names, self.waiting = [], set(), None

    def leave_batch(self, outputs: Any) -> None:
        loss = outputs.get("loss") if isinstance(outputs, Mapping) else outputs
        self.waiting = _number(loss)
        if self.waiting is None:
            self.names.clear()

    def look(self, module: torch.nn.Module) -> None:
        if self.waiting is None:
            return
        now = {name for name, value in _values(module) if _number(value) == self.waiting}
        self.names = self.names & now if self.losses else now
        self.losses.append(self.waiting)
        self.waiting = None

    def found(self) -> tuple[Accumulator, ...]:
        if len(set(self.losses)) < 2:
            return ()
        return tuple(Accumulator(name, "", tuple(self.losses)) for name in sorted(self.names))


def loss_watchers(namespace: Namespace, module: Any, diary: LastLosses) -> list[Any]:
    """The callback that tells the diary when things happen; none for a module that does nothing at
    the end of an epoch. What a batch left is looked at when all hooks of the batch are over."""

    class LossWatcher(namespace.Callback):  # type: ignore[misc, name-defined]
        def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
            diary.begin()

        def on_train_batch_start(self, trainer: Any, pl_module: Any, *args: Any) -> None:
            diary.look(pl_module)

        def on_train_batch_end(
            self, trainer: Any, pl_module: Any, outputs: Any, *args: Any
        ) -> None:
            diary.leave_batch(outputs)

        def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
            diary.look(pl_module)

    return [LossWatcher()] if namespace.overrides(_EPOCH_END, module) else []


def _values(module: torch.nn.Module) -> Iterator[tuple[str, Any]]:
    """The module's own attributes and buffers, and what is in dictionaries of its own."""
    own = names_of_own(type(module))
    for name, value in held(module).items():
        if name.startswith("_") and name not in own:
            continue
        if isinstance(value, dict):
            yield from ((f"{name}.{key}", item) for key, item in value.items())
        else:
            yield name, value
    yield from module._buffers.items()


def _number(value: Any) -> float | None:
    if isinstance(value, torch.Tensor):
        return float(value) if value.numel() == 1 else None
    return float(value) if type(value) in (int, float) else None
