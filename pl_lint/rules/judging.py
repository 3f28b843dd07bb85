"""Questions that several rules ask of facts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from pl_lint.facts import lightning, torchmetrics
from pl_lint.facts.lightning import LATEST, Version
from pl_lint.facts.origins import FunctionCall, Pairs
from pl_lint.facts.sites import (
    CallSite,
    ClassFacts,
    FedSite,
    LoaderSite,
    LogSite,
    MetricSite,
    ProjectFacts,
    TrainerSite,
)
from pl_lint.facts.values import ABSENT, NO, Known, Made, Value, must_be
from pl_lint.findings import Location
from pl_lint.plain import replace
from pl_lint.rules.device_counts import uses_one_device
from pl_lint.rules.distributed.evidence import may_use_several, takes_all

CLI = "lightning.pytorch.cli.LightningCLI"
LOADING = ".load_from_checkpoint"


def averaged(log: LogSite) -> bool:
    """Whether Lightning surely averages what each batch logs over the epoch."""
    whole_epoch = must_be(log.on_epoch, True) and must_be(log.reduce_fx, "mean")
    return log.per_batch and whole_epoch and not log.sampled


IGNORED = (1, 3)
"""Since then Lightning does nothing with what is returned under "log" (pull request 6734)."""


def shown_at_end(owner: ClassFacts) -> Iterator[LogSite]:
    """What a class logs, and what it gives to a logger itself at the end of an epoch, where it does
    not log the same there; each value once."""
    yield from owner.logs
    told = {(one.hook, one.origin) for one in owner.logs}
    for one in owner.written:
        reaches = one.call == "logger" or target_version(owner) < IGNORED
        if reaches and (one.hook, one.origin) not in told:
            told.add((one.hook, one.origin))
            yield one


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
    numbers = tuple(map(int, text.split(".")))
    return numbers if len(numbers) > 1 else (*numbers, 0)


def line_of(facts: ProjectFacts, owner: ClassFacts) -> tuple[ClassFacts, ...]:
    """A Lightning class and those that it inherits from, as far as they were read."""
    return facts.classes_of(owner.name, *owner.ancestors)


def defines(facts: ProjectFacts, owner: ClassFacts, method: str) -> bool:
    """Whether a Lightning class or one that it inherits from defines a method of its own."""
    found = (one for known in line_of(facts, owner) for one in known.own_methods)
    return any(one.name == method for one in found)


def in_batches_of_one(facts: ProjectFacts, owner: ClassFacts, stage: str | None) -> bool:
    """Whether the loaders that feed a stage of a class are seen to give one sample at a time: a
    mean over batches is one over samples then."""
    meant = loaders_of(facts, owner, stage)
    return bool(meant) and all(one.of_single_samples for one in meant)


def loaders_of(facts: ProjectFacts, owner: ClassFacts, stage: str | None) -> list[LoaderSite]:
    """The loaders that a class itself returns for a stage, or inherits, or those of the data
    modules that all settings which train it name, as these size them, or else those of the
    project."""
    settings = [site for site in facts.fed if site.owner == owner.name]
    family = (owner.name, *owner.ancestors)
    others = {one.name for one in facts.modules()}.difference(family)
    fitting = (one for one in facts.loaders if one.stage == stage)
    loaders = [one for one in fitting if one.owner not in others]  # those feed themselves
    own = [one for one in loaders if one.owner in family]
    fed = [{one.owner for one in loaders} & set(site.classes) for site in settings]
    known = frozenset[str]().union(*fed)
    if not all(fed) or _fed_by_code(facts, owner, known):
        return own or loaders
    meant = [_as_told(one, settings) for one in loaders if one.owner in known]
    return own or meant or loaders


def all_full(facts: ProjectFacts, owner: ClassFacts, stage: str | None) -> bool:
    """Whether no loader that feeds a stage and is in sight has a shorter last batch."""
    loaders = loaders_of(facts, owner, stage)
    return bool(loaders) and all(map(_is_full, loaders))


def _is_full(loader: LoaderSite) -> bool:
    """A setting that decides it is one that somebody has thought of."""
    given = dict(loader.arguments)
    dropped = given.get("drop_last", given.get("8", NO))
    return loader.of_single_samples or not must_be(dropped, False) or _may_deal_full(loader)


def _may_deal_full(loader: LoaderSite) -> bool:
    """Whether a sampler deals out the batches and drops a short last one, or is of a kind that may.
    What a sampler of single samples drops (``DistributedSampler(drop_last=True)``) is for the ranks
    to have equal parts."""
    whole = dict(loader.arguments).get("batch_size") == Known(None)
    batches = loader.argument("batch_sampler", 4)
    sampler = loader.argument("sampler", 3) if whole else batches
    return any(map(_may_drop, (batches, sampler)))


def _may_drop(sampler: Value) -> bool:
    """A sampler of batches that is not seen, or is none of torch's, may yield full ones only."""
    if not isinstance(sampler, Made):
        return sampler != ABSENT
    dropped = sampler.argument("drop_last", 2)
    return dropped not in (None, NO) or not sampler.name.startswith("torch.")


