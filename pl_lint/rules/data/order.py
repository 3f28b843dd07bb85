"""In which order samples come."""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.facts.sites import (
    ABSENT,
    WHOLE,
    YES,
    LoaderSite,
    ProjectFacts,
    TrainerSite,
    made_of,
)
from pl_lint.facts.values import Known, Made, Unknown, Value, must_be
from pl_lint.findings import Finding, Location, Status
from pl_lint.fixes import DropArgument, Fix, SetArgument
from pl_lint.rules.data.sharing import feeds
from pl_lint.rules.distributed.evidence import deals_out, uses_several
from pl_lint.rules.registry import Rule, rule

ORDERED = ("Iterable", "Stream", "Web", "Chain", "Pipe", "Shuffle")
"""Words in the names of data sets that bring an order of their own."""
DRAWN = ("Fake", "Mock", "Random", "Dummy", "Toy", "Synthetic", "Empty")
"""Words in the names of data sets, or files, whose samples come in no order at all."""
LOAD = "datasets.load_dataset"
NUMBERS = ("torch.rand", "torch.randn", "torch.randint", "numpy.random.rand", "numpy.random.randn")
ONE = Known(1)
DECIDES = ("shuffle", "sampler", "batch_sampler")
STAGES = {"validate": "validation", "test": "test", "predict": "prediction"}


