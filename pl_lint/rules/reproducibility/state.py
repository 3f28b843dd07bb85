"""State that processes and workers have each for themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from pl_lint.facts.sites import ABSENT, NO, CallSite, LoaderSite, ProjectFacts, StreamSite
from pl_lint.facts.values import Known, Made, Value, must_be
from pl_lint.facts.words import words_of
from pl_lint.findings import Finding, Location, Status
from pl_lint.plain import replace
from pl_lint.rules.registry import Rule, rule

LOADER = "torch.utils.data.DataLoader"
GENERATORS = ("numpy.random.Generator", "numpy.random.RandomState", "random.Random")
DRAWS = tuple(
    f"{generator}.{method}"
    for generator in GENERATORS
    for method in (
        *("random", "integers", "randint", "uniform", "normal", "choice", "choices", "sample"),
        *("permutation", "shuffle", "rand", "randn", "standard_normal"),
    )
)
TORCH_DRAWS = ("torch.rand", "torch.randn", "torch.randint", "torch.randperm", "torch.normal")
SEEDED_ANEW = ("numpy.random.default_rng", *GENERATORS[1:], "torch.Generator")
RESEEDING = ("set_random_state", "set_rnd", "reseed")
"""What methods are called that give an object a new generator, whoever inherits them; MONAI's
loaders call the first two in every worker. What is called ``seed`` is many another thing's."""

TELLING = (".set_epoch",)
"""How data sets are told between epochs what their items depend on."""