def _as_told(loader: LoaderSite, settings: Sequence[FedSite]) -> LoaderSite:
    """With batches of one where all of these settings say so, and code nothing else."""
    ones = all((loader.owner, loader.sized_by) in site.ones for site in settings)
    return replace(loader, one_by_setting=True) if ones and not loader.changed else loader


def _fed_by_code(facts: ProjectFacts, owner: ClassFacts, known: frozenset[str]) -> bool:
    """Whether code hands a class other data modules than these."""
    given = {name for call in facts.programs.calls_with(owner) for name in call.data}
    others = {one.name for one in facts.classes if one.kind == "datamodule"} - known
    return not given.isdisjoint(others)


FEEDS = {"validate": "val_dataloader", "test": "test_dataloader"}
"""The hook that feeds a stage."""


def is_never_fed(facts: ProjectFacts, stage: str | None) -> bool:
    """Whether all that could feed a stage refuses to: the only hooks for it raise, no loader for it
    is in sight, and no Trainer is asked to run it."""
    hooks = [
        method
        for one in facts.classes
        if not facts.in_tests(one.location)
        for method in one.own_methods
        if method.name == FEEDS.get(stage or "")
    ]
    fed = any(one.stage == stage for one in (*facts.loaders, *facts.unshared))
    asked = any(one.method == stage for one in facts.trainer_calls)
    return bool(hooks) and all(one.refuses for one in hooks) and not fed and not asked


def is_run_by_trainer(call: CallSite, method: str) -> bool:
    """Whether a call is this method of a Trainer, by what its object is or by how it is called:
    many a project has its Trainer made by Hydra."""
    by_name = "trainer" in call.receiver.rpartition(".")[2].lower()
    return call.name == f"{lightning.TRAINER}.{method}" or (by_name and call.name == f".{method}")


def uses_cli(facts: ProjectFacts) -> bool:
    """Whether the project is run by LightningCLI, for a rule that asks for calls of ``CLI``."""
    return bool(facts.calls_of(CLI))


def single_device(facts: ProjectFacts) -> bool:
    """Whether every Trainer of the project surely uses one device."""
    return _all_use_one(facts, facts.trainers)


def one_device_in(facts: ProjectFacts, path: str) -> bool:
    """Whether every Trainer of a file surely uses one device: its callbacks run in one process."""
    return _all_use_one(facts, [one for one in facts.trainers if one.location.path == path])


def beyond_one_device(facts: ProjectFacts, owners: Iterable[ClassFacts]) -> Iterator[ClassFacts]:
    """The classes that several devices may run: not those whose Trainers surely use one each, nor
    those that nothing reaches in a project whose Trainers stand elsewhere."""
    elsewhere = any(one.location.path not in facts.orphans for one in facts.trainers)
    if facts.trains_beside or elsewhere:
        unused = facts.orphans | facts.users
        owners = [one for one in owners if one.location.path not in unused]
    if not any(_uses_one(facts, trainer) for trainer in facts.trainers):
        yield from owners
    elif not single_device(facts):
        yield from (
            one for one in owners if not _all_use_one(facts, facts.programs.trainers_of(one))
        )


RUN_BY = {"train": ("fit",), "validate": ("fit", "validate"), "test": ("test",)}
"""The methods of a Trainer that run the steps of a stage."""


def stage_on_several(facts: ProjectFacts, owner: ClassFacts, stage: str | None) -> bool:
    """Whether a Trainer that may run a stage may have several devices by what is written: many a
    script trains on several and tests on one. One that is not seen to run anything may run all."""
    places = facts.programs.places_of(RUN_BY.get(stage or "", ()))
    others = facts.programs.called - places
    known = facts.programs.trainers_of(owner)
    running = [one for one in known if one.location not in others]
    meant = known if None in places else running or known
    several = (may_use_several(one, version_at(facts, one.location)) for one in meant)
    return any(several) and not is_never_fed(facts, stage) and not _only_trains(facts, owner, stage)


