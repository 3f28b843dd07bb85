"""Buffers that training fills: DDP hands rank zero's to all processes."""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.facts.origins import BatchValue, Origin, local_parts
from pl_lint.facts.sites import ClassFacts, ProjectFacts, TrainerSite
from pl_lint.facts.values import Known, Made
from pl_lint.facts.words import MAY_GATHER
from pl_lint.findings import Finding, Location, Status
from pl_lint.rules.distributed.evidence import for_one_rank
from pl_lint.rules.judging import stage_on_several
from pl_lint.rules.registry import Rule, rule

IN_PLACE = (".copy_", ".add_", ".mul_", ".lerp_", ".sub_", ".index_add_", ".scatter_add_")
EMPTYING = (".zero_", ".fill_")


@rule(
    "LTN508",
    "statistic-of-one-process",
    rows=("DDP08",),
    status=Status.SUSPECTED,
    observers="both",
    calls=("self.register_buffer", *IN_PLACE, *EMPTYING),
    condition="if several processes train",
)
def statistic_of_one_process(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A buffer or a frozen parameter is updated from each rank's own samples.

    What it does
    ------------
    Reading finds a registered buffer that training adds parts of the batch to, in place, with
    `+=`, as `self.mean = 0.9 * self.mean + 0.1 * x` or by index (`self.queue[a:b] = keys`, unless
    the class gathers anything), without gathering them, where a Trainer of the project is written
    to use several devices. Running compares the buffers of the module's own
    classes, and its parameters, on all ranks after some steps. The running statistics of torch's
    batch norm are left alone.

    Why is this bad
    ---------------
    DDP sends rank zero's buffers to all ranks before each step: what the others added is lost, and
    the checkpoint holds what one rank saw. A sample counter said 14 on one rank and 22 on the other
    where 28 was true.

    Example
    -------
        class Model(LightningModule):
            def __init__(self):
                super().__init__()
                self.register_buffer("seen", torch.zeros(()))

            def training_step(self, batch, batch_idx):
                self.seen += batch.shape[0]
                return self.loss(batch)

        trainer = Trainer(devices=2, strategy="ddp")

    Use instead
    -----------
        class Model(LightningModule):
            def __init__(self):
                super().__init__()
                self.register_buffer("seen", torch.zeros(()))

            def training_step(self, batch, batch_idx):
                self.seen += self.all_gather(torch.tensor(batch.shape[0])).sum()
                return self.loss(batch)

        trainer = Trainer(devices=2, strategy="ddp")

    When to ignore
    --------------
    Where one process trains.

    References
    ----------
    - https://pytorch.org/docs/stable/generated/torch.nn.parallel.DistributedDataParallel.html
    """
    if any(map(_keeps_apart, facts.trainers)):
        return
    for owner in facts.modules():
        several = stage_on_several(facts, owner, "train")
        for attribute, location in (
            _updates(facts, owner, _buffers(facts, owner)) if several else ()
        ):
            yield self.finding(
                location,
                f"the buffer {attribute} learns from the samples of one process: DDP replaces it "
                "by rank zero's before each step",
                remedy="gather the values of all processes first: self.all_gather(...)",
                subject=owner.short_name,
            )


def _buffers(facts: ProjectFacts, owner: ClassFacts) -> set[str]:
    """The buffers that keep something: one that is emptied in training is scratch paper."""
    given = (call.argument("name", 0) for call in facts.calls_in(owner, "self.register_buffer"))
    names = {str(value.value) for value in given if isinstance(value, Known)}
    emptied = (one for one in facts.calls_in(owner, *EMPTYING) if one.stage == "train")
    return names - {one.receiver.removeprefix("self.") for one in emptied}


def _keeps_apart(trainer: TrainerSite) -> bool:
    """Whether DDP is told to leave the buffers of each process alone."""
    strategy = trainer.argument("strategy")
    return isinstance(strategy, Made) and strategy.argument("broadcast_buffers") == Known(False)


def _updates(
    facts: ProjectFacts, owner: ClassFacts, buffers: set[str]
) -> Iterator[tuple[str, Location]]:
    """Where training changes a buffer by what stands in the batch."""
    for site in owner.assignments:
        trains = (site.augmented or site.carried) and site.stage == "train"
        if trains and site.attribute in buffers and _of_batch(site.origin):
            yield f"self.{site.attribute}", site.location
    for item in owner.items if not _gathers(owner) else ():
        learns = item.stage == "train" and not for_one_rank(item.guards) and _of_batch(item.origin)
        if learns and item.attribute in buffers:
            yield f"self.{item.attribute}", item.location
    for call in facts.calls_in(owner, *IN_PLACE) if buffers else ():
        changed = call.receiver.removesuffix(".data")
        trains = call.stage == "train" and not for_one_rank(call.guards)
        learns = trains and any(_of_batch(origin) for _, origin in call.origins)
        if learns and changed in {f"self.{one}" for one in buffers}:
            yield changed, call.location


def _gathers(owner: ClassFacts) -> bool:
    """Whether some method of the class gathers something: a queue of keys may hold those of all, in
    ways that reading cannot follow."""
    return any(MAY_GATHER.search(word) for one in owner.own_methods for word in one.words)


def _of_batch(origin: Origin) -> bool:
    """Whether a value is made of this process' samples and not gathered from all."""
    return any(isinstance(part, BatchValue) for part in local_parts(origin))
