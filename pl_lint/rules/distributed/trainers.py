"""Trainers of several processes, and what they make of data, steps and layers."""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.facts import lightning, strategies
from pl_lint.facts.origins import FunctionCall, Origin
from pl_lint.facts.sites import (
    ABSENT,
    NO,
    CallSite,
    ClassFacts,
    LoaderSite,
    ProjectFacts,
    TrainerSite,
)
from pl_lint.facts.values import UNKNOWN, Known, Made, OneOf, Value, must_be
from pl_lint.findings import Finding, Status
from pl_lint.fixes import Change, Fix, RenameArgument, SetArgument
from pl_lint.plain import replace
from pl_lint.rules.distributed.evidence import deals_out, several_devices, uses_several
from pl_lint.rules.judging import LOADING, is_only_loaded, single_device, version_at
from pl_lint.rules.registry import Rule, rule

NORMS = tuple(f"torch.nn.BatchNorm{dimensions}d" for dimensions in (1, 2, 3))
ACCOUNTS = (
    *("world_size", "num_devices", "devices", "gpus", "num_gpus", "n_gpu", "n_gpus", "ngpu"),
    *("ngpus", "num_nodes", "num_processes", "estimated_stepping_batches", "device_count"),
    *("device_ids", "parallel_devices"),
)
"""Names of code that asks how many processes there are."""


