"""Where does a logged NaN come from? The first operation that made it out of finite numbers.

Every tensor that is not finite is followed from the operation that made it, through whatever is
computed from it, to ``self.log``. That costs time at each operation, so it is done in a second run,
for a module that has logged NaN.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakIdKeyDictionary

from pl_lint.findings import Location
from pl_lint.runtime.watching.arguments import is_finite, numbers, tensors
from pl_lint.runtime.watching.callsite import caller, is_library


@dataclass(frozen=True)
class Made:
    """An operation that made NaN or Inf out of finite numbers, in words."""

    operation: str
    location: Location
    in_metric: bool


class FollowNotFinite(TorchFunctionMode):
    """While active, knows of every tensor with NaN or Inf in it which operation made that."""

    def __init__(self) -> None:
        super().__init__()
        self._found: WeakIdKeyDictionary = WeakIdKeyDictionary()

    def of(self, value: Any) -> Made | None:
        return self._found.get(value) if isinstance(value, torch.Tensor) else None

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        given = list(_strided((args, kwargs)))
        # Before the call, which may write into what it was given.
        broken = [tensor for tensor in given if not is_finite(tensor)]
        inherited = next(filter(None, map(self.of, broken)), None)
        computes = bool(given) and not broken and _computes(func, (args, kwargs))
        words = _in_words(func, args, given) if computes else ""
        result = func(*args, **kwargs)
        for tensor in _strided(result):
            if not is_finite(tensor):
                self._note(tensor, inherited, words)
        return result

    def _note(self, tensor: torch.Tensor, inherited: Made | None, words: str) -> None:
        if inherited is not None:
            self._found[tensor] = inherited
        elif words:
            self._found[tensor] = Made(words, caller(), _inside_torchmetrics())


def _computes(func: Any, given: Any) -> bool:
    """What is filled with a given Inf (the mask of an attention), read from an attribute
    (``.grad``) or not filled at all is no result."""
    name = getattr(func, "__name__", "")
    filled = all(map(math.isfinite, numbers(given)))
    return filled and name not in ("__get__", "__set__") and not name.startswith(_UNFILLED)


_UNFILLED = ("empty", "new_empty")


def _in_words(func: Any, args: tuple[Any, ...], given: list[torch.Tensor]) -> str:
    """What an operation did, and to which numbers."""
    name = getattr(func, "__name__", "an operation").strip("_")
    if any(tensor.numel() == 0 for tensor in given):
        return f"{name} of no elements"
    if name in _DIVISIONS and _has_zero(args[0] if name.startswith("r") else args[-1]):
        return "division by 0"
    low = min(float(tensor.min()) for tensor in given)
    if name.startswith("log") and low <= 0:
        return f"{name} of {'0' if low == 0 else f'{low:.3g}'}"
    if name in ("sqrt", "rsqrt", "pow") and low < 0:
        return f"{name} of {low:.3g}"
    high = max(float(tensor.max()) for tensor in given)
    return f"{name} of numbers from {low:.3g} to {high:.3g}"


_DIVISIONS = ("div", "truediv", "true_divide", "rtruediv", "rdiv", "divide", "div_")


def _has_zero(value: Any) -> bool:
    if isinstance(value, torch.Tensor):
        return bool((value == 0).any())
    return isinstance(value, (int, float)) and value == 0


def _inside_torchmetrics() -> bool:
    """Whether a metric's own formula is at work, not what the user computes."""
    frame = sys._getframe(1)
    while frame is not None and is_library(frame.f_code.co_filename):
        path = frame.f_code.co_filename
        if f"{os.sep}torchmetrics{os.sep}" in path and not path.endswith(f"{os.sep}metric.py"):
            return True
        frame = frame.f_back
    return False


def _strided(value: Any) -> Iterator[torch.Tensor]:
    return (tensor for tensor in tensors(value) if tensor.layout is torch.strided)


def broken_parameter(module: torch.nn.Module) -> str:
    """The first parameter that is no longer finite, by name."""
    return next((n for n, p in module.named_parameters() if not is_finite(p.detach())), "")
