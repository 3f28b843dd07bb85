"""Which operation made the first value that is not finite?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from pl_lint.findings import Location
from pl_lint.runtime.watching.callsite import caller


@dataclass(frozen=True)
class FirstOverflow:
    """An operation that made NaN or Inf out of finite inputs, in the forward pass."""

    operation: str
    dtype: str
    location: Location


class FindOverflow(TorchDispatchMode):
    """While active, notes the first such operation. Gradients are left out: with a GradScaler they
    overflow now and then by design, and the step is skipped."""

    def __init__(self) -> None:
        super().__init__()
        self.first: FirstOverflow | None = None

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if self.first is None and torch._C._current_graph_task_id() == -1:
            made = [t for t in _floats(result) if not bool(torch.isfinite(t).all())]
            if made and all(bool(torch.isfinite(t).all()) for t in _floats(args)):
                name = func.overloadpacket.__name__
                self.first = FirstOverflow(name, str(made[0].dtype).split(".")[-1], caller())
        return result


def _floats(value: Any) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        if value.is_floating_point() and value.numel():
            yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _floats(item)
