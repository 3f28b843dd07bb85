"""Streams that every process, or every worker, reads as a whole."""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.facts.sites import LoaderSite, ProjectFacts, StreamSite
from pl_lint.facts.values import Known, Made
from pl_lint.facts.words import words_of
from pl_lint.findings import Finding, Status
from pl_lint.rules.judging import single_device
from pl_lint.rules.registry import Rule, rule

STREAMS = ("dataset", "stream", "source", "loader", "reader", "iter", "pipe")
"""Words in the name of what a stream goes over that is a stream itself: that one shares out."""
SHARES = (
    *("rank", "world_size", "num_replicas", "split_by_node", "nodesplitter"),
    *("process_index", "num_processes", "is_dist_avail"),
)
RANKS = frozenset({"rank", "global_rank", "local_rank", "get_rank", "node_rank", "process_index"})
"""What a class asks that shares data out before it builds a stream of them."""
RUNNING = ("_step", "_step_end", "_epoch_end", "configure_optimizers")
"""How the names of hooks end that come once the data are there, or have nothing to do with them."""
WORKERS = ("get_worker_info", "worker_info", "worker_id", "split_by_worker", "num_workers")
PARTS = ("num_shards", "n_shards", "nshards", "shard_count", "shard_id", "shard_idx", "shard_index")
"""Words for one's own part and for how many there are; a list of files may be called shards."""
READS = ("load", "read", "open", "iter", "parse", "decode", "download", "fetch", "write")
"""How the name of a function begins that is given a file that is called a shard."""
BY_CHANCE = (
    *("random", "rand", "randn", "randint", "randperm", "rng", "normal", "choice", "shuffle"),
    *("queue", "env", "replay", "experience"),
)
"""Words of a stream that is drawn: where each process has a seed of its own, nothing is read
twice. A parameter ``shuffle`` that nothing asks draws nothing."""
DRAWS = ("sample", "samples", "choices")
"""Words of the functions that do so: what a loop calls ``sample`` is read, and not drawn."""
PLAYED = ("buffer", "rollout", "rollouts")
"""Words of what holds the steps of an agent."""


