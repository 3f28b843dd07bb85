"""Data that a model is judged on and that had a hand in making it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import PurePath

from pl_lint.facts import lightning
from pl_lint.facts.origins import FunctionCall, parts
from pl_lint.facts.sites import (
    ABSENT,
    NO,
    CallSite,
    ClassFacts,
    LoaderSite,
    MethodSite,
    ProjectFacts,
    TrainerCall,
    TrainerSite,
)
from pl_lint.facts.values import Known, Made, Several, Value
from pl_lint.findings import Finding, Location, Status
from pl_lint.rules.data.order import DRAWN
from pl_lint.rules.registry import Rule, rule

SELECTING = ("val_dataloader", "fit")
TESTING = ("test_dataloader", "test")
CHOICE_OF_PART = ("train", "split", "mode")
HOLD_OUT = "hold out a part of the training data for validation"


@rule(
    "LTN808",
    "test-data-for-validation",
    rows=("DAT08",),
    status=Status.SUSPECTED,
    condition="if anything is chosen by the validation: a checkpoint, an end, a setting",
)
def test_data_for_validation(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """The same data validate and test.

    What it does
    ------------
    Finds a test loader over the data set of the validation loader: the same attribute or variable,
    also under another name (`self.val_set = self.test_set`), one loader that a script gives to
    both, be it a parameter of the function, the same part of the same torchvision data set, or two
    data sets that one call makes, word for word, but for transforms, with a constant that names a
    part (`Leaves(root / "test", self.plain)`, `Scans(self.files, train=False)`). And
    a validation loader over the test part of a torchvision data set, where a ModelCheckpoint or
    EarlyStopping chooses by what is logged. A project whose Trainers are all in sight, and none of
    which has anything that chooses, is left alone, and so is one that trains and never tests, and a
    validation loader that comes after another over data of its own.

    Why is this bad
    ---------------
    Checkpoints, the end of training and settings are chosen by validation. A test on the same
    samples measures how well they were chosen, not how good the model is on new ones.

    Example
    -------
        def val_dataloader(self):
            return DataLoader(self.held_out, batch_size=32)

        def test_dataloader(self):
            return DataLoader(self.held_out, batch_size=32)

    Use instead
    -----------
        def val_dataloader(self):
            return DataLoader(self.val_set, batch_size=32)

        def test_dataloader(self):
            return DataLoader(self.test_set, batch_size=32)

    When to ignore
    --------------
    Where nothing is chosen by validation, or the test is not reported.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/common/evaluation_basic.html
    """
    for test in () if _chooses_nothing(facts) or _never_tests(facts) else facts.loaders:
        if test.by not in TESTING or facts.in_tests(test.location) or _of_training(facts, test):
            continue
        shared = _validated_with(facts, test)
        if shared is not None and not _tested_otherwise(facts, test):
            apart = shared.location != test.location
            where = f" (line {shared.location.line})" if apart else ""
            yield self.finding(
                test.location,
                f"the test runs on {_name(test)}, which validation runs on as well{where}",
                remedy=HOLD_OUT,
            )
    for call, name in _tested_by_name(facts):
        yield self.finding(
            call.location,
            f"the test runs on {name}, which validation runs on as well",
            remedy=HOLD_OUT,
        )
    for loader in facts.loaders:
        selects = (
            loader.stage == "validate" and loader.by in SELECTING and _chosen_by(facts, loader)
        )
        if selects and _test_part(loader.dataset) and not facts.in_tests(loader.location):
            yield self.finding(
                loader.location,
                f"validation runs on the test part of {_class_name(loader.dataset)}, and what is "
                "kept is chosen by it",
                remedy=HOLD_OUT,
            )


def _tested_by_name(facts: ProjectFacts) -> Iterator[tuple[TrainerCall, str]]:
    """The calls that test on the name that ``fit`` was given for validation in the same function,
    and not for training, where no other call tests there."""
    if _chooses_nothing(facts):
        return
    for test in facts.trainer_calls:
        name = dict(test.names).get("test", "")
        there = [one for one in facts.trainer_calls if one.scope == test.scope]
        tests = [one for one in there if one.method == "test"]
        fits = [dict(one.names) for one in there if one.method == "fit" and not one.excludes(test)]
        shared = any(one.get("validate") == name and "train" in one for one in fits)
        trained = any(one.get("train") == name for one in fits)
        alone = all(dict(one.names).get("test") == name for one in tests)
        if name and shared and alone and not trained and not facts.in_tests(test.location):
            yield test, name


def _never_tests(facts: ProjectFacts) -> bool:
    """Whether none tests: no class that was read whole has a step for it, and Trainers are seen at
    work and none is told to, or what is trained is all of these classes."""
    calls = any(call.method == "test" for call in facts.trainer_calls)
    modules = facts.modules()
    steps = any(one.open or _named(one, "test_step") for one in modules)
    trained = any(_named(one, "training_step") for one in modules)
    loops = any(two.called for one in facts.classes for two in _named(one, "test_dataloader"))
    seen = bool(facts.trainer_calls) or trained
    return seen and not steps and not (calls and (loops or not trained))


def _named(owner: ClassFacts, name: str) -> list[MethodSite]:
    """The method of a class's own that is called so, if it has one."""
    return [one for one in owner.own_methods if one.name == name]