@rule(
    "LTN501",
    "samples-counted-twice",
    rows=("DDP01",),
    status=Status.SUSPECTED,
    default=False,
    observers="both",
    condition="if the number of samples is no multiple of the number of processes",
)
def samples_counted_twice(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """Lightning's own: DistributedSampler counts samples twice.

    What it does
    ------------
    Reading finds `trainer.test` and `trainer.validate` on a Trainer of several devices that keeps
    Lightning's sampler. Running gives a note, which is never the module's fault: how many samples
    of validation and test the sampler would repeat, so that all ranks have the same number.

    Why is this bad
    ---------------
    Repeated samples are counted: .6667 was logged where .8000 is true, on two ranks and five
    samples. Lightning warns in `validate` and `test`, and says nothing in `fit`.

    Example
    -------
        trainer = Trainer(devices=4)
        trainer.test(model, loader)

    Use instead
    -----------
        Trainer(devices=1).test(model, loader)

    When to ignore
    --------------
    Where a few samples more make no difference that anyone would see.

    References
    ----------
    - https://github.com/Lightning-AI/pytorch-lightning/issues/2398
    - https://github.com/Lightning-AI/pytorch-lightning/issues/11364
    """
    several = {one.location for one in facts.trainers if uses_several(one) and deals_out(one)}
    for call in facts.trainer_calls:
        if call.method in ("test", "validate") and call.trainer in several:
            yield self.finding(
                call.location,
                "on several devices the sampler repeats samples until all have the same number, "
                "and the metrics count them twice",
                remedy="test with Trainer(devices=1)",
            )


@rule(
    "LTN509",
    "order-lost-on-ranks",
    rows=("DDP09",),
    status=Status.SUSPECTED,
    default=False,
    condition="if the order of the training data is meant",
)
def order_lost_on_ranks(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """The training loader says shuffle=False, and on several devices Lightning shuffles.

    What it does
    ------------
    Finds a training loader with `shuffle=False` in a project with a Trainer of several devices
    that keeps Lightning's sampler.

    Why is this bad
    ---------------
    Lightning's DistributedSampler always shuffles training data. Of the order 0, 1, 2, 3 the two
    ranks saw 4, 7, 2, 1 and 0, 3, 5, 6, and nothing said so.

    Example
    -------
        class Data(LightningDataModule):
            def train_dataloader(self):
                return DataLoader(self.series, batch_size=32, shuffle=False)

        trainer = Trainer(devices=2, strategy="ddp")

    Use instead
    -----------
        class Data(LightningDataModule):
            def train_dataloader(self):
                sampler = DistributedSampler(self.series, shuffle=False)
                return DataLoader(self.series, batch_size=32, sampler=sampler)

        trainer = Trainer(devices=2, strategy="ddp", use_distributed_sampler=False)

    When to ignore
    --------------
    Where the order does not matter.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/common/trainer.html#use-distributed-sampler
    """
    if not any(uses_several(one) and deals_out(one) for one in facts.trainers):
        return
    for loader in facts.loaders:
        meant = loader.gives("sampler", 3) or facts.in_tests(loader.location)
        unshuffled = must_be(loader.argument("shuffle", 2), False)
        if loader.stage == "train" and unshuffled and not meant:
            yield self.finding(
                loader.location,
                "shuffle=False does not hold on several devices: Lightning's sampler shuffles "
                "training data",
                remedy="use_distributed_sampler=False, and a DistributedSampler with shuffle=False",
            )


@rule(
    "LTN510",
    "steps-of-one-process",
    rows=("DDP10",),
    status=Status.SUSPECTED,
    calls=("self.train_dataloader", ".train_dataloader", lightning.MODULE, LOADING),
    condition="if several processes train, or gradients are accumulated",
)
def steps_of_one_process(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """The number of steps comes from the length of one process' loader.

    What it does
    ------------
    Finds calls of `train_dataloader()` in `configure_optimizers` and what it calls, where nothing
    asks for the number of devices; and scripts that give a module the length of a loader, or so
    many times that, for its `steps_per_epoch` or `total_steps`, beside a Trainer of several
    devices. A project whose Trainers all use one
    device is left alone, and so are training loaders with a sampler that may share the data out
    already, and a class that is only loaded from checkpoints and that no Trainer in sight runs.

    Why is this bad
    ---------------
    The loader there is as long as on one device. On four it holds a quarter of the batches for
    each, so that a schedule over its length ends after a quarter of its way.

    Example
    -------
        class Model(LightningModule):
            def configure_optimizers(self):
                optimizer = torch.optim.SGD(self.parameters(), lr=0.1)
                steps = len(self.train_dataloader()) * self.trainer.max_epochs
                scheduler = OneCycleLR(optimizer, max_lr=0.1, total_steps=steps)
                return [optimizer], [{"scheduler": scheduler, "interval": "step"}]

    Use instead
    -----------
        class Model(LightningModule):
            def configure_optimizers(self):
                optimizer = torch.optim.SGD(self.parameters(), lr=0.1)
                steps = self.trainer.estimated_stepping_batches
                scheduler = OneCycleLR(optimizer, max_lr=0.1, total_steps=steps)
                return [optimizer], [{"scheduler": scheduler, "interval": "step"}]

    When to ignore
    --------------
    Where one device trains, without `accumulate_grad_batches`.

    References
    ----------
    - https://github.com/Lightning-AI/pytorch-lightning/issues/3205
    - https://lightning.ai/docs/pytorch/stable/common/lightning_module.html
    """
    if single_device(facts) or any(map(_shares_out, facts.loaders)):
        return
    counted_here = several_devices(facts) and not _asks_for_devices(facts)
    for call in facts.calls_of(lightning.MODULE) if counted_here else ():
        if not call.owner and any(_is_length(*pair) for pair in call.origins):
            yield self.finding(
                call.location,
                "before fit a loader is as long as on one device: on several each process takes "
                "fewer steps than are counted here",
                remedy="use self.trainer.estimated_stepping_batches in configure_optimizers",
            )
    for owner in facts.modules():
        if is_only_loaded(facts, owner):
            continue
        told = set[str]()  # once for each function: what counts again is often a line of a log
        for call in facts.calls_in(owner, ".train_dataloader"):
            counts = call.hook == "configure_optimizers" and call.function not in told
            if counts and _counts_for_one(facts, owner, call):
                told.add(call.function)
                yield self.finding(
                    call.location,
                    "this loader is as long as on one device: on several each process takes fewer "
                    "steps than are counted here",
                    remedy="use self.trainer.estimated_stepping_batches",
                    subject=owner.short_name,
                )


STEPS = frozenset(
    {
        *("steps_per_epoch", "total_steps", "num_total_steps", "t_total", "train_steps"),
        *("num_training_steps", "num_train_steps", "n_training_steps", "training_steps"),
    }
)
"""What modules call a number of steps that they are told."""


def _is_length(name: str, origin: Origin) -> bool:
    """Whether a parameter for a number of steps is given the batches of a loader, or so many times
    these."""
    counted = isinstance(origin, FunctionCall) and origin.name == "builtins.len"
    return counted and name in STEPS


def _asks_for_devices(facts: ProjectFacts) -> bool:
    """Whether some module divides by the number of devices what it is told."""
    methods = (one for owner in facts.modules() for one in owner.own_methods)
    return any(
        one.name in ("__init__", "configure_optimizers") and not one.words.isdisjoint(ACCOUNTS)
        for one in methods
    )


OF_ONE_PROCESS = ("RandomSampler", "SequentialSampler", "BatchSampler")
"""Samplers that know of no other process, ``WeightedRandomSampler`` among them."""


def _shares_out(loader: LoaderSite) -> bool:
    """Whether a training loader has a sampler that may be a distributed one: it is as long as what
    its process reads."""
    given = (loader.argument(name) for name in ("sampler", "batch_sampler") if loader.gives(name))
    return loader.by == "train_dataloader" and not all(map(_of_one_process, given))


def _of_one_process(sampler: Value) -> bool:
    own = isinstance(sampler, Made) and sampler.name.startswith("torch.utils.data.")
    return sampler == ABSENT or (own and sampler.name.endswith(OF_ONE_PROCESS))  # type: ignore[union-attr]


def _counts_for_one(facts: ProjectFacts, owner: ClassFacts, call: CallSite) -> bool:
    """Whether the length of the loader is asked for, and nothing around it asks how many devices
    there are."""
    family = {owner.name, *owner.ancestors}
    methods = (one for found in facts.classes if found.name in family for one in found.own_methods)
    around = {one.name: one.words for one in methods if one.name in (call.function, call.hook)}
    own = around.get(call.function, frozenset())
    accounted = any(not words.isdisjoint(ACCOUNTS) for words in around.values())
    of_data = any(word.endswith("dataset") for word in own)
    return "len" in own and not of_data and not accounted


@rule("LTN513", "removed-strategy", rows=("DDP13",), fixable=True)
def removed_strategy(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A Trainer gets a strategy that Lightning 2.0 removed.

    What it does
    ------------
    Finds `strategy="dp"`, `"ddp2"`, `"horovod"`, `"ddp_sharded"` and the like, `strategy=None`, and
    strategies that are given as `accelerator=`; one that is only the default of an option
    (`args.strategy`) is suspected. Projects that are pinned to 1.x, or evidently
    written for it, are left alone.

    Why is this bad
    ---------------
    The Trainer cannot be built: ValueError.

    Example
    -------
        trainer = Trainer(devices=2, strategy="dp")

    Use instead
    -----------
        trainer = Trainer(devices=2, strategy="ddp")

    When to ignore
    --------------
    Where the code only runs with Lightning 1.x: then say so with
    `lightning-version = "1.9"` in the configuration or with a pin in the requirements.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/upgrade/from_1_9.html
    """
    for trainer in facts.trainers:
        for name in ("strategy", "accelerator"):
            given = dict((*trainer.arguments, *trainer.by_default)).get(name, UNKNOWN)
            text = None if name == "strategy" and given == ABSENT else _offered(name, given)
            if version_at(facts, trainer.location) >= (2, 0) and text != "":
                instead = strategies.REMOVED.get(text or "", text or "auto")
                found = self.finding(
                    trainer.at(name),
                    f"Lightning 2 refuses {name}={text!r}",
                    remedy=f"use strategy={instead!r}",
                    fix=_today(trainer, name, instead) if _says(trainer, name) else None,
                )
                left_out = f"without {name} on the command line"
                suspected = replace(found, status=Status.SUSPECTED, condition=left_out)
                yield suspected if name in dict(trainer.by_default) else found


def _says(trainer: TrainerSite, name: str) -> bool:
    """Whether an argument is one text, which another one can take the place of."""
    return isinstance(trainer.argument(name), Known)


def _offered(name: str, value: Value) -> str:
    """A refused name that an argument is, or is in some case (``"dp" if many else None``)."""
    given = value.values if isinstance(value, OneOf) else (getattr(value, "value", None),)
    return next((str(one) for one in given if _refused(name, one)), "")


def _today(trainer: TrainerSite, name: str, instead: str) -> Fix | None:
    """Another strategy; none where there is a choice of two."""
    if not instead.isidentifier():
        return None
    changes: tuple[Change, ...] = (SetArgument(trainer.location, name, f'"{instead}"'),)
    if name == "accelerator":
        changes = (*changes, RenameArgument(trainer.location, name, "strategy"))
    return Fix(f'use strategy="{instead}"', changes)


def _refused(name: str, text: object) -> bool:
    known = strategies.REMOVED if name == "strategy" else strategies.NO_ACCELERATORS
    return isinstance(text, str) and text in known


@rule(
    "LTN515",
    "batch-norm-of-one-process",
    rows=("DDP15",),
    status=Status.SUSPECTED,
    default=False,
    calls=NORMS,
    condition="if the batch of each process is small",
)
def batch_norm_of_one_process(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """Batch norm sees the batch of one process only.

    What it does
    ------------
    Finds BatchNorm layers that a module builds in a project whose Trainer runs several processes
    and none of whose Trainers says `sync_batchnorm=True`.

    Why is this bad
    ---------------
    Each process normalises by its own few samples, and the checkpoint holds the statistics of rank
    zero.

    Example
    -------
        class Model(LightningModule):
            def __init__(self):
                super().__init__()
                self.norm = torch.nn.BatchNorm2d(64)

        trainer = Trainer(devices=8, strategy="ddp")

    Use instead
    -----------
        class Model(LightningModule):
            def __init__(self):
                super().__init__()
                self.norm = torch.nn.BatchNorm2d(64)

        trainer = Trainer(devices=8, strategy="ddp", sync_batchnorm=True)

    When to ignore
    --------------
    Where each process has a batch of 16 samples and more.

    References
    ----------
    - https://pytorch.org/docs/stable/generated/torch.nn.SyncBatchNorm.html
    """
    decided = any(one.argument("sync_batchnorm") not in (ABSENT, NO) for one in facts.trainers)
    if decided or not several_devices(facts):
        return
    for owner in facts.modules():
        for call in facts.calls_in(owner, *NORMS):
            yield self.finding(
                call.location,
                "each process normalises by its own part of the batch, and rank zero's statistics "
                "are saved",
                remedy="Trainer(sync_batchnorm=True)",
                subject=owner.short_name,
            )
