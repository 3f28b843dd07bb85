"""How samples are dealt out to ranks: the kit does it, and knows which rank saw which of them."""

from __future__ import annotations

import copy
import functools
import itertools
import random
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

from torch import distributed
from torch.utils.data import (
    DataLoader,
    DistributedSampler,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    Subset,
)
from torch.utils.data._utils import worker

from pl_lint.facts.ranks import Listing
from pl_lint.runtime.data import Cut, NotRebuilt, as_list, cut_loader, like, samples_of, shortened
from pl_lint.runtime.programs.common import WAITING, Subject, seed_all
from pl_lint.runtime.programs.fitting.checkpoints import random_state, set_random_state
from pl_lint.runtime.specs import RunSpec
from pl_lint.runtime.watching.callsite import defined_at
from pl_lint.runtime.watching.ranked.samples import Seen, fingerprint

PARTS = 6
"""The samples make six equal batches: three for each of two ranks, two for each of three. So no
rank is padded, and none has more to say than another."""
LARGEST = 8
"""Samples in a batch."""
LISTED = 64
"""How many samples of a loader are looked at to tell what it offers."""
SHUFFLED = 512
"""The same for a stream in an order that the seed decides: only its end shows whether each seed
gives the same samples."""
QUICK = 0.1
"""Seconds for the first samples of a stream, twice, if it is to be read on."""
WORKERS = 2
"""In how many workers a stream is read, where the user's loader has several."""


PATIENCE = 30.0
"""Seconds that a rank waits for the others at most: all of them do the same few steps."""


def join_ranks(spec: RunSpec) -> None:
    """Meet the other ranks once the case is built, as people's data are before they have a
    Trainer, and before the data are asked what they do on several ranks."""
    spec.world.join(min(PATIENCE, WAITING * spec.timeout))


@dataclass(frozen=True)
class Share:
    """Which part of the samples this process sees: all of them, or one of ``of`` equal ones."""

    which: int = 0
    of: int = 1


@dataclass
class Dealing:
    """What was dealt out: batch sizes by loader, fingerprints of what was served with the place
    that was asked for (empty where only the user's own code knows it), how many samples the user's
    own loader has."""

    sizes: list[tuple[int, ...]] = field(default_factory=list)
    served: set[tuple[str, str]] = field(default_factory=set)
    population: int | None = None

    @property
    def contents(self) -> tuple[str, ...]:
        return tuple(sorted({content for _, content in self.served}))

    @property
    def placed(self) -> tuple[str, ...]:
        known = all(place for place, _ in self.served)
        return tuple(sorted(f"{place} {content}" for place, content in self.served if known))


