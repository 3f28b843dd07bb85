"""What is logged of all that the steps have left: one entry."""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.facts.origins import BatchValue, ListOfSteps, MetricCompute, MetricObject, parts
from pl_lint.facts.sites import WHOLE, ClassFacts, Entry, ListSite, LogSite, ProjectFacts
from pl_lint.facts.values import Known, Value
from pl_lint.facts.words import words_of
from pl_lint.findings import Finding, Status
from pl_lint.rules.registry import Rule, rule
from pl_lint.rules.wording import key_text, shown

OF_A_BATCH = ("_step", "_batch_end")
ORDERING = (".sort", ".reverse", ".pop", ".popleft")
"""What puts another entry in the place of one."""
LIMITS = {"train": "train", "validate": "val", "test": "test", "predict": "predict"}
MEANT = frozenset(
    "last latest newest recent current now final end first initial begin start single example "
    "sample batch step".split()
)
"""Words of a key that say which entry is meant."""
RUNNING = (MetricCompute, MetricObject, ListOfSteps)
"""What may hold more than one batch."""


@rule(
    "LTN145",
    "one-batch-logged-for-the-epoch",
    rows=("LOG12",),
    status=Status.SUSPECTED,
    default=False,
    condition="unless the loader has one batch",
    calls=ORDERING,
)
def one_batch_for_the_epoch(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """The end of an epoch logs what one batch has left, of all that the steps have.

    What it does
    ------------
    Finds `self.log("val_loss", self.losses[0])` and `self.log_dict(self.outputs[-1])` at the end of
    an epoch, where each step appends one value to that list, which is made of its batch. Silent
    where a condition decides what is appended, where anything but a step adds to the list or sets
    it, where other entries or other values are logged as well, where the key says that one batch is
    meant, where the last entry may be a running value, and where an epoch is seen to be one batch.
    It finds next to nothing in public code, so it is off by default.

    Why is this bad
    ---------------
    What is logged is the value of the first batch, or of the last, and so of a few samples; all
    others were measured for nothing. Nothing shows it: the curve is there, and looks noisy. A
    checkpoint that is chosen by it is chosen by one batch.

    Example
    -------
        def __init__(self):
            super().__init__()
            self.outputs = []

        def validation_step(self, batch, batch_idx):
            self.outputs.append({"val_loss": self.loss(batch)})

        def on_validation_epoch_end(self):
            self.log_dict(self.outputs[0])
            self.outputs.clear()

    Use instead
    -----------
        def validation_step(self, batch, batch_idx):
            self.log_dict({"val_loss": self.loss(batch)})

    When to ignore
    --------------
    Where an epoch is one batch.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/extensions/logging.html#automatic-logging
    """
    for owner in facts.logging_classes():
        for log in owner.logs:
            entry = log.entry
            if entry is None or not _is_of_epoch(log) or _has_one_batch(facts, log):
                continue
            if _is_left_by_steps(facts, owner, entry) and _is_all(owner, log, entry):
                which = {0: "first", -1: "last"}.get(entry.number, "same one")
                yield self.finding(
                    log.location,
                    f"{key_text(log)} is self.{entry.of}[{entry.number}], which the {which} batch "
                    "has left: the others are not counted",
                    remedy="log the value in the step: Lightning takes the mean over the batches",
                    subject=owner.short_name,
                )


def _is_of_epoch(log: LogSite) -> bool:
    """Whether an epoch ends there, and the key does not say which batch is meant."""
    return log.hook.endswith("_epoch_end") and MEANT.isdisjoint(words_of(shown(log.key)))


def _is_left_by_steps(facts: ProjectFacts, owner: ClassFacts, entry: Entry) -> bool:
    """Whether a list holds one value for each batch, in their order, and nothing else."""
    name = entry.of.partition("[")[0]
    added = [one for one in owner.lists if one.attribute == name and one.action == "append"]
    set_anew = (one for one in owner.assignments if one.attribute == name)
    moved = (one.receiver for one in facts.calls_in(owner, *ORDERING))
    return (
        bool(added)
        and all(_is_of_each_batch(one, entry) for one in added)
        and _is_of_the_data(owner, name)
        and all(one.hook == "__init__" or one.value == Known(()) for one in set_anew)
        and all(one.removeprefix("self.") != name for one in moved)
        and not (entry.number < 0 and _may_run_on(owner, added))
    )


def _is_of_each_batch(site: ListSite, entry: Entry) -> bool:
    sure = site.added and not site.guards and site.written == entry.of
    return bool(sure) and site.hook.endswith(OF_A_BATCH)


def _is_of_the_data(owner: ClassFacts, name: str) -> bool:
    """Whether what the steps leave in a list is made of their batches."""
    left = (part for one in owner.held if one.attribute == name for part in parts(one.origin))
    return any(isinstance(part, BatchValue) for part in left)


def _may_run_on(owner: ClassFacts, added: list[ListSite]) -> bool:
    """Whether the last value may be that of all batches: what a metric computes, or what a step
    works out from what it was, from that list or another."""
    hooks = {one.hook for one in added}
    lists = {one.attribute for one in added}
    left = [part for one in owner.held if one.attribute in lists for part in parts(one.origin)]
    computed = any(isinstance(part, RUNNING) for part in left)
    carried = any(one.hook in hooks and (one.carried or one.added) for one in owner.assignments)
    looks = any(one.read for one in added)
    return computed or carried or looks or any(one.hook in hooks for one in owner.meters)


def _is_all(owner: ClassFacts, log: LogSite, entry: Entry) -> bool:
    """Whether nothing else is logged under the key, and no other entry of the list."""
    return all(
        (one.entry == entry or one.key != log.key)
        and (one.entry is None or one.entry.of != entry.of or one.entry == entry)
        for one in owner.logs
        if one.hook == log.hook
    )


def _has_one_batch(facts: ProjectFacts, log: LogSite) -> bool:
    """Whether an epoch of a stage is seen to be one batch."""
    names = ("overfit_batches", f"limit_{LIMITS.get(log.stage or '', 'val')}_batches")
    limits = [one.argument(name) for one in facts.trainers for name in names]
    whole = any(one.stage == log.stage and one.sized_by == WHOLE for one in facts.loaders)
    return whole or any(map(_is_one, limits))


def _is_one(limit: Value) -> bool:
    """Whether it is one batch; ``1.0`` is all of them."""
    return isinstance(limit, Known) and limit.value == 1 and isinstance(limit.value, int)