def _chooses_nothing(facts: ProjectFacts) -> bool:
    """Whether all Trainers are seen whole, and neither a checkpoint nor an end nor a learning rate
    goes by what validation logs."""
    trainers = [one for one in facts.trainers if not facts.in_tests(one.location)]
    seen = all(one.complete and _shows_its_callbacks(one) for one in trainers)
    watched = any(one.key != ABSENT for one in facts.monitors)
    return bool(trainers) and seen and not watched


def _shows_its_callbacks(trainer: TrainerSite) -> bool:
    """Whether a Trainer has none but callbacks of Lightning."""
    match trainer.argument("callbacks"):
        case Several(items):
            made = [one.name for one in items if isinstance(one, Made)]
            return len(made) == len(items) and all(map(lightning.canonical, made))
        case callbacks:
            return callbacks == ABSENT


def _chosen_by(facts: ProjectFacts, loader: LoaderSite) -> bool:
    """Whether a callback watches a key, in the folder of the loader or in one above it."""
    folder = PurePath(loader.location.path).parent
    return any(
        one.watcher != "lr_scheduler"
        and one.key != ABSENT
        and folder.is_relative_to(PurePath(one.location.path).parent)
        for one in facts.monitors
    )


def _test_part(data: Value) -> bool:
    """Whether a data set is what its makers keep for tests."""
    if not isinstance(data, Made) or not data.name.startswith("torchvision.datasets."):
        return False
    return _part(data, "train") == NO or _part(data, "split") == Known("test")


def _part(data: Made, name: str) -> Value | None:
    """Which part of its data a data set is told to be; of torchvision's by the second argument, too
    (``CIFAR10(root, False)``)."""
    given = data.argument(name)
    if given is not None or not data.name.startswith("torchvision.datasets."):
        return given
    match dict(data.arguments).get("1"):
        case Known(bool() | str()) as second:
            return second
    return None


def _validated_with(facts: ProjectFacts, test: LoaderSite) -> LoaderSite | None:
    """A validation loader over the data of a test loader; one that comes after another over data of
    its own is there to be looked at, and what is chosen is chosen by the first."""
    selecting = (one for one in facts.loaders if one.stage == "validate" and one.by in SELECTING)
    near = [one for one in selecting if _beside(test, one)]
    shared = next((one for one in near if _same_data(test, one)), None)
    return None if shared is None or _comes_after(shared, near) else shared


def _comes_after(loader: LoaderSite, others: Iterable[LoaderSite]) -> bool:
    """Whether the same hook gives another loader before this one, over data by another name."""
    hook = (one for one in others if (one.owner, one.by) == (loader.owner, loader.by))
    named = (one for one in hook if one.source not in ("", loader.source))
    return loader.by == "val_dataloader" and any(one.location < loader.location for one in named)


def _of_training(facts: ProjectFacts, loader: LoaderSite) -> bool:
    """Whether the model is trained on these data, too: a toy, or a look at how well it fits."""
    training = (one for one in facts.loaders if one.stage == "train")
    return any(_beside(loader, one) and _same_data(loader, one) for one in training)


