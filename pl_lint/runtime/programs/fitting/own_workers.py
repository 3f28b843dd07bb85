"""The workers of the user's own loader, given to the few batches that are left of it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from torch.utils.data import DataLoader, IterableDataset, get_worker_info


def with_workers(own: Any, short: DataLoader, most: int) -> DataLoader:
    """``short``, served by as many workers as ``own`` has, at most so many; they are forked, as the
    run itself is. A stream is served as it is: what it gives depends on the worker that asks."""
    count = min(own.num_workers, most) if isinstance(own, DataLoader) else 0
    if not count:
        return short
    settings: dict[str, Any] = {
        "num_workers": count,
        "collate_fn": own.collate_fn,
        "worker_init_fn": functools.partial(_begin, own.worker_init_fn, own.dataset),
        "generator": own.generator,
        "persistent_workers": own.persistent_workers,
        "prefetch_factor": own.prefetch_factor,
        "timeout": own.timeout,
        "multiprocessing_context": "fork",
    }
    if is_unordered(own):
        settings["in_order"] = False
    if isinstance(own.dataset, IterableDataset):
        return DataLoader(own.dataset, own.batch_size, drop_last=own.drop_last, **settings)
    cut = {"batch_size": short.batch_size, "drop_last": short.drop_last}
    return DataLoader(short.dataset, sampler=short.sampler, **cut, **settings)


def _begin(own: Callable[[int], Any] | None, data: Any, worker: int) -> None:
    """In a worker, which was given a part of the data set: the user's code asks it for the whole,
    for a generator that is there to be seeded."""
    object.__setattr__(get_worker_info(), "dataset", data)  # it lets nobody else change it
    if own is not None:
        own(worker)


def is_unordered(loader: Any) -> bool:
    """Whether its batches come in the order in which workers are done (torch 2.6 and later)."""
    return not getattr(loader, "in_order", True)
