"""Whether each process sees a share of the data, or all of them."""

from __future__ import annotations

from pl_lint.facts.sites import CallSite, ClassFacts, LoaderSite, ProjectFacts, TrainerSite
from pl_lint.facts.stages import Stage
from pl_lint.facts.values import Known, Made, Table, must_be
from pl_lint.rules.distributed.evidence import SAMPLER, may_use_several
from pl_lint.rules.distributed.streams import read_by_every_rank
from pl_lint.rules.judging import CLI, loaders_of, version_at

OWN = ("torch.utils.data.DistributedSampler", "torch.utils.data.distributed.DistributedSampler")
ASKED = (CLI, *OWN)
"""The calls that a rule has to list that asks whether data are shared out."""
HOOKS = ("val_dataloader", "test_dataloader")
RANKS = frozenset("rank global_rank world_size num_replicas distributed DistributedSampler".split())


def is_shared_out(facts: ProjectFacts, owner: ClassFacts, stage: Stage | None) -> bool:
    """Whether each process may see a share of a stage's data.

    Lightning shares out what a DataLoader has, by a sampler of its own
    (``_process_dataloader`` of ``data_connector.py``). Where a Trainer keeps that out and the code
    brings none, where no loader of the stage is a DataLoader, where a stream is read (LTN506), and
    where the data set is one item (which the sampler repeats for each process), every process sees
    everything and comes to the same value.
    """
    if _is_fed_whole(facts, stage) or _is_fed_one_item(facts, owner, stage):
        return False
    if _is_fed_whole_streams(facts, owner, stage):
        return False
    known = [(one, version_at(facts, one.location)) for one in facts.programs.trainers_of(owner)]
    several = [one for one, version in known if may_use_several(one, version)]
    if not several or not all(_keeps_whole(facts, one) for one in several):
        return True
    return bool(facts.calls_of(*OWN)) or any(
        method.name in HOOKS and not RANKS.isdisjoint(method.words)
        for one in facts.classes
        for method in one.own_methods
    )


def _is_fed_whole(facts: ProjectFacts, stage: Stage | None) -> bool:
    whole = any(one.stage == stage for one in facts.unshared)
    return whole and not any(one.stage == stage for one in facts.loaders)


def _is_fed_one_item(facts: ProjectFacts, owner: ClassFacts, stage: Stage | None) -> bool:
    """Whether all data sets that are seen to feed the class are one item: by its own loaders, by
    those that a script hands over with it, or else by all of the project."""
    meant = loaders_of(facts, owner, stage) if facts.of_one_item or facts.lengths else []
    return bool(meant) and all(_is_of_one_item(facts, one) for one in meant)


def _is_fed_whole_streams(facts: ProjectFacts, owner: ClassFacts, stage: Stage | None) -> bool:
    """The same, of streams that nothing shares out."""
    whole = [loader for _, loader in read_by_every_rank(facts)]
    meant = loaders_of(facts, owner, stage) if whole else []
    return bool(meant) and all(one in whole for one in meant)


def _is_of_one_item(facts: ProjectFacts, loader: LoaderSite) -> bool:
    """The data set itself, or what ``__init__`` was given and keeps as ``self.dataset``."""
    data = loader.dataset
    if isinstance(data, Made):
        told = (one for one in facts.lengths if one.owner == data.name)
        lengths = (data.argument(one.parameter, one.position) for one in told)
        return data.name in facts.of_one_item or any(one == Known(1) for one in lengths)
    kept = loader.source.removeprefix("self.")
    holders = (one for one in facts.classes if one.name == loader.owner)
    sites = (one.hyperparameters for one in holders if kept != loader.source)
    details = (one for site in sites if site is not None for one in site.details)
    return any(kept in one.attributes and one.of in facts.of_one_item for one in details)


def _keeps_whole(facts: ProjectFacts, trainer: TrainerSite) -> bool:
    """Whether a Trainer surely leaves loaders as they are: by its own arguments, or by what a
    LightningCLI gives to all of them that settings do not say."""
    said = [trainer.argument(name) for name in SAMPLER]
    if any(must_be(value, False) for value in said):
        return True
    return not trainer.complete and any(map(_is_default, facts.calls_of(CLI)))


def _is_default(call: CallSite) -> bool:
    defaults = call.argument("trainer_defaults", 4)
    if not isinstance(defaults, Table):
        return False
    said = (defaults.get(name) for name in SAMPLER)
    return any(value is not None and must_be(value, False) for value in said)
