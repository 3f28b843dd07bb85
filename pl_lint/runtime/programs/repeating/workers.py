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
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch.utils.data import DataLoader, IterableDataset

from pl_lint.facts.repetition import WORKERS, HeldGenerator, WorkerDraws
from pl_lint.findings import Location
from pl_lint.runtime.programs.common import seed_all
from pl_lint.runtime.programs.fitting.checkpoints import random_state, set_random_state
from pl_lint.runtime.watching.holding import held, holds
from pl_lint.runtime.watching.repeated.anew import made_anew
from pl_lint.runtime.watching.repeated.beginnings import fingerprint
from pl_lint.runtime.watching.repeated.leftovers import generator_state

DRAWS = 32
"""In each epoch, by all workers together: enough to tell two sequences of coin throws apart."""
LOOKS = 8
"""How often a sample is fetched before it counts as always the same."""
BATCHES = 4
SLOW = 0.05
"""Seconds for one sample: what takes longer is not asked for dozens of times."""
DEPTH = 4


@dataclass(frozen=True)
class Look:
    """What a loader draws in this process, and the first batches of indices that its sampler picks;
    none for a stream."""

    draws: WorkerDraws
    batches: Sequence[Sequence[Any]] = ()


def look_at(loader: Any, seed: int) -> Look:
    """What ``loader``, one of the user's own training loaders, draws in this process.

    This fetches samples and asks the sampler, and so may change both.
    """
    if not isinstance(loader, DataLoader):
        return Look(WorkerDraws(type(loader).__name__, skipped="it is not a torch DataLoader"))
    name, own = type(_innermost(loader.dataset)).__name__, loader.num_workers
    try:
        return _looked_at(loader, name, seed)
    except Exception as error:  # the user's data, asked in a way that they do not know
        return Look(WorkerDraws(name, own, skipped=f"{type(error).__name__}: {error}"))


def _looked_at(loader: DataLoader, name: str, seed: int) -> Look:
    seed_all(seed)
    batches, own = _batches(loader), loader.num_workers
    fetch = _fetcher(loader.dataset, batches)
    held = list(held_generators(loader.dataset))
    states = [generator_state(generator) for _, generator in held]
    started = time.perf_counter()
    looks = [fetch() for _ in range(2)]
    if time.perf_counter() - started > 2 * SLOW:
        reason = "a sample takes too long to draw it dozens of times"
        return Look(WorkerDraws(name, own, skipped=reason))
    looks += [fetch() for _ in range(LOOKS - len(looks))]
    chance = len(set(looks)) > 1
    draws = WorkerDraws(
        dataset=name,
        own_workers=own,
        workers=min(own, WORKERS) or WORKERS,
        here=tuple(looks) + tuple(fetch() for _ in range(DRAWS - LOOKS)) if chance else (),
        generators=tuple(
            told
            for (told, generator), state in zip(held, states, strict=True)
            if generator_state(generator) != state  # the others have nothing to do with samples
        ),
        anew=() if chance or not batches else made_anew(loader.dataset.__getitem__, _some(batches)),
        worker_init=_line_of_function(loader.worker_init_fn),
        location=_line_of_class(type(_innermost(loader.dataset))),
    )
    return Look(draws, batches)


def _batches(loader: DataLoader) -> Sequence[Sequence[Any]]:
    if isinstance(loader.dataset, IterableDataset):
        return ()
    if loader.batch_sampler is None:
        return [[index] for index in itertools.islice(loader.sampler, BATCHES)]
    return [list(batch) for batch in itertools.islice(loader.batch_sampler, BATCHES)]


def _some(batches: Sequence[Sequence[Any]]) -> Sequence[Any]:
    """A few samples, to tell what is the same for all of them."""
    return list(itertools.islice(itertools.chain.from_iterable(batches), BATCHES))


