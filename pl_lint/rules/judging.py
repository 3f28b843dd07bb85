"""Questions that several rules ask of facts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from pl_lint.facts import lightning, torchmetrics
from pl_lint.facts.lightning import LATEST, Version
from pl_lint.facts.origins import FunctionCall, Pairs
from pl_lint.facts.sites import ClassFacts, LogSite, MetricSite, ProjectFacts, TrainerSite
from pl_lint.facts.values import Value, must_be
from pl_lint.findings import Location
from pl_lint.rules.distributed.evidence import may_use_several
from pl_lint.rules.processes import uses_one_device

CLI = "lightning.pytorch.cli.LightningCLI"


def averaged(log: LogSite) -> bool:
    """Whether Lightning surely averages what each batch logs over the epoch."""
    whole_epoch = must_be(log.on_epoch, True) and must_be(log.reduce_fx, "mean")
    return log.in_step and whole_epoch and not log.sampled


def logged_again(owner: ClassFacts, log: LogSite) -> bool:
    """Whether the end of the epoch logs the same key: that value is the one that is kept."""
    return any(
        other.key == log.key and other.stage == log.stage and other.hook.endswith("_epoch_end")
        for other in owner.logs
    )


def by_name(name: str, pairs: Pairs) -> dict[str, object]:
    """Arguments by parameter name, as the tables of torchmetrics want them."""
    positional = [value for key, value in pairs if key.isdigit()]
    keywords: dict[str, Value] = {key: value for key, value in pairs if not key.isdigit()}
    return torchmetrics.bind(name, positional, keywords)


def is_linear(metric: MetricSite) -> bool | None:
    """Whether the mean of a metric's values per batch is its value over all data."""
    return torchmetrics.is_linear(metric.name, by_name(metric.name, metric.arguments))


def linearity_of_call(call: FunctionCall) -> bool | None:
    """The same for a function."""
    return torchmetrics.functional_linearity(call.name, by_name(call.name, call.arguments))


def target_version(owner: ClassFacts) -> Version:
    """The Lightning version that a class is judged by."""
    return version(owner.lightning)


def version(text: str) -> Version:
    """The version that a text means; nothing is written where any version will do."""
    if not text:
        return LATEST
    major, minor, *_ = (*text.split("."), "0")
    return int(major), int(minor)


def defines(facts: ProjectFacts, owner: ClassFacts, method: str) -> bool:
    """Whether a Lightning class or one that it inherits from defines a method of its own."""
    names = {owner.name, *owner.ancestors}
    found = (one for known in facts.classes if known.name in names for one in known.own_methods)
    return any(one.name == method for one in found)


def uses_cli(facts: ProjectFacts) -> bool:
    """Whether the project is run by LightningCLI, for a rule that asks for calls of ``CLI``."""
    return bool(facts.calls_of(CLI))


def in_tests(location: Location) -> bool:
    """Whether a place is in a file of tests, where odd settings are the point."""
    *folders, name = location.path.replace("\\", "/").split("/")
    file_of_tests = name.startswith("test_") or name.endswith("_test.py") or name == "conftest.py"
    return file_of_tests or not {"test", "tests", "testing"}.isdisjoint(folders)


def single_device(facts: ProjectFacts) -> bool:
    """Whether every Trainer of the project surely uses one device."""
    return _all_use_one(facts, facts.trainers)


def beyond_one_device(facts: ProjectFacts, owners: Iterable[ClassFacts]) -> Iterator[ClassFacts]:
    """The classes that several devices may run: not those whose Trainers surely use one each."""
    if not any(_uses_one(facts, trainer) for trainer in facts.trainers):
        yield from owners
    elif not single_device(facts):
        yield from (one for one in owners if not _all_use_one(facts, trainers_of(facts, one)))


RUN_BY = {"train": ("fit",), "validate": ("fit", "validate"), "test": ("test",)}
"""The methods of a Trainer that run the steps of a stage."""


