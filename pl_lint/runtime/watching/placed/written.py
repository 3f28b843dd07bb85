"""Devices that the user's code names: ``.cuda()``, ``.to("cuda:0")``, ``device="cuda"``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch.overrides import TorchFunctionMode

from pl_lint.facts.devices import WrittenDevice
from pl_lint.runtime.watching.callsite import UNKNOWN, caller

MOVES = (torch.Tensor.cuda, torch.Tensor.to)


class WrittenDevices(TorchFunctionMode):
    """While active, notes each use of a CUDA device by name, and puts ``instead`` in its place."""

    def __init__(self, instead: torch.device) -> None:
        super().__init__()
        self.found: dict[WrittenDevice, None] = {}
        self._instead = instead

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        if function is torch.Tensor.cuda:
            self._note(_called(args[1:], kwargs))
            return args[0].to(self._instead)
        if "device" in kwargs:
            kwargs["device"] = self._placed(kwargs["device"])
        if function is torch.Tensor.to:
            args = (args[0], *map(self._placed, args[1:]))
        return function(*args, **kwargs)

    def _placed(self, device: Any) -> Any:
        if not _is_cuda(device):
            return device
        self._note(str(device))
        return self._instead

    def _note(self, text: str) -> None:
        place = caller()
        if place.path != UNKNOWN:
            self.found[WrittenDevice(text, place)] = None


def _is_cuda(value: Any) -> bool:
    if isinstance(value, str):
        return value.startswith("cuda")
    return isinstance(value, torch.device) and value.type == "cuda"


def _called(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
    device = next(iter((*args, *(kwargs[name] for name in ("device",) if name in kwargs))), "")
    return f".cuda({device})"


@contextmanager
def cuda_there() -> Iterator[None]:
    """Code that asks whether there is a GPU is told so, and what it names is found."""
    answers = {"is_available": True, "device_count": 1, "current_device": 0}
    with patch.multiple(torch.cuda, **{name: _answer(value) for name, value in answers.items()}):
        yield


def _answer(value: Any) -> Callable[[], Any]:
    return lambda: value