@rule(
    "LTN801",
    "evaluation-shuffled",
    rows=("DAT01",),
    status=Status.SUSPECTED,
    default=False,
    condition="if outputs are matched with the data, or not all of the data is used",
    fixable=True,
)
def evaluation_shuffled(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """Validation, test or prediction data are shuffled.

    What it does
    ------------
    Finds `shuffle=True` in loaders that a validation, test or predict hook returns, or that a
    script hands to `validate`, `test`, `predict` or as validation data to `fit`. Prediction is left
    alone where every Trainer that predicts takes a few batches (`limit_predict_batches=1`): samples
    to look at.

    Why is this bad
    ---------------
    Predictions no longer stand in the order of the data, pictures that are logged show other
    samples each epoch, and everything that is computed inside a batch moves from epoch to epoch.
    Lightning warns in every run, and where all of the data is used and no order is asked for
    nothing is wrong: of 15 findings in 244 public repositories 6 were mistakes and 8 harmless.
    So the rule is off by default.

    Example
    -------
        def val_dataloader(self):
            return DataLoader(self.val_set, batch_size=32, shuffle=True)

    Use instead
    -----------
        def val_dataloader(self):
            return DataLoader(self.val_set, batch_size=32)

    When to ignore
    --------------
    Where `limit_val_batches` is meant to see another part of the data each time.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/data/datamodule.html#val-dataloader
    - https://github.com/Lightning-AI/pytorch-lightning/issues/11856
    """
    for loader in facts.loaders:
        shuffled = must_be(loader.argument("shuffle", 2), True)
        counts = loader.stage in STAGES and not facts.in_tests(loader.location)
        if counts and shuffled and not (feeds(facts, loader, "train") or _looked_at(facts, loader)):
            yield self.finding(
                loader.location,
                f"{STAGES[loader.stage]} data are shuffled: outputs no longer stand in the order "
                "of the data set",
                remedy="leave shuffle out",
                fix=_without(facts, loader, "shuffle"),
            )


@rule(
    "LTN811",
    "evaluation-samples-dropped",
    rows=(),
    status=Status.SUSPECTED,
    default=False,
    condition="if the data do not divide into whole batches",
    fixable=True,
)
def evaluation_dropped(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """The last samples of validation, test or prediction data are dropped.

    What it does
    ------------
    Finds `drop_last=True` in loaders that a validation, test or predict hook returns, or that a
    script hands to `validate`, `test`, `predict` or as validation data to `fit`. Loaders that train
    as well, those of single samples and those of one batch (`batch_size=len(data)`) are left
    alone.

    Why is this bad
    ---------------
    Up to a batch of samples is never judged, the same ones in each epoch: a score of 1000 samples
    in batches of 128 is one of 896. Predictions are fewer than the data, and stand beside other
    rows. Many want whole batches, for a network or a loss that needs them, and a part of the data
    is enough to choose a checkpoint: so the rule, which finds something in 17 of 343 public
    repositories, is off by default.

    Example
    -------
        def test_dataloader(self):
            return DataLoader(self.test_set, batch_size=32, drop_last=True)

    Use instead
    -----------
        def test_dataloader(self):
            return DataLoader(self.test_set, batch_size=32)

    When to ignore
    --------------
    Where the number of samples is a multiple of the batch size, or the network takes whole batches
    only.

    References
    ----------
    - https://docs.pytorch.org/docs/stable/data.html#torch.utils.data.DataLoader
    """
    for loader in facts.loaders:
        whole = loader.of_single_samples or loader.sized_by == WHOLE
        dropped = must_be(loader.argument("drop_last", 8), True) and not whole
        counts = loader.stage in STAGES and not facts.in_tests(loader.location)
        if counts and dropped and not feeds(facts, loader, "train"):
            yield self.finding(
                loader.location,
                f"the last {STAGES[loader.stage]} samples that fill no batch are dropped",
                remedy="leave drop_last out",
                fix=_without(facts, loader, "drop_last"),
            )


@rule(
    "LTN815",
    "evaluation-drawn-with-replacement",
    rows=("DAT04", "DAT01"),
    status=Status.SUSPECTED,
    condition="if the scores are to be those of the data, or of two evaluations to be compared",
    fixable=True,
)
def evaluation_drawn(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """Validation or test samples are drawn with replacement.

    What it does
    ------------
    Finds loaders for validation or testing whose sampler is a WeightedRandomSampler (but with
    `replacement=False`), the ImbalancedDatasetSampler of torchsampler, or a
    `RandomSampler(data, replacement=True)`. It is silent where the data are those of training,
    where a `generator` is given, where a RandomSampler is told how many samples to draw
    (`num_samples`): a part of large data, on purpose; and where the same hook returns a loader
    without such a sampler as well.

    Why is this bad
    ---------------
    Each evaluation sees other samples, some twice and a third of them not at all, and of a weighted
    draw the classes are no longer those of the data: accuracy and F1 are those of a data set that
    does not exist, and a checkpoint is chosen by luck. Weights are there for training.

    Example
    -------
        def val_dataloader(self):
            sampler = WeightedRandomSampler(self.val_weights, len(self.val_set))
            return DataLoader(self.val_set, batch_size=32, sampler=sampler)

    Use instead
    -----------
        def val_dataloader(self):
            return DataLoader(self.val_set, batch_size=32)

    When to ignore
    --------------
    Where a new draw each time is meant: give the sampler a seeded `generator` to say so.

    References
    ----------
    - https://docs.pytorch.org/docs/stable/data.html#torch.utils.data.WeightedRandomSampler
    - https://github.com/ufoym/imbalanced-dataset-sampler
    """
    for loader in facts.loaders:
        counts = loader.stage in ("validate", "test") and not facts.in_tests(loader.location)
        sampler = _replacing(loader.argument("sampler", 3)) if counts else ""
        if sampler and not feeds(facts, loader, "train") and not _has_another(facts, loader):
            yield self.finding(
                loader.location,
                f"{sampler} draws {STAGES[loader.stage]} samples with replacement: other ones each "
                "time, and some never",
                remedy="leave the sampler out",
                fix=_without(facts, loader, "sampler"),
            )


def _has_another(facts: ProjectFacts, loader: LoaderSite) -> bool:
    """Whether the same stage of a class has a loader that draws nothing, beside it or instead."""
    beside = (one for one in facts.loaders if (one.owner, one.by) == (loader.owner, loader.by))
    return bool(loader.owner) and not all(_replacing(one.argument("sampler", 3)) for one in beside)


IMBALANCED = ("torchsampler.ImbalancedDatasetSampler", "torchsampler.imbalanced.")
RANDOM = ("torch.utils.data.RandomSampler", "torch.utils.data.sampler.RandomSampler")
WEIGHTED = tuple(one.replace("RandomSampler", "WeightedRandomSampler") for one in RANDOM)


def _replacing(sampler: Value) -> str:
    """The name of a sampler that surely draws with replacement, and from nobody's generator."""
    if not isinstance(sampler, Made) or sampler.argument("generator", 3) not in (None, ABSENT):
        return ""
    name = sampler.name.rpartition(".")[2]
    if sampler.name.startswith(IMBALANCED):
        return name
    if sampler.name in WEIGHTED:
        return name if sampler.argument("replacement", 2) in (None, YES) else ""
    whole = sampler.argument("num_samples", 2) in (None, ABSENT)
    return name if sampler.name in RANDOM and _with_replacement(sampler) and whole else ""


def _with_replacement(sampler: Made) -> bool:
    return sampler.argument("replacement", 1) == YES


def _looked_at(facts: ProjectFacts, loader: LoaderSite) -> bool:
    """Whether all that predicts takes a part of the data, in which order counts for nothing."""
    predicting = facts.programs.places_of(("predict",))
    limited = {one.location for one in facts.trainers if _takes_part(one)}
    return loader.stage == "predict" and bool(predicting) and predicting <= limited


def _takes_part(trainer: TrainerSite) -> bool:
    """Whether a Trainer predicts on so many batches (``1``), or on a share of them (``0.1``)."""
    match trainer.argument("limit_predict_batches"):
        case Known(bool()):
            return False
        case Known(int()):
            return True
        case Known(float(share)):
            return share < 1
    return False


def _drawn(facts: ProjectFacts, loader: LoaderSite) -> bool:
    """Whether the hook that returns the loader draws the data itself, or the loader's own lines
    do."""
    draws = facts.calls_of(*NUMBERS)
    return any(
        (one.owner, one.function) == (loader.owner, loader.by) or _stands_in(loader, one.location)
        for one in draws
    )


def _stands_in(loader: LoaderSite, place: Location) -> bool:
    same = place.source == loader.location.source
    return same and loader.location.covers(place.line, place.column)


def _without(facts: ProjectFacts, loader: LoaderSite, name: str) -> Fix | None:
    """Without an argument; not where a helper makes loaders for training at the same place."""
    if name not in dict(loader.arguments) or _serves_others(facts, loader):
        return None
    return Fix(f"leave {name} out", (DropArgument(loader.location, name),))


def _serves_others(facts: ProjectFacts, loader: LoaderSite) -> bool:
    """Whether the same call makes the loader of another kind of stage."""
    training = loader.stage == "train"
    here = (one for one in facts.loaders if one.location == loader.location)
    return any((one.stage == "train") is not training for one in here)


@rule(
    "LTN802",
    "training-not-shuffled",
    rows=("DAT02",),
    status=Status.SUSPECTED,
    default=False,
    calls=(*NUMBERS, LOAD),
    condition="if it matters that each epoch has the same batches, as it does with sorted data",
    fixable=True,
)
def training_not_shuffled(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """The training loader says nothing about order, so each epoch has the same batches.

    What it does
    ------------
    Finds a training DataLoader without `shuffle`, `sampler` and `batch_sampler`, also where a
    helper takes `shuffle` (`def loader(self, data, train=False)`) and is told nothing for training.
    Streams, which bring their own order, data sets and classes that have a sampler, and loaders
    that say `shuffle=False` are left alone, and so are projects all of whose Trainers are written
    to have several processes, for which Lightning shuffles.

    Why is this bad
    ---------------
    The default is `shuffle=False`. Data often lie sorted by class, patient or date: the network
    then sees one class after the other, with the same batches in every epoch.

    Example
    -------
        def train_dataloader(self):
            return DataLoader(self.train_set, batch_size=32)

    Use instead
    -----------
        def train_dataloader(self):
            return DataLoader(self.train_set, batch_size=32, shuffle=True)

    When to ignore
    --------------
    Where the order is meant, as with time series: say so with `shuffle=False`. On several devices
    Lightning puts in a sampler, and shuffles the training data itself.

    References
    ----------
    - https://pytorch.org/docs/stable/data.html#torch.utils.data.DataLoader
    """
    trainers = [one for one in facts.trainers if not facts.in_tests(one.location)]
    if trainers and all(uses_several(one) and deals_out(one) for one in trainers):
        return
    for loader in facts.loaders:
        if loader.stage != "train" or _decided(loader) or facts.in_tests(loader.location):
            continue
        ordered = _own_order(facts, loader) or _has_a_sampler(facts, loader)
        empty = loader.dataset == Known(())
        if not ordered and not empty and not feeds(facts, loader, "validate"):
            yield self.finding(
                loader.location,
                "the training data come in the same order in every epoch: shuffle is left out, "
                "and False by default",
                remedy="add shuffle=True, or shuffle=False where the order is meant",
                fix=_shuffled(facts, loader),
            )


def _shuffled(facts: ProjectFacts, loader: LoaderSite) -> Fix | None:
    change = SetArgument(loader.location, "shuffle", "True", 2)
    elsewhere = _serves_others(facts, loader) or "shuffle" in loader.unsaid
    return None if elsewhere else Fix("add shuffle=True", (change,))


def _decided(loader: LoaderSite) -> bool:
    """Whether the loader says anything about order, or gives its samples one by one: a graph, a
    bag of instances, a stand-in."""
    named = zip(DECIDES, (2, 3, 4), strict=True)
    decided = any(loader.gives(*one) for one in named if not _falls_to_false(loader, one[0]))
    alone = loader.gives("batch_size", 1) and loader.argument("batch_size", 1) in (ABSENT, ONE)
    return decided or alone or not loader.complete


def _falls_to_false(loader: LoaderSite, name: str) -> bool:
    """Whether an argument is False because nobody has said anything to the helper that takes it."""
    return name in loader.unsaid and must_be(loader.argument(name), False)


def _has_a_sampler(facts: ProjectFacts, loader: LoaderSite) -> bool:
    """Whether a sampler decides that the loader is not given: one that the data set was made with,
    or one that its class keeps, for a strategy that puts it into the loaders (Megatron)."""
    kept = (
        one for owner in facts.classes if owner.name == loader.owner for one in owner.assignments
    )
    return any("sampler" in one.attribute.lower() for one in kept) or any(
        "sampler" in name.lower() for made in made_of(loader.dataset) for name, _ in made.arguments
    )


def _own_order(facts: ProjectFacts, loader: LoaderSite) -> bool:
    """Whether the data set is, or may be, a stream, or made of random numbers."""
    called = f"{loader.source} {loader.location.path.rpartition('/')[2]}".lower()
    if any(word.lower() in called for word in DRAWN) or _drawn(facts, loader):
        return True
    data = loader.dataset
    if isinstance(data, Made):
        streams = {stream.name for stream in facts.streams}
        return data.name in streams or any(word in data.name for word in (*ORDERED, *DRAWN))
    return isinstance(data, Unknown) and (bool(facts.streams) or _streams(facts))


def _streams(facts: ProjectFacts) -> bool:
    """Whether data sets of Hugging Face come as streams, which no loader shuffles."""
    given = [call.argument("streaming") for call in facts.calls_of(LOAD) if call.gives("streaming")]
    return not all(must_be(value, False) for value in given)