def _tested_otherwise(facts: ProjectFacts, test: LoaderSite) -> bool:
    """Whether the same file tests on other data, too: then it is a comparison."""
    others = (
        one
        for one in facts.loaders
        if one.stage == "test" and one.by == test.by and one.location.path == test.location.path
    )
    return test.by == "test" and any(
        not _of_training(facts, one) and _validated_with(facts, one) is None for one in others
    )


def _beside(one: LoaderSite, other: LoaderSite) -> bool:
    """Whether the two belong to one class, or stand in one script."""
    hooks = one.by.endswith("_dataloader"), other.by.endswith("_dataloader")
    return (hooks == (True, True) and one.owner == other.owner) or hooks == (False, False)


def _same_data(one: LoaderSite, other: LoaderSite) -> bool:
    same_file = one.location.path == other.location.path
    names = {one.source, one.alias} & {other.source, other.alias} - {""}
    by_name = bool(names) and same_file
    same_part = _same_part(one.dataset, other.dataset) or _written_alike(one, other)
    return by_name or _one_loader(one, other) or same_part


def _written_alike(one: LoaderSite, other: LoaderSite) -> bool:
    """Whether two data sets are made by one and the same call, other than of numbers by chance."""
    drawn = any(word in one.written for word in DRAWN)
    return bool(one.written) and one.written == other.written and not drawn


def _one_loader(one: LoaderSite, other: LoaderSite) -> bool:
    """Whether a script gives one loader, made once, to two stages."""
    return one.single and other.single and one.location == other.location


def _same_part(one: Value, other: Value) -> bool:
    """Whether two data sets are the same part of a well-known one, or equal in all that is said."""
    if not isinstance(one, Made) or not isinstance(other, Made) or one.name != other.name:
        return False
    parts = [(_part(one, name), _part(other, name)) for name in CHOICE_OF_PART]
    known = [pair for pair in parts if isinstance(pair[0], Known)]
    if one.name.startswith("torchvision.datasets.") and known:
        return all(mine == theirs for mine, theirs in known)
    said = [value for _, value in one.arguments]
    return bool(said) and one == other and all(isinstance(value, Known) for value in said)


def _name(loader: LoaderSite) -> str:
    if loader.source or loader.alias:
        return loader.source.rpartition(":")[2] or loader.alias
    return "data" if loader.single else f"the same part of {_class_name(loader.dataset)}"


def _class_name(data: Value) -> str:
    return data.name.rpartition(".")[2] if isinstance(data, Made) else "the data"