def _only_trains(facts: ProjectFacts, owner: ClassFacts, stage: str | None) -> bool:
    """Whether validation is asked of a class, and every fit that may be of it has loaders for
    training alone."""
    calls = [one for one in facts.trainer_calls if one.method in ("fit", "validate")]
    unknown = [one for one in calls if "" in one.models]
    its_own = [one for one in facts.programs.calls_with(owner) if one in calls]
    modules = {one.name for one in facts.classes if one.kind == "datamodule"}
    asked = (*its_own, *unknown)
    alone = all(one.trains_alone and modules.isdisjoint(one.data) for one in asked)
    hooks = (method.name for one in line_of(facts, owner) for method in one.own_methods)
    fed = owner.open or FEEDS["validate"] in hooks
    return stage == "validate" and bool(its_own) and alone and not fed


def run_on_several(facts: ProjectFacts, owner: ClassFacts) -> bool:
    """Whether a Trainer that may run a class may have several devices: by what is written, or since
    nothing is, by which Lightning 2 takes all. Where no Trainer is in sight, nor in a file that
    could not be read, somebody else's runs it."""
    known = [(one, version_at(facts, one.location)) for one in facts.programs.trainers_of(owner)]
    several = (may_use_several(one, at) or takes_all(one, at) for one, at in known)
    return any(several) if known else not facts.hides_trainers


def is_only_loaded(facts: ProjectFacts, owner: ClassFacts) -> bool:
    """Whether a class is there to be used: code loads it, and no Trainer in sight is seen to run
    it. For a rule that asks for calls of ``LOADING``."""
    loaded = any(
        call.name == owner.name + LOADING and not facts.in_tests(call.location)
        for call in facts.calls_of(LOADING)
    )
    trained = bool(facts.trainers) or facts.trains_beside
    return loaded and trained and not facts.programs.trainers_of(owner)


def is_never_run(facts: ProjectFacts, owner: ClassFacts, stage: str | None) -> bool:
    """Whether nothing runs the tests of a class: of every Trainer in sight it is seen what it runs,
    and those that test are given other classes, or none of them tests and none runs this class, as
    where it is a part of their network. For a rule that asks for calls of ``CLI``, which tests on
    demand."""
    seen = {one.trainer for one in facts.trainer_calls}
    known = bool(facts.trainers) and all(one.location in seen for one in facts.trainers)
    if stage != "test" or not known or uses_cli(facts):
        return False
    tests = [one for one in facts.trainer_calls if one.method == stage]
    if not tests:
        return not facts.programs.trainers_of(owner)
    others = all(one.passes_model and "" not in one.models for one in tests)
    return others and not any(one in tests for one in facts.programs.calls_with(owner))


def is_validated_once(facts: ProjectFacts, owner: ClassFacts) -> bool:
    """Whether scripts are seen to run a module, and nothing of it lives for two epochs: they
    validate it in one place and never train it."""
    calls = facts.programs.calls_with(owner)
    validated = {one.location for one in calls if one.method == "validate"}
    return len(validated) == 1 and all(one.method != "fit" for one in calls)


def is_tested_again(facts: ProjectFacts, owner: ClassFacts) -> bool:
    """Whether some function tests a class more than once, or one that is not known."""
    given = facts.programs.calls_with(owner)
    tests = [
        call
        for call in facts.trainer_calls
        if call.method == "test" and (call in given or "" in call.models)
    ]
    return any(
        one.location != other.location and one.scope == other.scope and not one.excludes(other)
        for one in tests
        for other in tests
    )


def building(facts: ProjectFacts, owner: ClassFacts) -> list[CallSite]:
    """The calls that build a module, other than those of tests."""
    calls = facts.calls_of(lightning.MODULE)
    return [one for one in calls if one.built == owner.name and not facts.in_tests(one.location)]


def _all_use_one(facts: ProjectFacts, trainers: Sequence[TrainerSite]) -> bool:
    return bool(trainers) and all(_uses_one(facts, trainer) for trainer in trainers)


def _uses_one(facts: ProjectFacts, trainer: TrainerSite) -> bool:
    return uses_one_device(trainer, version_at(facts, trainer.location))


def is_guessed(at: Version) -> bool:
    """Whether a version is a guess, which has three numbers: code is not told what such a one
    refuses. What code shows that it is not older than is none."""
    return len(at) > 2 and at <= lightning.UNDATED


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
