"""Gradients that are clipped while a GradScaler has them scaled."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from types import ModuleType
from typing import Any
from unittest.mock import patch

import torch
from torch.amp.grad_scaler import GradScaler, OptState

from pl_lint.facts.records import ScaledClip
from pl_lint.runtime.watching.callsite import UNKNOWN, caller, is_library

CLIPPING = ("clip_grad_norm_", "clip_grad_value_")


class ScaledClips:
    """While watching, notes the calls that see scaled gradients. ``trainer`` is set once there is
    one."""

    def __init__(self) -> None:
        self.trainer: Any = None
        self.found: dict[ScaledClip, None] = {}

    @contextmanager
    def watching(self) -> Iterator[None]:
        with ExitStack() as stack:
            functions = [getattr(torch.nn.utils, name) for name in CLIPPING]
            for module, name, clip in list(_names(functions)):
                stack.enter_context(patch.object(module, name, self._watched(clip)))
            clamped = self._clamping(torch.Tensor.clamp_)
            stack.enter_context(patch.object(torch.Tensor, "clamp_", clamped))
            yield

    def _clamping(self, clamp: Callable[..., Any]) -> Callable[..., Any]:
        """``p.grad.clamp_(...)`` and ``p.grad.data.clamp_(...)`` clip as well."""

        def clamped(tensor: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
            if self.trainer is not None:
                self._look([p for p in _trained(self.trainer) if _is_gradient_of(p, tensor)])
            return clamp(tensor, *args, **kwargs)

        return clamped

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


def _names(functions: Sequence[Any]) -> Iterator[tuple[ModuleType, str, Any]]:
    """Where they are found: in torch, and in each module of the user's that imports one by name."""
    yield from ((torch.nn.utils, each.__name__, each) for each in functions)
    for module in list(sys.modules.values()):
        path = getattr(module, "__file__", None)
        if path and not is_library(path):
            named = list(vars(module).items())
            yield from ((module, name, each) for name, each in named if _one_of(each, functions))


def _one_of(value: Any, functions: Sequence[Any]) -> bool:
    """By identity: what compares equal is the user's own affair."""
    return any(value is each for each in functions)


def _trained(trainer: Any) -> Iterator[torch.nn.Parameter]:
    for optimizer in trainer.optimizers:
        yield from (p for group in optimizer.param_groups for p in group["params"])


def _is_gradient_of(parameter: torch.nn.Parameter, tensor: torch.Tensor) -> bool:
    grad = parameter.grad
    return grad is not None and grad.shape == tensor.shape and grad.data_ptr() == tensor.data_ptr()


def _holds(optimizer: Any, parameters: Iterable[torch.Tensor]) -> bool:
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    return any(id(p) in held for p in parameters)
