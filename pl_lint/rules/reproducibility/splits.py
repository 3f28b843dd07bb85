"""How data is split, and in which order it is read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import PurePath

from pl_lint.facts import seeding
from pl_lint.facts.origins import (
    SPLITTING,
    FunctionCall,
    Origin,
    is_drawn,
    is_listing,
    parts,
    sure_parts,
)
from pl_lint.facts.sites import (
    ABSENT,
    CallSite,
    ClassFacts,
    PickSite,
    ProjectFacts,
    SliceSite,
    SplitSite,
    TrainerCall,
    in_notebook,
)
from pl_lint.facts.values import Made, must_be
from pl_lint.facts.words import MISSING
from pl_lint.findings import Finding, Location, Status
from pl_lint.plain import replace
from pl_lint.rules.judging import CLI, LOADING, single_device, uses_cli
from pl_lint.rules.registry import Rule, rule
from pl_lint.rules.reproducibility.seeds import SEEDING, seeded_by_cli, seeds
from pl_lint.rules.reproducibility.splitting import (
    COPYING,
    WRITING,
    copies,
    follows,
    parts_written,
    seed_argument,
    with_a_seed,
)

SHUFFLING = ("numpy.random.permutation", "numpy.random.shuffle", "random.shuffle", "torch.randperm")
BESIDE_TORCH = frozenset((*seeding.OF_NUMPY, *seeding.OF_PYTHON))
BESIDE_NUMPY = frozenset((*seeding.OF_TORCH, *seeding.OF_PYTHON))
BESIDE_PYTHON = frozenset((*seeding.OF_NUMPY, *seeding.OF_TORCH))
"""Seeds that torch's splits, those of scikit-learn, and ``random.shuffle`` do not draw from."""

MASKS = ("numpy.random.rand", "numpy.random.random", "numpy.random.random_sample")
"""What draws one number for each row of a table."""