@rule(
    "LTN405",
    "generator-copied-to-workers",
    rows=("REP05",),
    status=Status.SUSPECTED,
    observers="both",
    condition="with loader workers (num_workers > 0)",
    calls=(*DRAWS, *TORCH_DRAWS, *SEEDED_ANEW, LOADER),
)
def copied_generator(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A data set carries its own generator: every worker and every epoch draws the same.

    What it does
    ------------
    Finds `__getitem__` of a data set, methods that it calls, and `__call__` of what it hands a
    sample to, that draw from a generator made in `__init__` or at the top of the file, where no
    loader has a `worker_init_fn` and nothing else makes that generator anew; and `__iter__` of an
    IterableDataset that draws numbers so, where its loader has workers that end with the epoch. An
    order that is drawn (`shuffle`) is left alone there, since all workers have to agree on it, and
    so is what is drawn to hold a part of the data out. Also finds a `worker_init_fn` that asks for
    nothing in which workers differ, and seeds with a number put together of constants and of what
    it was given beside (`partial(seed_worker, seed=42)`). A run asks the training data for one
    sample again and again, in one process and in the loader's workers over two epochs.

    Why is this bad
    ---------------
    Each worker gets a copy of the data set, anew in each epoch, and with it a copy of the
    generator, which starts at the same place. Of 24 random crops 4 are different ones, and the
    second epoch repeats the first: there is far less augmentation than it seems, and nothing says
    so. `seed_everything(workers=True)` does not help, since it seeds the global generators only.
    A `worker_init_fn` that seeds with a constant, or with the worker's number alone, does the same.

    Example
    -------
        class Augmented(torch.utils.data.Dataset):
            def __init__(self, images, seed):
                self.images = images
                self.rng = np.random.default_rng(seed)

            def __getitem__(self, index):
                return self.images[index] + self.rng.normal()

    Use instead
    -----------
        class Augmented(torch.utils.data.Dataset):
            def __init__(self, images):
                self.images = images

            def __getitem__(self, index):
                return self.images[index] + np.random.normal()

    The global generators (`torch.rand`, `random`, `np.random`) are seeded in every worker. Or make
    the generator in the worker, from `torch.utils.data.get_worker_info().seed`.

    When to ignore
    --------------
    Where the loader has no workers (`num_workers=0`).

    References
    ----------
    - https://pytorch.org/docs/stable/notes/faq.html#my-data-loader-workers-return-identical-random-numbers
    - https://github.com/Lightning-AI/pytorch-lightning/issues/20412
    """
    yield from _seeded_alike(self, facts)
    loaders = facts.calls_of(LOADER)
    if loaders and not any(map(_has_workers, loaders)):
        return
    anew = facts.calls_of(*SEEDED_ANEW)
    for call in facts.calls_of(*DRAWS, *TORCH_DRAWS):
        if _in_worker(call, loaders) and _is_stored(call) and not _is_renewed(call, anew):
            yield self.finding(
                call.location,
                "every worker draws the same from its copy of this generator, and again in each "
                "epoch",
                remedy="draw from the global generator, or make one in the worker",
            )
    for stream in facts.streams:
        if stream.drawn and _feeds_training(facts, stream) and not _holds_out(stream):
            yield self.finding(
                stream.drawn[0],
                "every worker draws the same from its copy of this generator, and again in each "
                "epoch",
                remedy="draw from the global generator, or make one in the worker",
            )


def _seeded_alike(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """Where a ``worker_init_fn`` gives all workers of a loader one seed."""
    seeds = {one.loader: one.seed for one in facts.alike}
    told: set[Location] = set()
    for loader in facts.calls_of(LOADER):
        seed, none = seeds.get(loader.location), (Known(None), Known(0))
        works = loader.argument("num_workers", 5) not in none
        if seed is None or seed in told or not works or facts.in_tests(loader.location):
            continue
        told.add(seed)
        yield replace(
            self.finding(
                seed,
                f"every worker of the loader ({loader.location}) is seeded with the same number: "
                "all of them draw the same, and again in each epoch",
                remedy="seed with torch.initial_seed() % 2**32, which differs between workers",
            ),
            condition="if samples are drawn from this generator, by more than one worker",
        )


HELD_OUT = frozenset(
    "fold folds split val valid validation test train training holdout heldout subset "
    "fraction".split()
)
"""Words of a stream that keeps a part of its samples back, the same in each epoch."""


def _holds_out(stream: StreamSite) -> bool:
    said = {part for word in stream.words for part in words_of(word)}
    return not said.isdisjoint(HELD_OUT)


def _feeds_training(facts: ProjectFacts, stream: StreamSite) -> bool:
    """Whether every loader of a stream has workers that get their copies anew, and one trains."""
    reads = [one for one in facts.loaders if _is_of(one.dataset, stream)]
    return any(one.stage == "train" for one in reads) and all(map(_copies_anew, reads))


def _is_of(data: Value, stream: StreamSite) -> bool:
    return isinstance(data, Made) and data.name == stream.name


def _copies_anew(loader: LoaderSite) -> bool:
    some = loader.argument("num_workers", 5) not in (ABSENT, Known(0))
    ends = loader.argument("persistent_workers") in (ABSENT, NO)
    return some and ends and not loader.gives("worker_init_fn", 9)


def _in_worker(call: CallSite, loaders: Sequence[CallSite]) -> bool:
    """Whether workers make a call; a transform is one only where loaders are in sight. What a
    helper of ``__getitem__`` draws from may have come from there, if not from the object."""
    generator = call.receiver if call.name in DRAWS else dict(call.written).get("generator", "")
    if call.items_of:
        return call.function == "__getitem__" or generator.startswith("self.")
    return call.function == "__call__" and not call.owner and bool(loaders)


def _is_renewed(draw: CallSite, anew: Sequence[CallSite]) -> bool:
    """Whether the generator that is drawn from is made anew: by the function that draws, or as an
    attribute of its name outside of ``__init__``. Another function's own is another one, and so is
    that of another file, unless it is made for others to inherit (``set_random_state``)."""
    name = draw.receiver if draw.name in DRAWS else dict(draw.written).get("generator", "")
    for made in anew:
        near = made.location.path == draw.location.path or made.function in RESEEDING
        if not near or made.function in ("__init__", ""):
            continue
        if made.function == draw.function and made.assigned in (name, ""):
            return True
        if "." in made.assigned and made.assigned.rpartition(".")[2] == name.rpartition(".")[2]:
            return True
    return False


def _has_workers(loader: CallSite) -> bool:
    """Whether a loader may have workers that are not seeded by hand."""
    none = loader.argument("num_workers", 5) in (Known(None), Known(0))
    return not none and must_be(loader.argument("worker_init_fn", 9), None)


def _is_stored(call: CallSite) -> bool:
    """Whether a draw is made from a generator that the data set or the file holds."""
    if call.name in DRAWS:
        return bool(call.receiver)
    return _is_generator(call.argument("generator"))


def _is_generator(value: Value) -> bool:
    return isinstance(value, Made) and value.name == "torch.Generator"


@rule(
    "LTN408",
    "persistent-workers-keep-old-state",
    rows=("REP08",),
    status=Status.SUSPECTED,
    condition="with loader workers, if the data set reads the attribute when it loads a sample",
    calls=(LOADER, *TELLING),
)
def persistent_workers(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A hook changes the data set, but persistent workers keep the copy that they began with.

    What it does
    ------------
    Finds hooks that assign to an attribute of a data set, or tell it the epoch by a method that
    does (`set_epoch`), in projects with a `DataLoader(persistent_workers=True)`: one that such a
    loader is seen to be given (all loaders of that name, where it is reached through the
    DataModule), or that is called one, or is called the training data of the DataModule where all
    training loaders are like that.

    Why is this bad
    ---------------
    Workers get their copy of the data set when they start. With `persistent_workers=True`, which
    Lightning itself recommends, they live as long as the fit: the epoch, the level of a curriculum
    or the strength of an augmentation stays what it was at first. A probe saw 0, 0, 0 in place of
    0, 1, 2; nothing says so.

    Example
    -------
        def train_dataloader(self):
            return DataLoader(self.train_set, num_workers=4, persistent_workers=True)

        def on_train_epoch_start(self):
            self.train_set.level = self.current_epoch

    Use instead
    -----------
        def train_dataloader(self):
            return DataLoader(self.train_set, num_workers=4)

        def on_train_epoch_start(self):
            self.train_set.level = self.current_epoch

    Or keep the value in shared memory: `torch.tensor(0).share_memory_()`.

    When to ignore
    --------------
    Where the main process alone reads the attribute.

    References
    ----------
    - https://pytorch.org/docs/stable/data.html#torch.utils.data.DataLoader
    """
    loaders = facts.calls_of(LOADER)
    kept = [call for call in loaders if must_be(call.argument("persistent_workers"), True)]
    if not kept:
        return
    last_long, end = [], []
    for one in facts.loaders:
        keeps = must_be(one.argument("persistent_workers"), True)
        (last_long if keeps else end).append(one)
    served = {(one.location.path, one.source) for one in last_long}
    lasting = {one.source for one in last_long} - {one.source for one in end}
    training = [one for one in facts.loaders if one.stage == "train"]
    all_last = all(must_be(one.argument("persistent_workers"), True) for one in training)
    reached = ((reach, reach.attribute) for reach in facts.reaches)
    for site, attribute in (*reached, *_told(facts)):
        last = site.receiver.rpartition(".")[2]
        is_called_one = "dataset" in last.lower() or last.lower().endswith("_set")
        is_served = (site.location.path, f"self.{last}") in served
        is_served |= bool(training) and all_last and bool(FOR_TRAINING.search(site.receiver))
        is_served |= OF_THE_DATA.search(site.receiver) is not None and f"self.{last}" in lasting
        if _is_in_a_run(site.hook) and (is_called_one or is_served):
            yield self.finding(
                site.location,
                f"the workers of the loader at {kept[0].location} keep the "
                f"{attribute!r} that they began with",
                remedy="drop persistent_workers=True, or share the value with the workers",
                subject=site.owner.rpartition(".")[2],
            )


FOR_TRAINING = re.compile(r"\.datamodule\.train_?(?:ds|data|set)$")
"""What a DataModule calls the data of its training loader."""


OF_THE_DATA = re.compile(r"\.datamodule\.\w+$")
"""What a DataModule holds."""


def _told(facts: ProjectFacts) -> Iterator[tuple[CallSite, str]]:
    """Calls that tell a data set the epoch, and what it keeps that in: all data sets of the project
    that can be told it keep it in plain attributes."""
    for call in facts.calls_of(*TELLING):
        methods = [one for one in facts.told if one.method == call.name.rpartition(".")[2]]
        if methods and all(one.attributes for one in methods):
            yield call, methods[0].attributes[0]


def _is_in_a_run(hook: str) -> bool:
    """Whether a hook runs when the workers may have started."""
    return hook.startswith("on_") or hook.endswith("_step")


@rule(
    "LTN409",
    "state-outside-the-module",
    rows=("REP09",),
    status=Status.SUSPECTED,
    observers="both",
    condition="on several devices, at resume, or when one process fits more than once",
    default=False,
)
def state_outside(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """What one fit leaves in a module or a class changes the next one in the same process.

    What it does
    ------------
    Finds methods that Lightning calls and that change a `global` name by what it was: a counter, a
    best value. Names that they only read or set, and stores that they fill once, are left alone. A
    run fits the module twice in one
    process, each time seeded and built anew; where the second differs and a fit in another process
    does not, it names what the first has changed in the modules and classes of your code.

    Why is this bad
    ---------------
    Runs of a sweep, folds of a cross validation and tests then depend on what ran before them.
    No checkpoint holds that state, and every rank has its own.

    Example
    -------
        def training_step(self, batch, batch_idx):
            global seen
            seen += len(batch)
            return self.loss(batch)

    Use instead
    -----------
        def __init__(self):
            super().__init__()
            self.register_buffer("seen", torch.tensor(0))

        def training_step(self, batch, batch_idx):
            self.seen += len(batch)
            return self.loss(batch)

    When to ignore
    --------------
    Where the name holds nothing that training or its numbers depend on.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/common/checkpointing_intermediate.html
    """
    for site in facts.globals:
        if _is_in_a_run(site.hook) and site.carried:
            names = ", ".join(site.carried)
            yield self.finding(
                site.location,
                f"{names} lives outside the module: each process has its own, no checkpoint holds "
                "it, and the next fit finds what this one left",
                remedy="keep it on self, in a buffer where it must outlive the run",
                subject=site.owner.rpartition(".")[2],
            )
