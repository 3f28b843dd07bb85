"""What a training data set draws: in one process, in each loader worker, in each epoch.

A generator that is stored on a data set is copied into each worker, anew in each epoch: 24 draws
of two epochs with three workers were 4 different ones (measured; Lightning issue 20412). To see
that, one sample is asked for again and again, so that only the draws can differ.
"""

from __future__ import annotations

import functools
import inspect
import itertools
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch.utils.data import DataLoader, IterableDataset

from pl_lint.facts.repetition import HeldGenerator, WorkerDraws
from pl_lint.findings import Location
from pl_lint.runtime.data import NotRebuilt, shortened
from pl_lint.runtime.programs.common import seed_all
from pl_lint.runtime.watching.beginnings import fingerprint
from pl_lint.runtime.watching.leftovers import generator_state

WORKERS = 2
DRAWS = 32
"""In each epoch, by all workers together: enough to tell two sequences of coin throws apart."""
LOOKS = 8
"""How often a sample is fetched before it counts as always the same."""
BATCHES = 4
SLOW = 0.05
"""Seconds for one sample: what takes longer is not asked for dozens of times."""
DEPTH = 4


def draws_of(loader: Any, seed: int) -> WorkerDraws:
    """What ``loader``, one of the user's own training loaders, draws."""
    if not isinstance(loader, DataLoader):
        return WorkerDraws(type(loader).__name__, skipped="it is not a torch DataLoader")
    name = type(_innermost(loader.dataset)).__name__
    try:
        return _drawn(loader, name, seed)
    except Exception as error:  # the user's data, asked in a way that they do not know
        return WorkerDraws(name, skipped=f"{type(error).__name__}: {error}")


def _drawn(loader: DataLoader, name: str, seed: int) -> WorkerDraws:
    seed_all(seed)
    fetch = _fetcher(loader)
    started = time.perf_counter()
    looks = [fetch() for _ in range(2)]
    if time.perf_counter() - started > 2 * SLOW:
        return WorkerDraws(name, skipped="a sample takes too long to draw it dozens of times")
    looks += [fetch() for _ in range(LOOKS - len(looks))]
    own = loader.num_workers
    chance = len(set(looks)) > 1
    return WorkerDraws(
        dataset=name,
        own_workers=own,
        workers=min(own, WORKERS) or WORKERS,
        here=tuple(looks) + tuple(fetch() for _ in range(DRAWS - LOOKS)) if chance else (),
        epochs=_epochs(loader) if chance else (),
        passes=_passes(loader, seed) if own else (),
        generators=tuple(held_generators(loader.dataset)),
        worker_init=_line_of_function(loader.worker_init_fn),
        location=_line_of_class(type(_innermost(loader.dataset))),
    )


def _fetcher(loader: DataLoader) -> Callable[[], str]:
    """Draws one and the same sample; of a stream, what it begins with."""
    data = loader.dataset
    if isinstance(data, IterableDataset):
        return lambda: fingerprint(list(itertools.islice(iter(data), 4)))
    index = _first_index(loader)
    return lambda: fingerprint(data[index])


def _first_index(loader: DataLoader) -> Any:
    if loader.batch_sampler is None:
        return next(iter(loader.sampler))
    return next(iter(loader.batch_sampler))[0]


# --- in workers -----------------------------------------------------------------------------------


def _epochs(loader: DataLoader) -> tuple[tuple[tuple[str, ...], ...], ...]:
    """The draws of each worker in two epochs. Loaders serve their workers in turn."""
    workers = min(loader.num_workers, WORKERS) or WORKERS
    probing = _probing(loader, workers)
    epochs = [list(itertools.islice(iter(probing), DRAWS)) for _ in range(2)]
    return tuple(tuple(tuple(epoch[n::workers]) for n in range(workers)) for epoch in epochs)


def _probing(loader: DataLoader, workers: int) -> DataLoader:
    """A loader of one sample over and over, with the user's own worker settings."""
    own = _worker_settings(loader, workers)
    if isinstance(loader.dataset, IterableDataset):
        return DataLoader(loader.dataset, batch_size=1, collate_fn=_only, **own)
    index = _first_index(loader)
    return DataLoader(
        loader.dataset, batch_size=1, sampler=[index] * DRAWS, collate_fn=_only, **own
    )


