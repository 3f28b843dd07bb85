"""Which samples are served: a fingerprint of each, by its content.

Indices would not do: two ranks that split the data differently serve index 0 of different subsets.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy
import torch
from torch.utils.data import Dataset

from pl_lint.runtime.watching.holding import held, holds

_ADDRESS = re.compile(r" at 0x[0-9a-f]+")
_MOST = 10_000
"""How many objects of one sample are looked into."""


def fingerprint(sample: Any) -> str:
    """Equal for equal samples, in whichever process."""
    digest = hashlib.blake2b(digest_size=8)
    for part in _parts(sample, set()):
        digest.update(part)
    return digest.hexdigest()


def _parts(value: Any, seen: set[int]) -> Iterator[bytes]:
    """Each object once: a tree whose children know their parents is as deep as one likes."""
    if isinstance(value, torch.Tensor):
        value = _array(value)
    if isinstance(value, numpy.ndarray) and value.dtype != object:
        yield f"{value.dtype.str}{value.shape}".encode()
        yield numpy.ascontiguousarray(value).tobytes()
        return
    inner = _inner(value)
    if inner is None:
        yield _text(value).encode()
    elif id(value) not in seen and len(seen) < _MOST:
        seen.add(id(value))
        yield from (part for item in inner for part in _parts(item, seen))


def _array(tensor: torch.Tensor) -> Any:
    """As numpy has it, or as text: sparse tensors, those without data, numbers of half size."""
    try:
        return tensor.numpy(force=True)
    except (TypeError, RuntimeError, NotImplementedError):
        return repr(tensor.detach())


def _inner(value: Any) -> list[Any] | None:
    """What a container or an object holds: a graph, a data class; None for a plain value."""
    if isinstance(value, dict):
        return [part for pair in value.items() for part in pair]
    if isinstance(value, (list, tuple)):
        return list(value)
    if not holds(value):
        return None
    return [part for pair in held(value).items() for part in pair]


def _text(value: Any) -> str:
    """An object as text without the place in memory where it lives."""
    try:
        return _ADDRESS.sub("", repr(value))
    except Exception:  # it refuses to be printed
        return type(value).__name__


class Seen(Dataset):
    """Serves the samples of another data set and notes which, by the place that ``named`` gives
    it."""

    def __init__(
        self, samples: Sequence[Any], served: set[tuple[str, str]], named: Callable[[int], str]
    ) -> None:
        self.samples, self.served, self.named = samples, served, named

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Any:
        sample = self.samples[index]
        self.served.add((self.named(index), fingerprint(sample)))
        return sample
