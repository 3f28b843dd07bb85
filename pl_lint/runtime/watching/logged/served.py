"""What a stage is really given: a fingerprint of the samples of each of its epochs.

A data set that draws from a generator of its own (``default_rng(0)`` in ``__init__``) serves other
data each time it is asked, whatever seed is set before. No two evaluations of it can be compared.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from torch.utils.data import DataLoader, Dataset, IterableDataset

from pl_lint.runtime.data import as_list, like
from pl_lint.runtime.watching.ranked.samples import fingerprint


class Served:
    """Notes which data each place of each loader held, in whichever order they were asked for."""

    def __init__(self) -> None:
        self._found: set[tuple[int, int, str]] = set()

    def noting(self, loaders: Any) -> Any:
        """The kit's own loaders, which load in this process, with every sample noted."""
        return like(loaders, [self._noted(*each) for each in enumerate(as_list(loaders))])

    def _noted(self, number: int, loader: Any) -> Any:
        if not isinstance(loader, DataLoader) or isinstance(loader.dataset, IterableDataset):
            return loader
        if loader.batch_size is None or loader.num_workers:
            return loader
        return DataLoader(
            _Noting(loader.dataset, number, self),
            batch_size=loader.batch_size,
            sampler=loader.sampler,
            drop_last=loader.drop_last,
            collate_fn=loader.collate_fn,
            generator=loader.generator,
        )

    def note(self, loader: int, index: int, sample: Any) -> None:
        self._found.add((loader, index, fingerprint(sample)))

    def taken(self) -> str:
        """One word for all that was served since it was last asked for."""
        found, self._found = self._found, set()
        return in_one_word(found)


def in_one_word(served: Collection[Any]) -> str:
    """A fingerprint of fingerprints, in whatever order; empty where there are none."""
    text = repr(sorted(served))
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest() if served else ""


class _Noting(Dataset):
    """The samples of another data set."""

    def __init__(self, samples: Any, loader: int, served: Served) -> None:
        self.samples, self.loader, self.served = samples, loader, served

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Any:
        sample = self.samples[index]
        self.served.note(self.loader, index, sample)
        return sample

    def __getitems__(self, indices: Sequence[int]) -> list[Any]:
        """All samples of a batch at once, as the loader asks for them where the data set can."""
        return list(self._all_of(indices))

    def _all_of(self, indices: Sequence[int]) -> Iterator[Any]:
        if not hasattr(self.samples, "__getitems__"):
            yield from map(self.__getitem__, indices)
            return
        for index, sample in zip(indices, self.samples.__getitems__(indices), strict=True):
            self.served.note(self.loader, index, sample)
            yield sample
