"""Which operation made the first value that is not finite?"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from pl_lint.facts.records import Overflow
from pl_lint.runtime.watching.callsite import caller

HALF = (torch.float16, torch.bfloat16)


class FindOverflow(TorchDispatchMode):
    """While active, notes the first such operation that half precision had a part in. Gradients are
    left out: with a GradScaler they overflow now and then by design, and the step is skipped."""

    def __init__(self) -> None:
        super().__init__()
        self.first: Overflow | None = None

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if self.first is None and torch._C._current_graph_task_id() == -1:
            operation, given = func.overloadpacket.__name__, (args, kwargs or {})
            made = [t for t in _floats(result) if not _finite(t)]
            if made and _computed(operation, given) and _in_half([*_floats(given), *made]):
                dtype = str(made[0].dtype).removeprefix("torch.")
                self.first = Overflow(operation, dtype, caller())
        return result


def _computed(operation: str, given: Any) -> bool:
    """Whether finite numbers went in. What is filled with a given Inf (the mask of an attention) or
    not filled at all is no result."""
    tensors = list(_floats(given))
    if operation.startswith(("empty", "new_empty")) or not all(map(math.isfinite, _numbers(given))):
        return False
    return bool(tensors) and all(map(_finite, tensors))


def _in_half(tensors: list[torch.Tensor]) -> bool:
    return any(tensor.dtype in HALF for tensor in tensors)


def _finite(tensor: torch.Tensor) -> bool:
    return bool(torch.isfinite(tensor).all())


def _floats(value: Any) -> Iterator[torch.Tensor]:
    for item in _leaves(value):
        if isinstance(item, torch.Tensor) and item.is_floating_point() and item.numel():
            yield item


def _numbers(value: Any) -> Iterator[float]:
    return (item for item in _leaves(value) if isinstance(item, float))


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        value = list(value.values())
    if not isinstance(value, (list, tuple)):
        yield value
        return
    for item in value:
        yield from _leaves(item)
