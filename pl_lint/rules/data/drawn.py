"""Items that are drawn anew each time that a sample is asked for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePath

from pl_lint.facts import lightning, seeding
from pl_lint.facts.sites import CallSite, LoaderSite, ProjectFacts
from pl_lint.facts.values import Known, Made
from pl_lint.facts.words import words_of
from pl_lint.findings import Finding, Location, Status
from pl_lint.rules.data.sharing import feeds
from pl_lint.rules.registry import Rule, rule

BY_PYTHON = tuple(
    f"random.{name}"
    for name in (
        *("random", "randint", "randrange", "uniform", "gauss", "normalvariate", "betavariate"),
        *("choice", "choices", "sample", "shuffle"),
    )
)
BY_NUMPY = tuple(
    f"numpy.random.{name}"
    for name in (
        *("rand", "randn", "randint", "random", "random_sample", "uniform", "normal", "beta"),
        *("choice", "permutation", "shuffle", "binomial", "poisson", "exponential"),
    )
)
BY_TORCH = tuple(
    f"torch.{name}"
    for name in (
        *("rand", "randn", "randint", "randperm", "rand_like", "randn_like", "randint_like"),
        *("normal", "bernoulli", "multinomial"),
    )
)
DRAWS = (*BY_PYTHON, *BY_NUMPY, *BY_TORCH)
SEEDS = (*seeding.SEEDS, lightning.SEED_EVERYTHING, ".seed_everything")
SEEDING = re.compile("seed|rng|random|state|determ")
"""What context managers are called that see to the generators."""
MADE_UP = frozenset(
    "random rand dummy fake toy synthetic simulated noise noisy boring mock".split()
)
"""Words of a data set that has no data."""


@rule(
    "LTN814",
    "evaluation-items-drawn",
    rows=("DAT04",),
    status=Status.SUSPECTED,
    condition="if the scores of two evaluations are compared, as a checkpoint's monitor does",
    calls=(*DRAWS, *SEEDS),
)
def evaluation_items_drawn(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A data set draws at random for each item, in validation and testing as well.

    What it does
    ------------
    Finds `__getitem__` of a data set, and methods that it calls, that draw from `random`,
    `np.random` or torch's own generator whatever the item is for, where a validation or test loader
    is given such a data set. Silent where a condition decides (`if self.train:`), where training
    builds it with another number or another True or False, where a class of that file, a hook of an
    evaluation or the loader's workers are seeded, and for data sets called random, dummy or alike.

    Why is this bad
    ---------------
    Each evaluation measures other crops, masks or negatives. The score moves although the model has
    not changed, and the checkpoint that is kept as the best one is the one with the luckiest draw.
    Seeding the run does not help: the second epoch goes on where the first one stopped.

    Example
    -------
        class Clips(torch.utils.data.Dataset):
            def __init__(self, waves):
                self.waves = waves

            def __getitem__(self, index):
                start = random.randint(0, len(self.waves[index]) - 16000)
                return self.waves[index][start : start + 16000]

        class Data(LightningDataModule):
            def val_dataloader(self):
                return DataLoader(Clips(self.held_out))

    Use instead
    -----------
        class Clips(torch.utils.data.Dataset):
            def __init__(self, waves, train=False):
                self.waves = waves
                self.train = train

            def __getitem__(self, index):
                start = 0
                if self.train:
                    start = random.randint(0, len(self.waves[index]) - 16000)
                return self.waves[index][start : start + 16000]

        class Data(LightningDataModule):
            def val_dataloader(self):
                return DataLoader(Clips(self.held_out))

    Or draw from a generator that is seeded with the index: `random.Random(index)`.

    When to ignore
    --------------
    Where many draws of each item are averaged, or nobody compares the scores.

    References
    ----------
    - https://pytorch.org/docs/stable/notes/randomness.html#dataloader
    """
    seeds = facts.calls_of(*SEEDS)
    if any(one.stage in ("validate", "test") for one in seeds):
        return
    seeded = {one.location.path for one in seeds if one.home}
    ways: dict[Location, list[CallSite]] = {}
    for call in facts.calls_of(*DRAWS):
        if call.loading and call.location.path not in seeded and not facts.in_tests(call.location):
            ways.setdefault(call.location, []).append(call)
    draws: dict[tuple[str, str], CallSite] = {}
    for calls in ways.values():
        if all(map(_is_always_drawn, calls)):
            draws.setdefault(_home(calls[0]), calls[0])
    told: set[tuple[str, str]] = set()
    for loader in facts.loaders:
        of = _data_set(loader)
        draw = draws.get(of)
        if draw is None or of in told or not _measures(facts, loader):
            continue
        told.add(of)
        name = draw.home
        stage = "validation" if loader.stage == "validate" else "test"
        yield self.finding(
            draw.location,
            f"{name} draws at random for every item, and the {stage} data ({loader.location}) are "
            "one: each evaluation measures other items",
            remedy="draw for training only, or from a generator that is seeded with the index",
            subject=name,
        )


def _home(call: CallSite) -> tuple[str, str]:
    """The module and the class that hold a call."""
    path = PurePath(call.location.path)
    return path.parent.name if path.stem == "__init__" else path.stem, call.home


def _is_always_drawn(call: CallSite) -> bool:
    """Whether each item is drawn: under no condition, not in place of one that cannot be read, and
    not where something around it may seed."""
    in_handler = any(number for _, number in call.arms)
    seeded = any(map(SEEDING.search, call.within))
    return not (call.guards or seeded or in_handler or call.gives("generator"))


def _data_set(loader: LoaderSite) -> tuple[str, str]:
    """The module and the class of what a loader is given."""
    data = loader.dataset
    *_, module, name = ("", "", *data.name.split(".")) if isinstance(data, Made) else ("", "")
    return module, "" if MADE_UP.intersection(words_of(name)) else name


def _measures(facts: ProjectFacts, loader: LoaderSite) -> bool:
    """Whether a loader is there to evaluate, with data as training has them."""
    evaluates = loader.stage in ("validate", "test") and not facts.in_tests(loader.location)
    own = feeds(facts, loader, "train") or loader.gives("worker_init_fn", 9)
    return evaluates and not own and not _is_told_apart(facts, loader)


def _is_told_apart(facts: ProjectFacts, loader: LoaderSite) -> bool:
    """Whether the loader for training is given a data set of the class that was built with another
    number, or with another True or False: how much is drawn, or whether."""
    told = _settings(loader)
    return any(
        _data_set(one) == _data_set(loader) and _settings(one) != told
        for one in facts.loaders
        if one.stage == "train"
    )


def _settings(loader: LoaderSite) -> dict[str, object]:
    given = loader.dataset.arguments if isinstance(loader.dataset, Made) else ()
    known = ((name, value.value) for name, value in given if isinstance(value, Known))
    return {name: value for name, value in known if isinstance(value, (bool, int, float))}