@rule(
    "LTN817",
    "training-data-for-validation",
    rows=("DAT08",),
    status=Status.SUSPECTED,
    condition="if the scores are meant to be those of samples that the model has not seen",
)
def training_data_for_validation(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """The model is validated or tested on the data that it is trained on.

    What it does
    ------------
    Finds loaders for validation and testing whose data set is made by the same call as that of the
    training loader beside it, word for word, but for transforms
    (`ImageData(self.args.root, self.args.kind)` in `train_dataloader` and in `val_dataloader`),
    where nothing can tell the parts apart: there is no sampler, and what the call is given gets its
    value in one place, an attribute in `__init__`, `prepare_data` or a `setup` that does not ask
    for the stage; nobody sets anything in it or hands it to a function. Left alone are data sets of
    the project that read no files, classes of loaders that others inherit or that are made with
    different arguments, loaders beside one over other data, and one data set that both loaders are
    given by its name (`self.train_set`: a toy, or a look at how well the model fits).

    Why is this bad
    ---------------
    The validation loss falls as long as training goes on, so the last checkpoint is the best and
    nothing stops early: what is reported is how well the model remembers.

    Example
    -------
        def train_dataloader(self):
            return DataLoader(Leaves("leaves", 256), batch_size=32, shuffle=True)

        def val_dataloader(self):
            return DataLoader(Leaves("leaves", 256), batch_size=32)

    Use instead
    -----------
        def train_dataloader(self):
            return DataLoader(Leaves("leaves", 256, "train"), batch_size=32, shuffle=True)

        def val_dataloader(self):
            return DataLoader(Leaves("leaves", 256, "val"), batch_size=32)

    When to ignore
    --------------
    Where a model is meant to fit a few samples, to see whether it can.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/common/evaluation_basic.html
    """
    for judged in facts.loaders:
        if judged.stage not in ("validate", "test") or facts.in_tests(judged.location):
            continue
        trained = next((one for one in facts.loaders if _made_for_training(one, judged)), None)
        heirs = any(judged.owner in one.ancestors for one in facts.classes)
        if trained is not None and not heirs and not _beside_others(facts, judged):
            yield self.finding(
                judged.location,
                f"{EVALUATIONS[judged.stage]} runs on the data that the model is trained on: the "
                f"same call makes them at line {trained.location.line}",
                remedy=HOLD_OUT,
            )


def _beside_others(facts: ProjectFacts, judged: LoaderSite) -> bool:
    """Whether the stage has another loader, over other data or over data that are not known."""
    return any(
        one.stage == judged.stage
        and one.made_by != judged.made_by
        and one.location != judged.location
        and _beside(one, judged)
        for one in facts.loaders
    )


EVALUATIONS = {"validate": "validation", "test": "the test"}


def _made_for_training(loader: LoaderSite, judged: LoaderSite) -> bool:
    """Whether a loader is for training, and its data set is made like that of the other one."""
    drawn = any(word.lower() in judged.made_by.lower() for word in DRAWN)
    alike = bool(judged.made_by) and judged.made_by == loader.made_by and not drawn
    picked = any(one.gives(name) for one in (loader, judged) for name in SAMPLERS)
    known = loader.complete and judged.complete and not picked
    named = bool(judged.source) and judged.source == loader.source
    return loader.stage == "train" and alike and known and not named and _beside(loader, judged)


SAMPLERS = ("sampler", "batch_sampler", "3", "4")
"""The arguments that say which samples of its data a loader gives."""


SCALERS = tuple(
    f"sklearn.preprocessing.{name}.{method}"
    for name in ("StandardScaler", "MinMaxScaler", "RobustScaler", "MaxAbsScaler", "Normalizer")
    for method in ("fit", "fit_transform")
)
SPLITS = ("sklearn.model_selection.train_test_split", "torch.utils.data.random_split")


@rule(
    "LTN809",
    "scaled-before-split",
    rows=("DAT09",),
    status=Status.SUSPECTED,
    default=False,
    calls=(*SCALERS, *SPLITS),
    condition="if what is split later was scaled with the others",
)
def scaled_before_split(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """Data are scaled by statistics of all samples, and split afterwards.

    What it does
    ------------
    Finds a scaler of scikit-learn that is fitted before the split in the same function, and on
    something else than a part of a split.

    Why is this bad
    ---------------
    Mean and range then know the validation and test samples: the scores are too good.

    Example
    -------
        def setup(self, stage):
            scaled = StandardScaler().fit_transform(self.table)
            self.train_set, self.val_set = train_test_split(scaled, random_state=0)

    Use instead
    -----------
        def setup(self, stage):
            train, val = train_test_split(self.table, random_state=0)
            scaler = StandardScaler().fit(train)
            self.train_set, self.val_set = scaler.transform(train), scaler.transform(val)

    When to ignore
    --------------
    Where the scaler sees training samples only, which reading cannot tell.

    References
    ----------
    - https://scikit-learn.org/stable/common_pitfalls.html#data-leakage
    """
    for call in facts.calls_of(*SCALERS):
        after = [one for one in facts.calls_of(*SPLITS) if _follows(one, call)]
        before = [one for one in facts.calls_of(*SPLITS) if _follows(call, one)]
        if after and not before and not _is_part(call):
            yield self.finding(
                call.location,
                f"the statistics are those of all samples: they are split at "
                f"{_place(after[0].location, call.location)} only",
                remedy="split first, fit on the training part, transform the others",
            )


def _place(location: Location, beside: Location) -> str:
    """The line of a call as people look for it from another one."""
    line = f"line {location.line}"
    return line if location.cell == beside.cell else f"{line} of cell {location.cell}"


def _is_part(call: CallSite) -> bool:
    """Whether a scaler is fitted on what a split made."""
    fitted = parts(call.origin("X", 0))
    return any(isinstance(one, FunctionCall) and one.name in SPLITS for one in fitted)


def _follows(one: CallSite, other: CallSite) -> bool:
    """Whether a call stands below another in the same function, or in a later cell."""
    same = (one.function, one.owner, one.location.path)
    below = one.location.order > other.location.order
    return below and same == (other.function, other.owner, other.location.path)
