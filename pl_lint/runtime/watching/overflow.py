"""Which operation made the first value that is not finite?"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode

from pl_lint.facts.records import Overflow
from pl_lint.runtime.watching.arguments import is_finite, numbers, tensors
from pl_lint.runtime.watching.callsite import caller

HALF = (torch.float16, torch.bfloat16)
Done = Callable[[Any, Sequence[Any], Any], None]
"""Takes an operation, its arguments and its result."""


def _nobody(operation: Any, args: Sequence[Any], result: Any) -> None: ...


class FindOverflow(TorchDispatchMode):
    """While active, notes the first such operation that half precision had a part in. Gradients are
    left out: with a GradScaler they overflow now and then by design, and the step is skipped.

    ``done`` is told of each operation: one more mode would cost as much again as this one.
    """

    def __init__(self, done: Done = _nobody) -> None:
        super().__init__()
        self._done = done
        self.first: Overflow | None = None
        self._widened: set[StorageWeakRef] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        self._done(func, args, result)
        if func is torch.ops.aten._to_copy.default and args[0].dtype in HALF:
            self._widened.add(_storage(result))
        if self.first is None and torch._C._current_graph_task_id() == -1:
            operation, given = func.overloadpacket.__name__, (args, kwargs or {})
            made = [t for t in _floats(result) if not is_finite(t)]
            if made and _computed(operation, given) and self._in_half([*_floats(given), *made]):
                dtype = str(made[0].dtype).removeprefix("torch.")
                self.first = Overflow(operation, dtype, caller())
        return result

    def _in_half(self, tensors: list[torch.Tensor]) -> bool:
        """Also what autocast has just made wider for an operation: a zero that was an epsilon."""
        return any(each.dtype in HALF or _storage(each) in self._widened for each in tensors)


def _storage(tensor: torch.Tensor) -> StorageWeakRef:
    """Not the tensor: something that refers to it weakly would keep a module from being moved."""
    return StorageWeakRef(tensor.untyped_storage())


def _computed(operation: str, given: Any) -> bool:
    """Whether finite numbers went in. What is filled with a given Inf (the mask of an attention) or
    not filled at all is no result."""
    floats = list(_floats(given))
    if operation.startswith(("empty", "new_empty")) or not all(map(math.isfinite, numbers(given))):
        return False
    return bool(floats) and all(map(is_finite, floats))


def _floats(value: Any) -> Iterator[torch.Tensor]:
    return (each for each in tensors(value) if each.is_floating_point() and each.numel())
