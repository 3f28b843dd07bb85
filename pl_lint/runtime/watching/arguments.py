"""What stands in the arguments and results of an operation, however it is nested."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch


def leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        value = list(value.values())
    if not isinstance(value, (list, tuple)):
        yield value
        return
    for item in value:
        yield from leaves(item)


def numbers(value: Any) -> Iterator[float]:
    return (item for item in leaves(value) if isinstance(item, float))


def tensors(value: Any) -> Iterator[torch.Tensor]:
    return (item for item in leaves(value) if isinstance(item, torch.Tensor))


def is_finite(tensor: torch.Tensor) -> bool:
    """Whole numbers always are."""
    return not tensor.is_floating_point() or bool(torch.isfinite(tensor).all())
