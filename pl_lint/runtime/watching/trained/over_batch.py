"""Operations over dimension 0 of a batch: where each sample becomes a matter of all others."""

from __future__ import annotations

from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from pl_lint.facts.training import OverBatch
from pl_lint.runtime.watching.callsite import caller

# What gives each sample its share of the whole batch. A plain sum is left out: prototypes of a
# class, optimal transport and the load of experts are made with it.
_SHARING = ("softmax", "log_softmax", "softmin", "normalize", "mean", "std", "var", "amax", "amin")
_POSITION = {"normalize": 2}
"""Where ``dim`` stands among the arguments, if it is not the second."""
_MOST = 50
_NOBODY = 0
"""Stands for the code of a step, outside any call of a submodule."""


class FollowDimensions(TorchFunctionMode):
    """While active, notes the sharing operations over each dimension of tensors with as many rows
    as the batch, by the module in whose own code they stand."""

    def __init__(self, samples: int) -> None:
        super().__init__()
        self.running: list[Any] = []
        """The calls of submodules that are under way, filled by who sees them."""
        self._samples = samples
        self._seen: dict[int, list[tuple[int, OverBatch]]] = {}

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if name in _SHARING and args:
            self._note(name, args, kwargs)
        return func(*args, **kwargs)

    def _note(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        tensor, position = args[0], _POSITION.get(name, 1)
        dim = kwargs.get("dim", args[position] if len(args) > position else None)
        dim = dim[0] if isinstance(dim, (list, tuple)) and len(dim) == 1 else dim
        if not isinstance(tensor, torch.Tensor) or not isinstance(dim, int) or not tensor.dim():
            return
        inside = id(self.running[-1]) if self.running else _NOBODY
        rows, seen = tensor.shape[0], self._seen.setdefault(inside, [])
        if rows == self._samples and len(seen) < _MOST:
            seen.append((dim % tensor.dim(), OverBatch(f"{name}(dim=0)", caller())))

    def by(self, module: Any) -> OverBatch | None:
        """Of one module's own code, where it is over the batch and over nothing else: alternating
        between dimensions (Sinkhorn) is a method, not a slip."""
        seen = self._seen.get(id(module)) or self._seen.get(_NOBODY, [])
        for dim, found in seen:
            others = [other for at, other in seen if at and other.operation == found.operation]
            if dim == 0 and not others:
                return found
        return None
