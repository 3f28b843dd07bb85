"""Which of a module's own numbers are sums in half precision, batch after batch?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torchmetrics import Metric

from pl_lint.findings import Location
from pl_lint.runtime.watching.callsite import caller

HALF = (torch.float16, torch.bfloat16)
aten = torch.ops.aten
ADDING = (aten.add.Tensor, aten.add_.Tensor)
COMPARING = (aten.sub, aten.rsub, aten.mul, aten.neg, aten.div, aten.lerp)
"""What makes the other operand of a running mean: ``mean + 0.1 * (new - mean)`` is no sum."""
BATCHES = 2
"""How often a number has to be added to what the batch before has left. Once may be chance."""
LARGEST = 1
"""Dimensions of a sum. What has more of them is a state that a network hands on to itself."""


class HalfSums:
    """Notes what is added to numbers that the module kept from the batch before. :meth:`done` is
    called after each operation, by a mode that is there anyway, and :meth:`look` after each
    batch."""

    def __init__(self) -> None:
        self._kept: dict[StorageWeakRef, str] = {}
        self._compared: set[StorageWeakRef] = set()
        self._sums: dict[StorageWeakRef, str] = {}
        self._times: dict[str, int] = {}
        self._lines: dict[str, Location] = {}
        self.found: dict[str, Location] = {}
        """The line that adds, by the name of the sum."""

    def done(self, operation: Any, args: Sequence[Any], result: Any) -> None:
        if not self._kept or not isinstance(result, torch.Tensor) or result.dtype not in HALF:
            return
        if operation in ADDING:
            self._added(args, result)
        elif operation.overloadpacket in COMPARING and self._known(args):
            self._compared.add(_storage(result))

    def look(self, module: torch.nn.Module) -> None:
        held = dict(_half_numbers(module))
        for name, tensor in held.items():
            summed = self._sums.get(_storage(tensor)) == name
            self._times[name] = self._times.get(name, 0) + 1 if summed else 0
            if self._times[name] == BATCHES:
                self.found[name] = self._lines[name]
        self._kept = {_storage(tensor): name for name, tensor in held.items()}
        self._compared, self._sums = set(), {}

    def _known(self, args: Sequence[Any]) -> list[str]:
        """For each operand that comes from what was kept, its name, or nothing for a difference."""
        found = []
        for each in (_storage(each) for each in args if isinstance(each, torch.Tensor)):
            name = self._kept.get(each) or self._sums.get(each)
            if name or each in self._compared:
                found.append(name or "")
        return found

    def _added(self, args: Sequence[Any], result: torch.Tensor) -> None:
        match self._known(args):
            case [str(name)] if name:
                self._sums[_storage(result)] = name
                self._lines[name] = caller()
            case [_, *_]:
                self._compared.add(_storage(result))


def _half_numbers(module: torch.nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """Under its name; metrics are looked at elsewhere."""
    for prefix, part in module.named_modules():
        if not isinstance(part, Metric):
            for name, value in [*vars(part).items(), *part._buffers.items()]:
                yield from _in(f"{prefix}.{name}".lstrip("."), value)


def _in(name: str, value: Any) -> Iterator[tuple[str, torch.Tensor]]:
    if isinstance(value, torch.Tensor) and value.dtype in HALF and value.dim() <= LARGEST:
        yield name, value
    elif isinstance(value, Mapping):
        for key, each in list(value.items()):
            if isinstance(each, torch.Tensor):
                yield from _in(f"{name}[{key!r}]", each)


def _storage(tensor: torch.Tensor) -> StorageWeakRef:
    return StorageWeakRef(tensor.untyped_storage())