def stage_on_several(facts: ProjectFacts, owner: ClassFacts, stage: str | None) -> bool:
    """Whether a Trainer that may run a stage may have several devices by what is written: many a
    script trains on several and tests on one. One that is not seen to run anything may run all,
    and where no Trainer is in sight, somebody else's runs it."""
    methods = RUN_BY.get(stage or "", ())
    places = {call.trainer for call in facts.trainer_calls if call.method in methods}
    others = {call.trainer for call in facts.trainer_calls} - places
    known = trainers_of(facts, owner)
    running = [one for one in known if one.location not in others]
    meant = known if None in places else running or known
    several = (may_use_several(one, version_at(facts, one.location)) for one in meant)
    return not known or any(several)


def run_on_several(facts: ProjectFacts, owner: ClassFacts) -> bool:
    """The same for all that a class does, in whatever stage."""
    known = [(one, version_at(facts, one.location)) for one in trainers_of(facts, owner)]
    return not known or any(may_use_several(one, version) for one, version in known)


def trainers_of(facts: ProjectFacts, owner: ClassFacts) -> list[TrainerSite]:
    """The Trainers that are known to run a class, and those of the nearest folder that has any: a
    repository may hold several programs. Tests speak for themselves alone. Where some are known to
    run it, others count only if they may: not if all that they run is known and something else."""
    tested = in_tests(owner.location)
    candidates = [one for one in facts.trainers if tested or not in_tests(one.location)]
    run = _run_by(facts)
    kin = {one.name for one in facts.classes if owner.name in (one.name, *one.ancestors)}
    running = {place for place, models in run.items() if not kin.isdisjoint(models)}
    near = {one.location for one in _nearest(candidates, owner.location)}
    if running:
        near = {place for place in near if "" in run.get(place, ("",))}
    return [one for one in candidates if one.location in near | running]


def _run_by(facts: ProjectFacts) -> dict[Location, set[str]]:
    """The classes that each Trainer runs; an empty name is one that is not known."""
    by_last: dict[str, list[str]] = {}
    for one in facts.classes:
        by_last.setdefault(one.short_name, []).append(one.name)
    found: dict[Location, set[str]] = {}
    for call in facts.trainer_calls:
        if call.trainer is not None:
            models = (_class_meant(one, by_last) for one in call.models)
            found.setdefault(call.trainer, set()).update(models)
    for site in facts.trainers:
        if site.modules:
            found.setdefault(site.location, set()).update(site.modules)
    return found


def _class_meant(name: str, by_last: Mapping[str, Sequence[str]]) -> str:
    """The class of the project that a name means, which may lead over a package that hands the
    class on (``models.Net`` for ``models.nets.Net``); empty for any other."""
    package, _, last = name.rpartition(".")
    known = by_last.get(last, ())
    through = [one for one in known if package and one.startswith(f"{package}.")]
    if name in known:
        return name
    return through[0] if len(through) == 1 else ""


def _nearest(trainers: Sequence[TrainerSite], location: Location) -> list[TrainerSite]:
    """Those in the file's own folder or below it, or else below the folders around it."""
    folders = location.path.replace("\\", "/").split("/")[:-1]
    for depth in range(len(folders), 0, -1):
        around = "/".join(folders[:depth]) + "/"
        near = [one for one in trainers if one.location.path.replace("\\", "/").startswith(around)]
        if near:
            return near
    return list(trainers)


def _all_use_one(facts: ProjectFacts, trainers: Sequence[TrainerSite]) -> bool:
    return bool(trainers) and all(_uses_one(facts, trainer) for trainer in trainers)


def _uses_one(facts: ProjectFacts, trainer: TrainerSite) -> bool:
    return uses_one_device(trainer, version_at(facts, trainer.location))


GUESSED: Version = (1, 5)
"""What undated old code is judged by (``static/versions.py``): not to be told what 1.5 refuses."""


def version_at(facts: ProjectFacts, location: Location) -> Version:
    """The Lightning version that a script is judged by."""
    return version(facts.lightning_at(location))


def is_whole(owner: ClassFacts) -> bool:
    """Whether a module inherits from the LightningModule itself, and all between was read.

    A class that Lightning brings along for demonstrations has hooks of its own.
    """
    outside = [base for base in owner.ancestors if lightning.kind_of(base) == "LightningModule"]
    return (
        not owner.open
        and bool(outside)
        and all(lightning.canonical(base) == lightning.MODULE for base in outside)
    )
