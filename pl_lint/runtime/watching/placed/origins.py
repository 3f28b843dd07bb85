"""Which line of the user's made a CPU tensor?"""

from __future__ import annotations

from typing import Any

import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from pl_lint.findings import Location
from pl_lint.runtime.watching.callsite import UNKNOWN, caller


class Origins(TorchDispatchMode):
    """While active, notes where CPU tensors come from: the line of the user's that made one out of
    nothing or out of a tensor on another device, or the origin of what it was computed from.

    Storages are remembered, not tensors: views share them, and a parameter that something refers to
    weakly cannot be moved.
    """

    def __init__(self) -> None:
        super().__init__()
        self._places: dict[StorageWeakRef, Location] = {}

    def __torch_dispatch__(
        self, operation: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        result = operation(*args, **(kwargs or {}))
        made = [tensor for tensor in tree_leaves(result) if _has_storage(tensor)]
        if any(_key(tensor) not in self._places for tensor in made):
            place = self._inherited((args, kwargs)) or caller()
            for tensor in made:
                self._places.setdefault(_key(tensor), place)
        return result

    def of(self, tensor: torch.Tensor) -> Location | None:
        """``None`` for one that was there before, or that no line of the user's has made."""
        place = self._places.get(_key(tensor))
        return None if place is None or place.path == UNKNOWN else place

    def seen(self) -> tuple[Location, ...]:
        known = {place for place in self._places.values() if place.path != UNKNOWN}
        return tuple(sorted(known, key=lambda place: (place.path, place.line)))

    def _inherited(self, arguments: Any) -> Location | None:
        given = (tensor for tensor in tree_leaves(arguments) if _has_storage(tensor))
        return next((place for tensor in given if (place := self._places.get(_key(tensor)))), None)


def _has_storage(value: Any) -> bool:
    plain = isinstance(value, torch.Tensor) and value.device.type == "cpu"
    return plain and value.layout is torch.strided


def _key(tensor: torch.Tensor) -> StorageWeakRef:
    return StorageWeakRef(tensor.untyped_storage())