@rule(
    "LTN506",
    "stream-read-by-every-rank",
    rows=("DDP06",),
    status=Status.SUSPECTED,
    observers="both",
    condition="if several processes read the stream",
)
def stream_read_by_every_rank(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """An IterableDataset yields the same samples on every rank.

    What it does
    ------------
    Reading finds an IterableDataset of the project that a loader of a Lightning class or Trainer
    reads and whose code speaks of no rank or world size and takes no shard of anything (a list of
    files that is called `shards` is none; a `shard` that numbers are compared with is one, and what
    a method of its own does that asks for the worker is seen there, whatever its name), unless the
    class that builds it asks for the rank, in its hooks for data or in other methods of its own:
    then the stream may be given a share. Running reads the stream on two ranks and compares its
    samples by their content: none may be read by two ranks, and none that one process reads by none
    of them.

    Why is this bad
    ---------------
    Lightning puts a DistributedSampler before data sets with indices only. Every rank trains on all
    samples: an epoch is as long as on one device, and the effective data are repeated.

    Example
    -------
        class Lines(IterableDataset):
            def __iter__(self):
                yield from self.samples

        class Data(LightningDataModule):
            def train_dataloader(self):
                return DataLoader(Lines(), batch_size=32)

    Use instead
    -----------
        class Lines(IterableDataset):
            def __iter__(self):
                rank, ranks = dist.get_rank(), dist.get_world_size()
                worker = torch.utils.data.get_worker_info()
                index, workers = (worker.id, worker.num_workers) if worker else (0, 1)
                first, step = rank * workers + index, ranks * workers
                return itertools.islice(self.samples, first, None, step)

        class Data(LightningDataModule):
            def train_dataloader(self):
                return DataLoader(Lines(), batch_size=32)

    When to ignore
    --------------
    Where one process reads it, or what it reads is shared out before.

    References
    ----------
    - https://github.com/Lightning-AI/pytorch-lightning/issues/15734
    """
    if single_device(facts):
        return
    for stream, loader in read_by_every_rank(facts):
        name = stream.name.rpartition(".")[2]
        yield self.finding(
            stream.location,
            f"every process reads all of {name}: nothing in it asks for the rank, and "
            f"Lightning shares out no streams (loader in line {loader.location.line})",
            remedy="yield every n-th sample, by rank and worker",
            subject=name,
        )


def read_by_every_rank(facts: ProjectFacts) -> Iterator[tuple[StreamSite, LoaderSite]]:
    """Each stream that nothing shares out between processes, with the loaders that read it."""
    for stream, loader in _read(facts):
        shared = _speaks_of(stream, SHARES) or _takes_a_part(stream)
        shared = shared or _is_given_a_share(facts, loader)
        if not shared and not _by_chance(stream):
            yield stream, loader


def _is_given_a_share(facts: ProjectFacts, loader: LoaderSite) -> bool:
    """Whether the class whose loader reads a stream asks for the rank itself where data are made:
    then what it builds the stream of may be one process's share."""
    made_by = {loader.owner} if loader.owner else set()
    made_by |= {base for one in facts.classes if one.name in made_by for base in one.ancestors}
    building = (
        method
        for one in facts.classes
        if one.name in made_by
        for method in one.own_methods
        if not method.name.endswith(RUNNING) and not method.name.startswith("on_")
    )
    return any(not RANKS.isdisjoint(one.words) for one in building)


@rule(
    "LTN507",
    "stream-read-by-every-worker",
    rows=("DDP07",),
    status=Status.SUSPECTED,
    observers="both",
    condition="unless the workers are told apart where the loader is made",
)
def stream_read_by_every_worker(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """An IterableDataset yields the same samples in every worker of its loader.

    What it does
    ------------
    Reading finds a loader with several workers over an IterableDataset of the project whose code
    never asks for the worker. Running reads the stream as each of two workers, where the loader
    has several, and compares.

    Why is this bad
    ---------------
    With `num_workers=4` an epoch holds each sample four times.

    Example
    -------
        class Lines(IterableDataset):
            def __iter__(self):
                yield from self.samples

        class Data(LightningDataModule):
            def train_dataloader(self):
                return DataLoader(Lines(), batch_size=32, num_workers=4)

    Use instead
    -----------
        class Lines(IterableDataset):
            def __iter__(self):
                worker = torch.utils.data.get_worker_info()
                first, step = (worker.id, worker.num_workers) if worker else (0, 1)
                return itertools.islice(self.samples, first, None, step)

        class Data(LightningDataModule):
            def train_dataloader(self):
                return DataLoader(Lines(), batch_size=32, num_workers=4)

    When to ignore
    --------------
    Where a `worker_init_fn` gives each worker its part.

    References
    ----------
    - https://pytorch.org/docs/stable/data.html#torch.utils.data.IterableDataset
    """
    for stream, loader in _read(facts):
        told = _speaks_of(stream, WORKERS) or _takes_a_part(stream)
        apart = told or loader.gives("worker_init_fn", 9)
        if _workers(loader) > 1 and not apart and not _by_chance(stream):
            name = stream.name.rpartition(".")[2]
            yield self.finding(
                loader.location,
                f"each of {_workers(loader)} workers reads all of {name}: an epoch holds every "
                "sample that often",
                remedy="yield every n-th sample, by torch.utils.data.get_worker_info()",
                subject=name,
            )


def _read(facts: ProjectFacts) -> Iterator[tuple[StreamSite, LoaderSite]]:
    """Each stream with the loaders that read it."""
    for loader in facts.loaders:
        data = loader.dataset
        known = isinstance(data, Made) and not facts.in_tests(loader.location)
        for stream in facts.streams if known else ():
            named = stream.name == data.name  # type: ignore[union-attr]
            if named and stream.loops and not _goes_over_a_stream(stream):
                yield stream, loader


def _goes_over_a_stream(stream: StreamSite) -> bool:
    return any(word in one.lower() for one in stream.over for word in STREAMS)


def _speaks_of(stream: StreamSite, words: tuple[str, ...]) -> bool:
    return any(word in said.lower() for said in stream.words for word in words)


def _takes_a_part(stream: StreamSite) -> bool:
    """``data.shard(...)``, words for one part of several, or a ``shard`` that numbers are compared
    with or that slices go by: a file is neither."""
    asked = stream.called - stream.by_worker  # what those do with a rank would be among the words
    calls = (name for name in asked if "shard" in name.lower())
    return (
        _speaks_of(stream, PARTS)
        or any("shard" in name.lower().split("_") for name in stream.compared)
        or any(not _only_reads(name, stream) for name in calls)
    )


def _only_reads(name: str, stream: StreamSite) -> bool:
    """``self.load_shard(path)``, and ``self.get_shard(path)`` for each of several."""
    known = (*READS, "get") if name in stream.asked else READS
    return name.lower().strip("_").startswith(known)


def _by_chance(stream: StreamSite) -> bool:
    read = stream.asked  # what those draw is among the words
    drawing = stream.called - read - stream.idle
    drawn = {part for name in drawing for part in name.lower().split("_")}
    said = {part for word in stream.words - stream.idle for part in word.lower().split("_")}
    return not drawn.isdisjoint(DRAWS) or not said.isdisjoint(BY_CHANCE) or _played(stream)


def _played(stream: StreamSite) -> bool:
    """Whether a stream goes over what a buffer of rollouts is asked for (``self.buffer.get()``):
    what this process's own agent has seen."""
    asked = {word for one in stream.got for word in words_of(one)}
    return not asked.isdisjoint(PLAYED)


def _workers(loader: LoaderSite) -> int:
    given = loader.argument("num_workers", 5)
    count = given.value if isinstance(given, Known) else None
    return count if isinstance(count, int) else 0