def _fetcher(data: Any, batches: Sequence[Sequence[Any]]) -> Callable[[], str]:
    """Draws one and the same sample; of a stream, what it begins with."""
    if isinstance(data, IterableDataset):
        return lambda: fingerprint(list(itertools.islice(iter(data), 4)))
    return lambda: fingerprint(data[batches[0][0]])


# --- in workers -----------------------------------------------------------------------------------


def in_workers(loader: Any, look: Look) -> WorkerDraws:
    """What a loader that was never asked draws in workers, beside what an equal one drew here.

    Workers have copies, so the data set stays as it is; so do the random generators. Where samples
    draw from no generator of their own and the user does not seed the workers, torch sees to it
    that workers differ.
    """
    draws = look.draws
    if draws.skipped or not isinstance(loader, DataLoader):
        return draws
    suspect = bool(draws.generators or draws.worker_init)
    with _generators_kept(loader.generator):
        try:
            return replace(
                draws,
                epochs=_epochs(loader, look) if draws.here and suspect else (),
            )
        except Exception as error:  # workers of the user's that cannot work here
            return replace(draws, skipped=f"{type(error).__name__}: {error}")


@contextmanager
def _generators_kept(own: torch.Generator | None) -> Iterator[None]:
    kept, state = random_state(), None if own is None else own.get_state()
    try:
        yield
    finally:
        set_random_state(kept)
        if own is not None:
            own.set_state(state)


def _epochs(loader: DataLoader, look: Look) -> tuple[tuple[tuple[str, ...], ...], ...]:
    """The draws of each worker in two epochs. Loaders serve their workers in turn."""
    once = {"batch_size": 1, "collate_fn": _only, **_worker_settings(loader, look)}
    if look.batches:
        once["sampler"] = [look.batches[0][0]] * DRAWS
    probing, workers = DataLoader(loader.dataset, **once), look.draws.workers
    epochs = [list(itertools.islice(iter(probing), DRAWS)) for _ in range(2)]
    return tuple(tuple(tuple(epoch[n::workers]) for n in range(workers)) for epoch in epochs)


def _only(items: Sequence[Any]) -> str:
    return fingerprint(items[0])


def _worker_settings(loader: DataLoader, look: Look) -> dict[str, Any]:
    return {
        "num_workers": look.draws.workers,
        "worker_init_fn": loader.worker_init_fn,
        "generator": loader.generator,
        "persistent_workers": loader.persistent_workers,
        "multiprocessing_context": "fork",
    }


# --- what a data set holds ------------------------------------------------------------------------


def _innermost(data: Any) -> Any:
    """The user's data set inside of torch's ``Subset`` and the like."""
    while type(data).__module__.startswith("torch.") and hasattr(data, "dataset"):
        data = data.dataset
    return data


def held_generators(data: Any) -> Iterator[tuple[HeldGenerator, Any]]:
    """Generators in a data set's attributes, in what these hold, and in the data set's file; each
    in words and itself."""
    innermost, seen = _innermost(data), set[int]()
    yield from _held(innermost, seen, "self", 0)
    module = sys.modules.get(type(innermost).__module__)
    used = _names_used(type(innermost))
    for name, value in held(module).items():
        if generator_state(value) is not None and name in used:
            place = _bound(module, re.escape(name))
            yield HeldGenerator(name, _kind(value), place), value


def _held(owner: Any, seen: set[int], path: str, depth: int) -> Iterator[tuple[HeldGenerator, Any]]:
    if id(owner) in seen or depth > DEPTH:
        return
    seen.add(id(owner))
    for name, value in held(owner).items():
        if generator_state(value) is not None:
            place = _bound(type(owner), rf"self\.{re.escape(name)}")
            yield HeldGenerator(f"{path}.{name}", _kind(value), place), value
            continue
        items = value if isinstance(value, (list, tuple)) else [value]
        for item in items[:16]:
            if holds(item) and not isinstance(item, (type, torch.Tensor)):
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
