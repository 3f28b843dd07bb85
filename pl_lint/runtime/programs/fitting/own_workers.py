"""The workers of the user's own loader, given to the few batches that are left of it."""

from __future__ import annotations

from typing import Any

from torch.utils.data import DataLoader, IterableDataset


def with_workers(own: Any, short: DataLoader, most: int) -> DataLoader:
    """``short``, served by as many workers as ``own`` has, at most so many; they are forked, as the
    run itself is. A stream is served as it is: what it gives depends on the worker that asks."""
    count = min(own.num_workers, most) if isinstance(own, DataLoader) else 0
    if not count:
        return short
    settings: dict[str, Any] = {
        "num_workers": count,
        "collate_fn": own.collate_fn,
        "worker_init_fn": own.worker_init_fn,
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


def is_unordered(loader: Any) -> bool:
    """Whether its batches come in the order in which workers are done (torch 2.6 and later)."""
    return not getattr(loader, "in_order", True)