def _only(items: Sequence[Any]) -> str:
    return fingerprint(items[0])


def _worker_settings(loader: DataLoader, workers: int) -> dict[str, Any]:
    return {
        "num_workers": workers,
        "worker_init_fn": loader.worker_init_fn,
        "generator": loader.generator,
        "persistent_workers": loader.persistent_workers,
        "multiprocessing_context": "fork",
    }


def _passes(loader: DataLoader, seed: int) -> tuple[tuple[str, ...], ...]:
    """A few batches, twice, each time from the same random states on."""
    try:
        short, _ = shortened(loader, BATCHES)
    except NotRebuilt:
        return ()
    own = _worker_settings(loader, min(loader.num_workers, WORKERS))
    state = None if loader.generator is None else loader.generator.get_state()
    passes = []
    for _ in range(2):
        seed_all(seed)
        if state is not None:
            loader.generator.set_state(state)
        again = DataLoader(
            short.dataset, batch_sampler=short.batch_sampler, collate_fn=short.collate_fn, **own
        )
        passes.append(tuple(map(fingerprint, itertools.islice(iter(again), BATCHES))))
    return tuple(passes)


# --- what a data set holds ------------------------------------------------------------------------


def _innermost(data: Any) -> Any:
    """The user's data set inside of torch's ``Subset`` and the like."""
    while type(data).__module__.startswith("torch.") and hasattr(data, "dataset"):
        data = data.dataset
    return data


def held_generators(data: Any) -> Iterator[HeldGenerator]:
    """Generators in a data set's attributes, in what these hold, and in the data set's file."""
    innermost, seen = _innermost(data), set[int]()
    yield from _held(innermost, seen, "self", 0)
    module = sys.modules.get(type(innermost).__module__)
    used = _names_used(type(innermost))
    for name, value in list(vars(module).items()) if module is not None else ():
        if generator_state(value) is not None and name in used:
            place = _bound(module, re.escape(name))
            yield HeldGenerator(name, _kind(value), place)


def _held(owner: Any, seen: set[int], path: str, depth: int) -> Iterator[HeldGenerator]:
    if id(owner) in seen or depth > DEPTH:
        return
    seen.add(id(owner))
    for name, value in list(getattr(owner, "__dict__", {}).items()):
        if generator_state(value) is not None:
            place = _bound(type(owner), rf"self\.{re.escape(name)}")
            yield HeldGenerator(f"{path}.{name}", _kind(value), place)
            continue
        items = value if isinstance(value, (list, tuple)) else [value]
        for item in items[:16]:
            if hasattr(item, "__dict__") and not isinstance(item, (type, torch.Tensor)):
                yield from _held(item, seen, f"{path}.{name}", depth + 1)


def _kind(value: Any) -> str:
    package = type(value).__module__.split(".")[0]
    return f"{'np.random' if package == 'numpy' else package.split('.')[0]}.{type(value).__name__}"


def _names_used(kind: type) -> set[str]:
    methods = [value for value in vars(kind).values() if inspect.isfunction(value)]
    return {name for method in methods for name in method.__code__.co_names}


def _bound(owner: Any, target: str) -> Location:
    """The line that binds ``target`` in the source of a class or module; else its first."""
    try:
        lines, first = inspect.getsourcelines(owner)
        path = inspect.getsourcefile(owner) or "<unknown>"
    except (OSError, TypeError):
        return Location("<unknown>", 1)
    bound = re.compile(rf"\s*{target}\s*(?::[^=]+)?=[^=]")
    offset = next((n for n, line in enumerate(lines) if bound.match(line)), 0)
    return Location(path, max(first, 1) + offset)


def _line_of_class(kind: type) -> Location:
    return _bound(kind, "(?!)")


def _line_of_function(function: Any) -> Location | None:
    while isinstance(function, functools.partial):
        function = function.func
    code = getattr(function, "__code__", None)
    return Location(code.co_filename, code.co_firstlineno) if code is not None else None
