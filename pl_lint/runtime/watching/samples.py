"""Which samples are served: a fingerprint of each, by its content.

Indices would not do: two ranks that split the data differently serve index 0 of different subsets.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy
import torch
from torch.utils.data import Dataset


def fingerprint(sample: Any) -> str:
    """Equal for equal samples, in whichever process."""
    digest = hashlib.blake2b(digest_size=8)
    for part in _parts(sample):
        digest.update(part)
    return digest.hexdigest()


def _parts(value: Any) -> Iterator[bytes]:
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu().numpy() if value.layout is torch.strided else repr(value)
    if isinstance(value, numpy.ndarray) and value.dtype != object:
        yield f"{value.dtype}{value.shape}".encode()
        yield numpy.ascontiguousarray(value).tobytes()
    elif isinstance(value, dict):
        yield from (part for pair in value.items() for part in _parts(list(pair)))
    elif isinstance(value, (list, tuple)):
        yield from (part for item in value for part in _parts(item))
    elif hasattr(value, "__dict__"):  # a graph, a data class: what it holds, not where it lives
        yield from _parts(vars(value))
    else:
        yield repr(value).encode()


class Seen(Dataset):
    """Serves the samples of another data set and notes which."""

    def __init__(self, samples: Sequence[Any], served: set[str]) -> None:
        self.samples = samples
        self.served = served

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Any:
        sample = self.samples[index]
        self.served.add(fingerprint(sample))
        return sample