@rule(
    "LTN406",
    "split-without-generator",
    rows=("REP06",),
    status=Status.SUSPECTED,
    observers="both",
    condition="if the split is made more than once: by several ranks, at resume, by a later test",
    calls=(*SEEDING, *SHUFFLING, *SPLITTING, *WRITING, *MASKS, CLI, "frac=", LOADING),
    fixable=True,
)
def split_without_generator(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """Data is split at random, and nothing seeds.

    What it does
    ------------
    Finds `random_split` without `generator=`, scikit-learn's splits without `random_state=`, rows
    that pandas draws (`df.sample(frac=...)`) without it where the same function then cuts them in
    two or takes them out of the table, tables that are cut in two by a drawn mask (`table[mask]`,
    `table[~mask]`), indices that a data module shuffles in `__init__` or `setup`, and an order that
    is drawn (`torch.randperm`, `np.random.permutation`) of which the same function makes two
    `Subset`s, in projects that call no `seed_everything` or the like and that not LightningCLI
    alone runs, which seeds by itself: numpy's seed is none for torch, nor torch's for scikit-learn,
    which draws from numpy's state. Silent where the same hook or
    function then writes the parts to files, by what it calls them (`train.to_csv(...)`,
    `pickle.dump(indices, file)`), and in projects that are seen to train on one device, without a
    test and without checkpoints that are loaded; so where `setup` splits under `stage == "fit"`
    alone, on one device, and no fit goes on from a checkpoint. Where scripts that train do seed,
    it finds what a script that does not evaluates a checkpoint on, if that is a part of the split
    of a data module. What a notebook of another folder seeds is no seed of scripts that train.

    Why is this bad
    ---------------
    The split then differs between runs and between ranks, so that one rank trains on what another
    validates on: in one run the validation sets were [0, 2, 4, 9] and [0, 1, 3, 4]. A script that
    tests a checkpoint makes another split than the one that trained it.

    Example
    -------
        train, val = random_split(data, [0.8, 0.2])

    Use instead
    -----------
        generator = torch.Generator().manual_seed(42)
        train, val = random_split(data, [0.8, 0.2], generator=generator)

    When to ignore
    --------------
    Where all that the split is used for happens in one process.

    References
    ----------
    - https://pytorch.org/docs/stable/data.html#torch.utils.data.random_split
    - https://github.com/Lightning-AI/pytorch-lightning/issues/18638
    """
    if seeded_by_cli(facts) or _trains_once(facts):
        return
    for function, found in _unseeded(self, facts):
        if not _is_seeded(facts, found.location, function):
            yield found
            continue
        test = _tested_unseeded(facts, found.location, function)
        if test is not None:
            yield replace(found, message=f"{function} {UNSEEDED_THERE} ({test.location})")


def _others(function: str) -> frozenset[str]:
    """The seeds of generators that a function does not draw from."""
    if function == "random.shuffle":
        return BESIDE_PYTHON
    return BESIDE_TORCH if function in ("random_split", "torch.randperm") else BESIDE_NUMPY


def _is_seeded(facts: ProjectFacts, place: Location, function: str) -> bool:
    """Whether something seeds what a split draws from. In a project whose scripts train, a notebook
    of another folder seeds its own runs only."""
    scripts = any(
        one.method == "fit" and not in_notebook(one.location) and not facts.in_tests(one.location)
        for one in facts.trainer_calls
    )
    folder = PurePath(place.path).parent
    return any(
        not (scripts and in_notebook(one.location))
        or in_notebook(place)
        or PurePath(one.location.path).parent == folder
        for one in seeds(facts)
        if one.name not in _others(function)
    )


def _tested_unseeded(facts: ProjectFacts, place: Location, function: str) -> TrainerCall | None:
    """The evaluation of a trained model on a part that a data module splits off, by a script that
    seeds nothing, where all that seeds stands in scripts that train."""
    splits = [one for one in facts.calls_of(*SPLITTING) if one.location == place]
    fed = {
        (loader.owner, loader.stage)
        for loader in facts.loaders
        for part in parts(loader.origin)
        if isinstance(part, FunctionCall)
        and any((part.name, part.arguments) == (one.name, one.arguments) for one in splits)
    }
    fits = {one.location.path for one in facts.trainer_calls if one.method == "fit"}
    seeding = {one.location.path for one in seeds(facts) if one.name not in _others(function)}
    later = (
        one for one in facts.trainer_calls if any((data, one.method) in fed for data in one.data)
    )
    alone = (one for one in later if _is_program(one) and one.location.path not in fits | seeding)
    return next(alone, None) if seeding <= fits else None


def _is_program(call: TrainerCall) -> bool:
    """Whether a trained model is evaluated by a program of its own: no other one is likely to call
    what does it."""
    trained = call.ckpt_path != ABSENT or call.from_checkpoint or call.reloaded
    return trained and call.scope.rpartition(":")[2] in ("", "main")


UNSEEDED_THERE = "draws from a global state that a script which tests by itself does not seed"
UNSEEDED = "draws from a global state that nothing seeds: each run and each process has its own"


def _unseeded(self: Rule, facts: ProjectFacts) -> Iterator[tuple[str, Finding]]:
    """The splits that draw from a global state, whether something seeds that or not, and the
    functions that draw."""
    writes = parts_written(facts)
    for split in facts.splits:
        meant = split.seeded or _is_written_down(facts, split, writes)
        meant = meant or _is_of_one_fit(facts, split)
        if not meant and not _is_asked_for(facts, split):
            argument = seed_argument(split.function)
            of_numpy = split.function.startswith("numpy.")
            yield (
                split.function,
                self.finding(
                    split.location,
                    f"{split.function} {UNSEEDED} split",
                    remedy="draw from numpy.random.default_rng(42)"
                    if of_numpy
                    else f"pass {argument}= with a fixed seed",
                    fix=None if of_numpy else with_a_seed(split.location, argument),
                ),
            )
    for call in facts.calls_of("frac="):
        if _draws_a_part(facts, call) and not any(follows(one, call) for one in writes):
            yield (
                "sample",
                self.finding(
                    call.location,
                    f"sample {UNSEEDED} split",
                    remedy="pass random_state= with a fixed seed",
                    fix=with_a_seed(call.location, "random_state"),
                ),
            )
    told = {split.location for split in facts.splits}
    for owner in facts.classes:
        for call in facts.calls_in(owner, *SHUFFLING):
            if call.location in told or not _splits_data(owner, call):
                continue
            if not any(follows(one, call) for one in writes):
                yield (
                    call.name,
                    self.finding(
                        call.location,
                        f"{call.name} {UNSEEDED} order",
                        remedy="shuffle with a generator that has a fixed seed",
                        subject=owner.short_name,
                    ),
                )


def _trains_once(facts: ProjectFacts) -> bool:
    """Whether each run is seen to be one process that uses its split until the end, and no other
    run needs the same."""
    once = all(one.method == "fit" and one.ckpt_path == ABSENT for one in facts.trainer_calls)
    loads = any(not facts.in_tests(one.location) for one in facts.calls_of(LOADING))
    return bool(facts.trainer_calls) and once and single_device(facts) and not loads


def _is_of_one_fit(facts: ProjectFacts, split: SplitSite) -> bool:
    """Whether ``setup`` splits for fit alone, on one device, where no fit goes on with what another
    one has trained: tests do without it."""
    drawing = facts.calls_of(*SPLITTING, *SHUFFLING)
    made = [one for one in drawing if one.location == split.location]
    alone = bool(made) and all(
        one.hook == "setup" and "'fit'" in one.guards and OTHER_STAGES.isdisjoint(one.guards)
        for one in made
    )
    return alone and single_device(facts) and not any(map(_goes_on, facts.trainer_calls))


OTHER_STAGES = frozenset({"'validate'", "'test'", "'predict'"})


def _goes_on(call: TrainerCall) -> bool:
    return call.method == "fit" and (call.ckpt_path != ABSENT or call.from_checkpoint)


def _is_written_down(facts: ProjectFacts, split: SplitSite, writes: Sequence[CallSite]) -> bool:
    """Whether what a split gives is kept in a file, to be read again."""
    drawing = (
        call
        for call in facts.calls_of(*SPLITTING, *MASKS, *SHUFFLING)
        if call.location == split.location
    )
    return any(follows(one, call) for call in drawing for one in writes)


def _is_asked_for(facts: ProjectFacts, split: SplitSite) -> bool:
    """Whether a condition decides between this split and one with a seed: who takes this one asks
    for chance."""
    seeded = {one.location for one in facts.splits if one.seeded}
    drawn = facts.calls_of(*SPLITTING, *SHUFFLING)
    mine = {_under(one) for one in drawn if one.location == split.location and one.guards}
    return any(_under(one) in mine for one in drawn if one.location in seeded)


def _under(call: CallSite) -> tuple[str, str, str, tuple[str, ...]]:
    return call.location.path, call.owner, call.function, call.guards


def _draws_a_part(facts: ProjectFacts, call: CallSite) -> bool:
    """Whether pandas draws rows without a seed, and the same function makes two parts of them."""
    if not call.complete or not must_be(call.argument("random_state"), None):
        return False
    if not call.name.endswith(".sample") or facts.in_tests(call.location):
        return False
    return any(
        (part.location.path, part.function) == (call.location.path, call.function)
        and any(_is_of(call, origin) for origin in sure_parts(part.origin))
        for part in (*_halves(facts), *facts.rests)
    )


def _halves(facts: ProjectFacts) -> tuple[SliceSite, ...]:
    """The parts of tables whose rows were drawn that end where another one begins."""
    drawn = tuple(one for one in facts.slices if _is_drawn(one.origin))
    first = frozenset(_cut_in_two(drawn))
    return tuple(one for one in drawn if one.location in first)


def _is_drawn(origin: Origin) -> bool:
    return any(map(is_drawn, sure_parts(origin)))


def _is_of(call: CallSite, origin: Origin) -> bool:
    """Whether a value is what this call has drawn, by its arguments."""
    drawn = isinstance(origin, FunctionCall) and is_drawn(origin)
    return drawn and isinstance(origin, FunctionCall) and origin.arguments == call.arguments


def _splits_data(owner: ClassFacts, call: CallSite) -> bool:
    """Whether a data module shuffles where each process makes its data sets. What ``prepare_data``
    shuffles one process alone does, mostly to choose what it downloads."""
    where = call.hook in ("__init__", "setup")
    return owner.kind == "datamodule" and where and must_be(call.argument("generator"), None)


@rule(
    "LTN411",
    "order-of-a-set",
    rows=("REP11",),
    status=Status.SUSPECTED,
    observers="both",
    condition="on another machine, or when files come and go",
    calls=(*SPLITTING, *SEEDING, *WRITING, *COPYING, CLI),
)
def order_of_files(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """Training depends on the order of a set, on the hash of a text, or on the file system.

    What it does
    ------------
    Finds `random_split` and `train_test_split` of what `os.listdir`, `glob` or `Path.iterdir`
    gave, or of its numbers (`range(len(files))`) by which the same function takes its items, of a
    data set of the project that keeps it so, and two parts of it that meet (`files[:n]` and
    `files[n:]`), where no branch sorts; and one file for training and another one for
    evaluation that are known by their numbers alone (`train = read(files[0])`,
    `test = read(files[1])`), and classes that are numbered as their folders are listed
    (`{name: i for i, name in enumerate(os.listdir(root))}`). A
    split that nothing seeds is left alone: chance decides it, whatever the order (LTN406), and so
    is one that is made once: where a file or a folder is not there yet (`if not path.exists():`),
    or where the same function then copies the files or writes the parts down. A run fits the module
    in processes with two values of PYTHONHASHSEED: fits with the same value are equal, those with
    different ones are not.

    Why is this bad
    ---------------
    Files are listed in another order on another machine, and then the same seed makes another
    split: what was held out is trained on. Python draws a new hash seed for each process, so
    `list(set(labels))` is another order each time, and class 0 another class: a checkpoint of one
    run predicts nonsense in the next one. No seed governs either.

    Example
    -------
        files = os.listdir("images")
        train, val = train_test_split(files, random_state=0)

    Use instead
    -----------
        files = sorted(os.listdir("images"))
        train, val = train_test_split(files, random_state=0)

    For labels, `enumerate(sorted(set(names)))`; for a seed made of a text, use
    `zlib.crc32(text.encode())` in place of `hash(text)`.

    When to ignore
    --------------
    Where the split is made once and written down.

    References
    ----------
    - https://docs.python.org/3/library/os.html#os.listdir
    - https://docs.python.org/3/using/cmdline.html#envvar-PYTHONHASHSEED
    """
    free = _left_to_chance(facts) | _made_once(facts)
    listed = [
        call.location
        for call in facts.calls_of(*SPLITTING)
        if call.location not in free and any(map(_is_listed, _split_by(call)))
    ]
    files = tuple(
        one for one in facts.slices if not _is_drawn(one.origin) and one.location not in free
    )
    for location in dict.fromkeys((*listed, *_cut_in_two(files), *_told_by_number(facts))):
        yield self.finding(
            location,
            "the order in which the file system lists files decides the split, and it differs "
            "between machines",
            remedy="sort the files first",
        )
    for one in facts.numbered:
        if not facts.in_tests(one.location):
            yield self.finding(
                one.location,
                "classes get their numbers in the order in which the file system lists their "
                "folders, and it differs between machines",
                remedy="sort the folders first",
            )
    for location, kept in _split_as_kept(facts):
        if location not in free:
            yield self.finding(
                location,
                f"{kept} holds files in the order in which the file system lists them, which "
                "decides the split and differs between machines",
                remedy=f"sort them where {kept} is made",
            )


def _made_once(facts: ProjectFacts) -> frozenset[Location]:
    """The splits whose parts stay as they are: they are made where they are not there yet, or get
    files or folders of their own."""
    kept = (*parts_written(facts), *copies(facts))
    return frozenset(
        one.location
        for one in (*facts.calls_of(*SPLITTING), *facts.slices)
        if MISSING in one.guards or any(follows(write, one) for write in kept)
    )


def _split_as_kept(facts: ProjectFacts) -> Iterator[tuple[Location, str]]:
    """The splits of data sets that hand out files as they were listed, and where they keep them."""
    kept = {one.owner: one.attribute for one in facts.listed}
    for call in facts.calls_of(*SPLITTING):
        data = (call.argument("dataset", 0), call.numbers_of)
        for one in (one for one in data if isinstance(one, Made) and one.name in kept):
            yield call.location, f"{one.name.rpartition('.')[2]}.{kept[one.name]}"


def _split_by(call: CallSite) -> Iterator[Origin]:
    """What a split is given is made of, and what it is given the numbers of."""
    yield from (origin for _, origin in call.origins)
    yield call.numbers_origin


def _is_listed(origin: Origin) -> bool:
    """Whether files are split as they were listed. A part of them that an earlier split gave is
    told of there."""
    found = list(sure_parts(origin))
    split = any(isinstance(part, FunctionCall) and part.name in SPLITTING for part in found)
    return not split and any(map(is_listing, found))


def _left_to_chance(facts: ProjectFacts) -> frozenset[Location]:
    """The splits that nothing seeds: each run has another one, however the files are sorted. What
    draws from torch is not seeded by ``np.random.seed``."""
    if uses_cli(facts):
        return frozenset()
    return frozenset(one.location for one in facts.splits if not _is_governed(facts, one))


def _is_governed(facts: ProjectFacts, split: SplitSite) -> bool:
    """Whether a seed decides what a split draws: its own, or one that its program sets. Where a
    script trains by itself, the seeds of the scripts beside it that do so too are not its own."""
    path = split.location.path
    training = {call.location.path for call in facts.trainer_calls}
    beside = training - {path} if path in training else set()
    around = (call for call in _seeds(facts) if call.location.path not in beside)
    return split.seeded or any(call.name not in _others(split.function) for call in around)


def _seeds(facts: ProjectFacts) -> tuple[CallSite, ...]:
    """The seeds that may stand before a split: those of a data set's items come after it."""
    found = [one for one in seeds(facts) if one.function not in ITERATING]
    of_items = {one.location for one in found if one.items_of}
    return tuple(one for one in found if one.location not in of_items)


ITERATING = ("__iter__", "__next__")
"""Methods in which a stream gives its items."""


def _cut_in_two(slices: tuple[SliceSite, ...]) -> Iterator[Location]:
    """Where the first of two or more parts stands: one ends where the next begins."""
    begins = {(*_list(one), one.lower) for one in slices if one.lower}
    ends = {(*_list(one), one.upper) for one in slices if one.upper}
    return (
        one.location
        for one in slices
        if (*_list(one), one.upper) in begins and (*_list(one), one.lower) not in ends
    )


def _told_by_number(facts: ProjectFacts) -> Iterator[Location]:
    """Where a file is taken for training by its number, of a list of which all that is taken by
    number is for training or else for evaluation."""
    lists: dict[tuple[str, str, str], list[PickSite]] = {}
    for one in facts.picks:
        lists.setdefault(_list(one), []).append(one)
    for picks in lists.values():
        train = [one for one in picks if FOR_TRAINING.search(one.assigned)]
        held_out = [one for one in picks if FOR_EVALUATION.search(one.assigned)]
        apart = {one.index for one in train}.isdisjoint(one.index for one in held_out)
        asked = any(_root(one.of) in one.guards for one in picks)
        if train and held_out and apart and not asked and len(train) + len(held_out) == len(picks):
            yield train[0].location


FOR_TRAINING = re.compile(r"(^|[._])(train|training)(_|$)")
FOR_EVALUATION = re.compile(r"(^|[._])(test|testing|val|valid|validation|dev|eval)(_|$)")


def _root(text: str) -> str:
    return text.rpartition(".")[2]


def _list(site: SliceSite | PickSite) -> tuple[str, str, str]:
    return site.location.path, site.function, site.of
