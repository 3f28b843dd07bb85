"""Gradients that are clipped while a GradScaler has them scaled."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch.amp.grad_scaler import GradScaler, OptState

from pl_lint.facts.records import ScaledClip
from pl_lint.runtime.watching.callsite import UNKNOWN, caller

CLIPPING = ("clip_grad_norm_", "clip_grad_value_")


class ScaledClips:
    """While watching, notes the calls that see scaled gradients. ``trainer`` is set once there is
    one."""

    def __init__(self) -> None:
        self.trainer: Any = None
        self.found: dict[ScaledClip, None] = {}

    @contextmanager
    def watching(self) -> Iterator[None]:
        watched = {name: self._watched(getattr(torch.nn.utils, name)) for name in CLIPPING}
        with patch.multiple(torch.nn.utils, **watched):
            yield

    def _watched(self, clip: Callable[..., Any]) -> Callable[..., Any]:
        def clipped(parameters: Any, *args: Any, **kwargs: Any) -> Any:
            one = isinstance(parameters, torch.Tensor)
            given = [parameters] if one else list(parameters)
            self._look(given)
            return clip(given, *args, **kwargs)

        return clipped

    def _look(self, parameters: list[torch.Tensor]) -> None:
        scaler = getattr(getattr(self.trainer, "precision_plugin", None), "scaler", None)
        if scaler is None or not self._scaled(scaler, parameters):
            return
        place = caller()
        if place.path != UNKNOWN:
            norm = float(
                torch.stack([p.grad.norm() for p in parameters if p.grad is not None]).norm()
            )
            by_hand = not self.trainer.lightning_module.automatic_optimization
            found = ScaledClip(place, norm, scaler.get_scale(), by_hand)
            self.found[found] = None

    def _scaled(self, scaler: GradScaler, parameters: list[torch.Tensor]) -> bool:
        """Whether the optimizer that holds them has not had them divided again (``unscale_``)."""
        holding = [o for o in self.trainer.optimizers if _holds(o, parameters)]
        states = [scaler._per_optimizer_states[id(optimizer)]["stage"] for optimizer in holding]
        with_gradient = any(p.grad is not None for p in parameters)
        return with_gradient and scaler._scale is not None and OptState.READY in states


def _holds(optimizer: Any, parameters: Iterable[torch.Tensor]) -> bool:
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    return any(id(p) in held for p in parameters)
