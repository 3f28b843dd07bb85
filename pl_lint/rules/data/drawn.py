"""Items that are drawn anew each time that a sample is asked for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeGuard

from pl_lint.facts import lightning, seeding
from pl_lint.facts.origins import RANDOM_SPLITS, SUBSETS, FunctionCall
from pl_lint.facts.sites import CallSite, LoaderSite, ProjectFacts, Told
from pl_lint.facts.values import UNKNOWN, Known, Made, Value
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
    rows=("DAT04", "DAT03"),
    status=Status.SUSPECTED,
    condition="if the scores of two evaluations are compared, as a checkpoint's monitor does",
    calls=(*DRAWS, *SEEDS),
)
def evaluation_items_drawn(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A data set draws at random for each item, in validation and testing as well.

    What it does
    ------------
    Finds `__getitem__` of a data set, and methods and functions that it calls, that draw from
    `random`, `np.random` or torch's own generator whatever the item is for, where a validation or
    test loader is given such a data set, a `Subset` or a part of `random_split` of one. A condition
    may ask for a size (`if len(wave) > self.max_length:`), and for what the data set was built with
    (`if self.augment:`) where this one was built so, or just as that of training was. Silent where
    anything else decides, where code sets that attribute, where training builds the data set with
    another number or another True or False, where a class of that file, a hook of an evaluation or
    the loader's workers are seeded, and for data sets called random, dummy or alike.

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
    homes = dict(facts.inherited_items)
    draws = _draws(facts, seeds)
    told: set[str] = set()
    for loader in facts.loaders:
        of = _items_of(loader, homes)
        counting = (one for one in draws.get(of, ()) if _is_drawn_for(facts, one, loader))
        draw = next(counting, None) if of not in told else None
        if draw is None or not _measures(facts, loader, homes):
            continue
        told.add(of)
        data = _whole(loader)
        name = (data.name if isinstance(data, Made) else of).rpartition(".")[2]
        stage = "validation" if loader.stage == "validate" else "test"
        yield self.finding(
            draw.location,
            f"{name} draws at random for every item, and the {stage} data ({loader.location}) are "
            "one: each evaluation measures other items",
            remedy="draw for training only, or from a generator that is seeded with the index",
            subject=name,
        )


def _draws(facts: ProjectFacts, seeds: Sequence[CallSite]) -> dict[str, list[CallSite]]:
    """The draws that a class makes for each of its items, whoever asks for them or by what its
    objects were built with, by the name of the class."""
    seeding = {one.items_of for one in seeds}
    seeded = {one.location.path for one in seeds if one.home}
    ways: dict[tuple[str, Location], list[CallSite]] = {}
    for call in facts.calls_of(*DRAWS):
        free = call.items_of not in seeding and call.location.path not in seeded
        if call.items_of and free and not facts.in_tests(call.location):
            ways.setdefault((call.items_of, call.location), []).append(call)
    found: dict[str, list[CallSite]] = {}
    for (home, _), calls in ways.items():
        if all(map(_is_always_drawn, calls)):
            found.setdefault(home, []).append(calls[0])
    return found


def _is_always_drawn(call: CallSite) -> bool:
    """Whether each item is drawn: under no condition, or that of its size or of what the data set
    was built with, not in place of one that cannot be read, and not where something around it may
    seed."""
    seeded = any(map(SEEDING.search, call.within))
    asked = {f"self.{one.attribute}" for one in call.if_told}
    drawn = (call.for_all or bool(call.if_told)) and asked.issuperset(call.needed_if)
    return drawn and not (seeded or call.gives("generator"))


def _is_drawn_for(facts: ProjectFacts, call: CallSite, loader: LoaderSite) -> bool:
    """Whether the data set of a loader was built so that it draws: surely, or just as one of the
    same class that training draws from."""
    data = _whole(loader)
    if not call.if_told:
        return True
    if not isinstance(data, Made) or data.name != call.items_of:
        return False
    return all(_holds(facts, loader, data, one) for one in call.if_told)


def _holds(facts: ProjectFacts, loader: LoaderSite, data: Made, told: Told) -> bool:
    """Whether what a data set was built with meets a condition: surely, or if that of training
    does, which shares it or is told the same in the same words."""
    surely = told.holds(told.given(data))
    if surely is not None:
        return surely
    return any(
        one.stage == "train" and (_are_parts(one, loader) or _is_told_so(one, loader, told))
        for one in facts.loaders
        if _is_made(_whole(one), data.name)
    )


def _are_parts(one: LoaderSite, other: LoaderSite) -> bool:
    """Whether one ``random_split`` made the data of both."""
    split = isinstance(one.origin, FunctionCall) and one.origin.name in RANDOM_SPLITS
    return split and one.owner == other.owner and one.origin == other.origin


def _is_told_so(one: LoaderSite, other: LoaderSite, told: Told) -> bool:
    """``length=self.length``, in the calls that make the data of both."""
    given = re.compile(rf"\b{told.parameter}=([\w.\[\]'\"]+)[,)]")
    texts = [given.search(each.made_by) for each in (one, other)]
    return None not in texts and len({text[1] for text in texts if text}) == 1


def _is_made(value: Value, name: str) -> TypeGuard[Made]:
    return isinstance(value, Made) and value.name == name


def _items_of(loader: LoaderSite, homes: Mapping[str, str]) -> str:
    """The class that makes the items of a loader, of parts of a data set that of the whole."""
    data = _whole(loader)
    name = data.name if isinstance(data, Made) else ""
    made_up = not MADE_UP.isdisjoint(words_of(name.rpartition(".")[2]))
    return "" if made_up else homes.get(name, name)


def _whole(loader: LoaderSite) -> Value:
    """The data set of a loader, or the one that it has a part of."""
    match loader.dataset, loader.origin:
        case Made(name, given), _ if name in SUBSETS:
            return dict(given).get("dataset", dict(given).get("0", UNKNOWN))
        case Made(), _:
            return loader.dataset
        case _, FunctionCall(name, given) if name in RANDOM_SPLITS:
            return dict(given).get("dataset", dict(given).get("0", UNKNOWN))
    return UNKNOWN


def _measures(facts: ProjectFacts, loader: LoaderSite, homes: Mapping[str, str]) -> bool:
    """Whether a loader is there to evaluate, with data as training has them."""
    evaluates = loader.stage in ("validate", "test") and not facts.in_tests(loader.location)
    if _is_changed_below(facts, loader):
        return False
    own = feeds(facts, loader, "train") or loader.gives("worker_init_fn", 9)
    return evaluates and not own and not _is_told_apart(facts, loader, homes)


def _is_changed_below(facts: ProjectFacts, loader: LoaderSite) -> bool:
    """Whether code reaches for the data set behind a part: ``self.val_set.dataset.augment = False``
    or a copy of it."""
    near = (one for one in facts.reaches if one.location.path == loader.location.path)
    return any("dataset" in (one.attribute, *one.receiver.split(".")) for one in near)


def _is_told_apart(facts: ProjectFacts, loader: LoaderSite, homes: Mapping[str, str]) -> bool:
    """Whether the loader for training is given a data set of the class that was built with another
    number, with another True or False, or is told something by its name that this one is not: how
    much is drawn, or whether."""
    told, home = _settings(loader), _items_of(loader, homes)
    return any(
        _items_of(one, homes) == home and _settings(one) != told
        for one in facts.loaders
        if one.stage == "train"
    )


def _settings(loader: LoaderSite) -> dict[str, object]:
    """The names by which a data set is told something, and the numbers among that."""
    data = _whole(loader)
    given = data.arguments if isinstance(data, Made) else ()
    values = {name: value.value for name, value in given if isinstance(value, Known)}
    numbers = {key: one for key, one in values.items() if isinstance(one, (bool, int, float))}
    return {**{name: None for name, _ in given if not name.isdecimal()}, **numbers}
