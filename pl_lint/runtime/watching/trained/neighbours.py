"""Do the samples of a batch see each other? The calls of submodules in two equal evaluations, in
the second of which one sample is another one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import torch
from torchmetrics import Metric

RELATIVE, ABSOLUTE = 1e-4, 1e-6
"""Matrix products of the same rows in another company agree to about 1e-6; a sample that looks at
another differs by far more."""
_MOST_CALLS = 400
_MOST_ELEMENTS = 4_000_000


@dataclass(frozen=True, eq=False)
class Call:
    """One call of a submodule: the tensors of the batch that went in and came out."""

    module: torch.nn.Module
    outermost: bool
    inputs: Sequence[torch.Tensor]
    outputs: Sequence[torch.Tensor]

    def is_chance(self, again: Call) -> bool:
        """Whether the same call ``again`` had another result, so that nothing can be said of it."""
        difference = apart(self.outputs, again.outputs, slice(None))
        return difference is None or difference > 1


@dataclass
class CallDiary:
    """The calls of one evaluation, inner before outer, for batches of ``samples`` samples."""

    samples: int
    running: list[torch.nn.Module] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    elements: int = 0

    @contextmanager
    def watching(self) -> Iterator[None]:
        original = torch.nn.Module.__call__

        def __call__(module: torch.nn.Module, *args: Any, **kwargs: Any) -> Any:
            if isinstance(module, Metric) or len(self.calls) >= _MOST_CALLS:
                return original(module, *args, **kwargs)
            inputs = self._copies([args, kwargs])
            self.running.append(module)
            try:
                result = original(module, *args, **kwargs)
            finally:
                self.running.pop()
            self.calls.append(Call(module, not self.running, inputs, self._copies([result])))
            return result

        with patch.object(torch.nn.Module, "__call__", __call__):
            yield

    def _copies(self, values: Any) -> list[torch.Tensor]:
        if self.elements > _MOST_ELEMENTS:
            return []
        found = [tensor.detach().clone() for tensor in of_batch(values, self.samples)]
        self.elements += sum(tensor.numel() for tensor in found)
        return found


def of_batch(value: Any, samples: int) -> Iterator[torch.Tensor]:
    """The tensors whose first dimension, and no other, counts the samples.

    Where a second one does, too, the first may count something else: steps of a sequence, or the
    rows of a table of all pairs, which is meant to look at them all.
    """
    if isinstance(value, torch.Tensor):
        if value.dim() and value.shape[0] == samples and samples not in value.shape[1:]:
            yield value
    elif isinstance(value, dict):
        yield from of_batch(list(value.values()), samples)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from of_batch(item, samples)


def is_of_torch(module: torch.nn.Module) -> bool:
    return type(module).__module__.startswith("torch.nn.")


def apart(one: Sequence[torch.Tensor], other: Sequence[torch.Tensor], rows: slice) -> float | None:
    """The largest difference in these rows, in tolerances; None where they cannot be compared."""
    if [tensor.shape for tensor in one] != [tensor.shape for tensor in other] or not one:
        return None
    return max(_apart(a[rows], b[rows]) for a, b in zip(one, other, strict=True))


def _apart(one: torch.Tensor, other: torch.Tensor) -> float:
    if not one.numel():
        return 0.0
    if not one.is_floating_point():
        return 0.0 if torch.equal(one, other) else float("inf")
    a, b = one.double().nan_to_num(), other.double().nan_to_num()
    return float(((a - b).abs() / (RELATIVE * a.abs().max() + ABSOLUTE)).max())


def largest(one: Sequence[torch.Tensor], other: Sequence[torch.Tensor]) -> tuple[float, float]:
    """The largest difference as it is, and the largest value."""
    pairs = [(a.double(), b.double()) for a, b in zip(one, other, strict=True) if a.numel()]
    difference = max(float((a - b).abs().max()) for a, b in pairs)
    return difference, max(float(a.abs().max()) for a, _ in pairs)
