"""Data that one process prepares, or all of them at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pl_lint.facts.lightning import Version
from pl_lint.facts.sites import AssignmentSite, CallSite, ClassFacts, ProjectFacts
from pl_lint.facts.values import Known, Made, must_be
from pl_lint.facts.words import MISSING
from pl_lint.findings import Finding, Location, Status
from pl_lint.rules.distributed.evidence import for_one_rank, forks
from pl_lint.rules.judging import (
    LOADING,
    beyond_one_device,
    is_only_loaded,
    run_on_several,
    version_at,
)
from pl_lint.rules.registry import Rule, rule
from pl_lint.rules.wording import listed

KINDS = ("module", "datamodule")
EVERYWHERE = frozenset(
    [
        *("setup", "configure_model", "on_fit_start", "on_train_start"),
        *("train_dataloader", "val_dataloader", "test_dataloader", "predict_dataloader"),
    ]
)
"""Hooks that every process runs."""
PREPARE = ".prepare_data"
RUNS = tuple(f"lightning.pytorch.Trainer.{name}" for name in ("fit", "validate", "test", "predict"))
ON_EVERY_RANK = EVERYWHERE | {"__init__"}


@rule(
    "LTN502",
    "state-in-prepare-data",
    rows=("DDP02",),
    status=Status.SUSPECTED,
    observers="both",
    calls=(PREPARE, LOADING),
    condition="if several processes train",
)
def state_in_prepare_data(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """prepare_data assigns state that other ranks lack.

    What it does
    ------------
    Reading finds attributes that `prepare_data` assigns, that other methods use, that no hook of
    every process assigns as well, and that are no constants: one finding for each `prepare_data`,
    at the first of them. A class whose `prepare_data` code outside of tests calls itself, on every
    rank, and one that no Trainer in sight can run on several devices by what is written (as in
    LTN503, to say nothing is to take all), are left alone; so is one in a file that nothing
    reaches in a project that trains elsewhere, and one that is only loaded from checkpoints and
    that no Trainer in sight runs, and those of Lightning before 1.6 that spawned its
    processes after `prepare_data`.
    Running notes what is assigned on rank zero, who reads it afterwards, and what the other ranks
    have in its place.

    Why is this bad
    ---------------
    Lightning calls `prepare_data` in one process. The others raise AttributeError, or go on with a
    default from `__init__`: they train on data that are not normalised, and nothing says so.

    Example
    -------
        class Data(LightningDataModule):
            def prepare_data(self):
                self.mean = load().mean()

            def train_dataloader(self):
                return DataLoader(load() - self.mean, batch_size=32, shuffle=True)

    Use instead
    -----------
        class Data(LightningDataModule):
            def prepare_data(self):
                download()

            def setup(self, stage):
                self.mean = load().mean()

            def train_dataloader(self):
                return DataLoader(load() - self.mean, batch_size=32, shuffle=True)

    When to ignore
    --------------
    Where the code only ever runs in one process.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/data/datamodule.html#prepare-data
    - https://github.com/Lightning-AI/pytorch-lightning/issues/11220
    """
    told: set[Location] = set()  # one that inherits prepare_data has its own part left to tell
    for owner in beyond_one_device(facts, facts.classes):
        judged = owner.kind in KINDS and run_on_several(facts, owner)
        if not judged or not _only_lightning_prepares(facts, owner) or is_only_loaded(facts, owner):
            continue
        if _is_copied(facts, owner):
            continue
        sites = [one for one in _only_prepared(owner) if one.location not in told]
        used = [one for one in sites if _used_elsewhere(facts, owner, one.attribute)]
        told.update(one.location for one in used)
        if used:
            yield self.finding(
                used[0].location,
                f"{_named(used)} assigned in prepare_data, which one process runs: the others "
                f"never have {'it' if len(used) == 1 else 'them'}",
                remedy=f"assign {'it' if len(used) == 1 else 'them'} in setup, which every process "
                "runs",
                subject=owner.short_name,
            )


def _named(sites: list[AssignmentSite]) -> str:
    """The attributes in words, the first few of them by name."""
    names = listed(f"self.{one.attribute}" for one in sites)
    return f"{names} {'is' if len(sites) == 1 else 'are'}"


PREPARED_IN_WORKERS: Version = (1, 6)
"""Before, ``prepare_data`` ran in the process that others were spawned from, with all it had."""


def _is_copied(facts: ProjectFacts, owner: ClassFacts) -> bool:
    """Whether every process of its Trainers, or else of all in sight, begins as a copy of the one
    that prepared."""
    trainers = facts.programs.trainers_of(owner) or facts.trainers
    versions = [(one, version_at(facts, one.location)) for one in trainers]
    return bool(versions) and all(
        version < PREPARED_IN_WORKERS and forks(trainer, version) for trainer, version in versions
    )


def _only_lightning_prepares(facts: ProjectFacts, owner: ClassFacts) -> bool:
    """Whether the class has a prepare_data that no code calls on every rank."""
    has = any(one.name == "prepare_data" for one in owner.own_methods)
    return has and not any(_prepares(facts, call, owner) for call in facts.calls_of(PREPARE))


def _prepares(facts: ProjectFacts, call: CallSite, owner: ClassFacts) -> bool:
    """Whether a call runs ``prepare_data`` of a class on every rank.

    What Lightning runs on one rank, and what a test runs, does not. Of an object that is not known
    nobody can say whose method it is. A copy of a class is used as the class is: what counts is the
    name.
    """
    if call.hook == "prepare_data" or for_one_rank(call.guards) or facts.in_tests(call.location):
        return False
    kind = call.name.removesuffix(PREPARE)
    if kind in ("self", "super"):
        kind = call.owner
    if not kind or kind.startswith("self."):  # self.trainer.datamodule
        return True
    given = (one for one in facts.classes if one.name == kind)
    names = (name for one in given for name in (one.name, *one.ancestors))
    return any(name.rpartition(".")[2] == owner.short_name for name in names)


def _only_prepared(owner: ClassFacts) -> Iterator[AssignmentSite]:
    """The first assignment of each attribute that only ``prepare_data`` gives its value."""
    seen = {one.attribute for one in owner.assignments if one.hook in EVERYWHERE}
    for site in owner.assignments:
        prepared = site.hook == "prepare_data" and not isinstance(site.value, Known)
        if prepared and site.attribute not in seen:
            seen.add(site.attribute)
            yield site


def _used_elsewhere(facts: ProjectFacts, owner: ClassFacts, attribute: str) -> bool:
    """Whether a method that does not run below ``prepare_data`` mentions an attribute."""
    words: dict[str, frozenset[str]] = {}
    for one in facts.classes:
        if one is owner or owner.name in one.ancestors or one.name in owner.ancestors:
            for method in one.own_methods:
                words[method.name] = words.get(method.name, frozenset()) | method.words
    prepared = _reached(words, {"prepare_data"})
    others = _reached(words, words.keys() - prepared - {"__init__"})
    return any(attribute in words[name] for name in others)


def _reached(words: Mapping[str, frozenset[str]], roots: set[str]) -> set[str]:
    """The methods that some methods mention, and those that these mention in turn."""
    reached: set[str] = set()
    waiting = set(roots)
    while waiting:
        name = waiting.pop()
        reached.add(name)
        waiting |= (words[name] & words.keys()) - reached
    return reached


BY_POSITION = tuple(
    f"torchvision.datasets.{name}"
    for name in ("MNIST", "FashionMNIST", "KMNIST", "CIFAR10", "CIFAR100", "SVHN", "USPS")
)
"""Data sets that are told to download by their fifth argument as well."""
POSITION = 4
FETCHING = (
    *("urllib.request.urlretrieve", "wget.download", "gdown.download"),
    *("torch.hub.download_url_to_file", "torchvision.datasets.utils.download_url"),
    "torchvision.datasets.utils.download_and_extract_archive",
)
"""Functions that write what they fetch to a file, and lock nothing."""


@rule(
    "LTN503",
    "data-written-by-every-rank",
    rows=("DDP03",),
    status=Status.SUSPECTED,
    observers="both",
    calls=("download=", ".setup", *RUNS, *FETCHING, *BY_POSITION),
    condition="if several processes start on a machine that lacks the data",
)
def data_written_by_every_rank(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """Every rank downloads or writes the same file while data are set up.

    What it does
    ------------
    Reading finds `download=True` and `download=not path.exists()`, and functions that download
    (`urlretrieve`, `gdown.download`), in `__init__`, `setup` and the dataloader hooks. Where
    `prepare_data` downloads the same, where no Trainer in sight can have several devices by what is
    written, and where a script calls `setup` by itself and gives Trainers the loaders, it is
    silent. Running notes files that more than one rank opens for writing in `setup` or a
    dataloader hook. Those that are added to, or made after asking whether there is one, are
    suspected only.

    Why is this bad
    ---------------
    The ranks write at the same time. One of them reads what another has written by half.

    Example
    -------
        class Data(LightningDataModule):
            def train_dataloader(self):
                data = torchvision.datasets.MNIST(".", download=True)
                return DataLoader(data, batch_size=32, shuffle=True)

    Use instead
    -----------
        class Data(LightningDataModule):
            def prepare_data(self):
                torchvision.datasets.MNIST(".", download=True)

            def train_dataloader(self):
                data = torchvision.datasets.MNIST(".")
                return DataLoader(data, batch_size=32, shuffle=True)

    When to ignore
    --------------
    Where the data always are there before.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/data/datamodule.html#prepare-data
    """
    for owner in beyond_one_device(facts, facts.classes):
        judged = owner.kind in KINDS and run_on_several(facts, owner)
        if not judged or _is_set_up_by_hand(facts, owner):
            continue
        calls = facts.calls_in(owner, "download=", *FETCHING, *BY_POSITION)
        prepared = {one.name for one in calls if one.hook == "prepare_data"}
        for call in calls:
            if _downloads(facts, call) and call.hook in ON_EVERY_RANK and call.name not in prepared:
                yield self.finding(
                    call.location,
                    f"every process downloads this in {call.hook}: one may read what another has "
                    "written by half",
                    remedy="download in prepare_data, which one process runs",
                    subject=owner.short_name,
                )


def _is_set_up_by_hand(facts: ProjectFacts, owner: ClassFacts) -> bool:
    """Whether a script sets data up itself, before there are processes, and no Trainer gets the
    object."""
    by_hand = [call for call in facts.calls_of(f"{owner.name}.setup") if not call.hook]
    return bool(by_hand) and not any(map(_may_get_data, facts.calls_of(*RUNS)))


def _may_get_data(call: CallSite) -> bool:
    """Whether a Trainer may be given an object of a LightningDataModule, which may stand in the
    place of the first loader."""
    if not call.complete or call.gives("datamodule", 3):
        return True
    first = call.argument("", 1)
    loader = isinstance(first, Made) and first.name.endswith("Loader")
    return call.gives("", 1) and not loader and not call.gives("val_dataloaders", 2)


def _downloads(facts: ProjectFacts, call: CallSite) -> bool:
    """Whether a data set, or a function, is told to download; a base that is built with the
    argument may do what it likes with it."""
    position = POSITION if call.name in BY_POSITION else -1
    asked = call.name in FETCHING or must_be(call.argument("download", position), True)
    asked = asked or dict(call.written).get("download") == MISSING
    asked = asked and not for_one_rank(call.guards)
    return asked and not call.name.endswith(".__init__") and not facts.in_tests(call.location)