def deal_evaluation(
    subject: Subject, stage: str, share: Share, in_one_batch: bool, dealing: Dealing
) -> None:
    """Replace the loaders of a stage by ones that serve a share of at most 48 samples."""

    def change(loaders: Any) -> Any:
        dealing.sizes.clear()
        return like(loaders, [deal(*each) for each in enumerate(as_list(loaders))])

    def deal(number: int, loader: Any) -> DataLoader:
        samples = _spread(loader, PARTS * LARGEST)
        dealing.population = _population(subject, loader)
        own, total = _own_share(loader, samples, share)
        batch = min(LARGEST, total // PARTS)
        if not batch:
            raise NotRebuilt(f"{total} samples are too few to share: {PARTS} are needed")
        mine = Subset(own, range(batch * PARTS // share.of))
        cut = Cut("", len(mine) if in_one_batch else batch)
        dealing.sizes.append(cut.sizes(len(mine)))
        named = functools.partial(_place, number, share, own is not samples)
        return cut_loader(loader, Seen(mine, dealing.served, named), cut)

    subject.supply.change(stage, change)


def _place(number: int, share: Share, dealt: bool, index: int) -> str:
    """Which place of which loader a process asks for, if pl-lint has ``dealt`` them out."""
    return f"{number} {share.which + index * share.of}" if dealt else ""


def deal_training(
    subject: Subject, stage: str, batches: int, share: Share, listings: list[Listing]
) -> list[tuple[int, ...]]:
    """Let a stage's loaders serve this rank's share of a few batches of the user's own size, all
    ranks the same number of them; ``listings`` tells what each loader had to offer."""
    sizes: list[tuple[int, ...]] = []

    def change(loaders: Any) -> Any:
        sizes.clear()
        listings[:] = [one for one in listings if one.stage != stage]
        return like(loaders, [deal(index, each) for index, each in enumerate(as_list(loaders))])

    def deal(index: int, loader: Any) -> Any:
        try:
            whole, _ = shortened(loader, batches * share.of)
        except NotRebuilt:  # every rank sees what it sees
            return loader
        listings.append(_listing(stage, index, loader))
        own, total = _own_share(loader, _spread(loader, len(whole.dataset)), share)
        mine, size = _batched(own, total // share.of, whole)
        sizes.append(Cut("own", size).sizes(len(mine)))
        return _rebuilt(whole, mine, size)

    subject.supply.change(stage, change)
    return sizes


def _batched(own: Any, count: int, whole: DataLoader) -> tuple[Subset, int]:
    """A rank's samples and its batch size: the user's own if there are enough samples for it, and
    no short batch where the user has none, for a module may count on both."""
    size = whole.batch_size or 1
    if count < size:
        return Subset(own, range(count)), max(1, count // 2)
    even = len(whole.dataset) % size == 0
    return Subset(own, range(count - count % size if even else count)), size


def _rebuilt(whole: DataLoader, samples: Subset, size: int) -> DataLoader:
    shuffles = isinstance(whole.sampler, RandomSampler)
    return DataLoader(
        samples,
        batch_size=size,
        shuffle=shuffles,
        drop_last=whole.drop_last,
        collate_fn=whole.collate_fn,
        generator=whole.generator if shuffles else None,
    )


def _own_share(loader: DataLoader, samples: Sequence[Any], share: Share) -> tuple[Any, int]:
    """This process's samples, and how many there are for all processes together.

    Where ranks are offered different ones, the user's own code has shared them out.
    """
    whole = Subset(samples, range(share.which, len(samples), share.of)), len(samples)
    mine = _offer(loader, samples)
    if mine is None or not distributed.is_initialized():
        return whole
    offers: list[Any] = [None] * distributed.get_world_size()
    distributed.all_gather_object(offers, mine)
    if all(offer == offers[0] for offer in offers):
        return whole
    return samples, min(len(offer) for offer in offers) * len(offers)


def _offer(loader: DataLoader, samples: Sequence[Any]) -> tuple[Any, ...] | None:
    """What a stream or a sampler of the user's own chose; None where nobody chooses."""
    if isinstance(loader.dataset, IterableDataset):
        return tuple(map(fingerprint, samples))
    plain = (SequentialSampler, RandomSampler, DistributedSampler)
    if isinstance(loader.sampler, plain) or not isinstance(samples, Subset):
        return None
    return tuple(samples.indices)


def _spread(loader: Any, limit: int) -> Sequence[Any]:
    """At most so many samples: runs of six neighbours from all over the data set, so that each rank
    is dealt what DistributedSampler would give it (every second one, or every third), whatever
    pattern there is in their order."""
    stream = isinstance(getattr(loader, "dataset", None), IterableDataset)
    samples = samples_of(loader, limit if stream else sys.maxsize)
    runs, wanted = len(samples) // PARTS, max(1, limit // PARTS)
    if stream or runs <= wanted:
        return samples
    chosen = sorted(random.Random(0).sample(range(runs), wanted))
    return Subset(samples, [run * PARTS + step for run in chosen for step in range(PARTS)])


def _population(subject: Subject, loader: DataLoader) -> int | None:
    """How many samples Lightning's own sampler would deal out; None where it would not."""
    if subject.arguments.get("use_distributed_sampler") is False:
        return None
    return None if isinstance(loader.dataset, IterableDataset) else len(loader.dataset)


# --- what a loader has to offer -------------------------------------------------------------------


def _listing(stage: str, index: int, loader: DataLoader) -> Listing:
    if isinstance(loader.dataset, IterableDataset):
        return _listing_of_stream(stage, index, loader, loader.dataset)
    samples = samples_of(loader, LISTED)
    found, again = (
        _drawn(lambda: [fingerprint(samples[i]) for i in range(len(samples))], 1) for _ in range(2)
    )
    return Listing(stage, index, type(loader.dataset).__name__, found, again=again)


def _listing_of_stream(
    stage: str, index: int, loader: DataLoader, dataset: IterableDataset
) -> Listing:
    """In an order that the seed decides it is read on, as far as that is quick."""
    kind = type(dataset)
    started, limit = time.perf_counter(), LISTED
    found, reseeded = _from_two_seeds(lambda: _streamed(dataset, limit))
    quick = time.perf_counter() - started < QUICK
    if found != reseeded and len(found) == limit and quick:
        limit = SHUFFLED
        found, reseeded = _from_two_seeds(lambda: _streamed(dataset, limit))
    workers = range(WORKERS if loader.num_workers > 1 else 0)
    read = [_from_two_seeds(lambda i=i: _as_worker(loader, i, limit)) for i in workers]
    return Listing(
        stage,
        index,
        kind.__name__,
        found,
        ended=len(found) < limit,
        location=defined_at(kind.__iter__),
        stream=True,
        reseeded=reseeded,
        by_worker=tuple(first for first, _ in read),
        reseeded_by_worker=tuple(second for _, second in read),
    )


def _from_two_seeds(action: Callable[[], Sequence[str]]) -> tuple[tuple[str, ...], ...]:
    return tuple(_drawn(action, seed) for seed in (1, 2))


def _drawn(action: Callable[[], Sequence[str]], seed: int) -> tuple[str, ...]:
    """Draw from this seed inside, and go on outside as if nothing had been drawn."""
    before = random_state()
    seed_all(seed)
    try:
        return tuple(action())
    finally:
        set_random_state(before)


def _streamed(dataset: IterableDataset, limit: int) -> list[str]:
    """The first samples of a stream, from a copy where it can be copied: reading may move it."""
    return [fingerprint(sample) for sample in itertools.islice(iter(_copied(dataset)), limit)]


def _as_worker(loader: DataLoader, index: int, limit: int) -> list[str]:
    """What one of several workers would yield: ``get_worker_info`` says that it is that one, and
    ``worker_init_fn`` may cut its copy of the data set (``IterableDataset``'s own example)."""
    mine = _copied(loader.dataset)
    if mine is loader.dataset and loader.worker_init_fn is not None:
        return []  # nobody may cut what all others read, too
    info = worker.WorkerInfo(id=index, num_workers=WORKERS, seed=1, dataset=mine)
    with patch.object(worker, "_worker_info", info):
        if loader.worker_init_fn is not None:
            loader.worker_init_fn(index)
        return _streamed(mine, limit)


def _copied(dataset: IterableDataset) -> IterableDataset:
    try:
        return copy.deepcopy(dataset)
    except Exception:  # open files and connections are not copied
        return dataset
