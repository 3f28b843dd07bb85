"""The weight that Lightning gives the value of a batch in the mean of an epoch."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pl_lint.facts.origins import (
    BatchValue,
    MetricCompute,
    MetricForward,
    MetricObject,
    UnknownOrigin,
    parts,
)
from pl_lint.facts.sites import ClassFacts, FixedSize, LogSite, ProjectFacts
from pl_lint.facts.values import Known, OneOf, must_be
from pl_lint.findings import Finding, Status
from pl_lint.rules.judging import all_full, averaged, line_of, loaders_of
from pl_lint.rules.registry import Rule, rule
from pl_lint.rules.wording import key_text

EVALUATION = ("validate", "test")
OF_METRICS = (MetricObject, MetricForward, MetricCompute)


@rule(
    "LTN104",
    "wrong-batch-size",
    rows=("LOG04",),
    observers="both",
    status=Status.SUSPECTED,
    condition="if the last batch is smaller than the others, or samples differ in length",
)
def wrong_batch_size(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """Lightning weights the batches of an epoch mean by a wrong batch size.

    What it does
    ------------
    Reading finds values of validation and test that are logged with `batch_size=` and a setting
    (`self.hparams.batch_size`), a number, or `len(batch)` of a batch that is a dict or is taken
    apart (`x, y = batch`), which counts keys or members: the same for every batch, also for a last
    one that has fewer samples. Of dicts nothing is said in projects with graphs or TensorDicts,
    which have another length. Metric objects, for which Lightning ignores it, are left alone, and
    so are stages all of whose loaders may drop a short last batch, or have batches of one sample.
    It finds values of any stage that are logged without a `batch_size` where all loaders give lists
    of samples (`collate_fn=lambda batch: batch`): the weight is then a length of the first sample.
    Which tensor Lightning takes where nothing is given is known only with a batch in hand: a run
    compares the weight that Lightning gave each logged value with the number of samples that were
    in the batch, counted by pl-lint's own loader, where the right weights give the true mean and
    Lightning's give the logged one.

    Why is this bad
    ---------------
    With 33 samples in batches of 32, one sample weighs as much as all others together. Where
    nothing is given, Lightning takes the first dimension of the first tensor it finds: the time
    steps of a time-major batch, the nodes of a graph batch, 1 for a dict that starts with a scalar.
    With a short last batch the epoch mean is wrong, mostly without a word: 21.0 was logged where
    16.0 was true.

    Example
    -------
        def validation_step(self, batch, batch_idx):
            loss = self.loss(batch)
            self.log("val_loss", loss, batch_size=self.hparams.batch_size)

    Use instead
    -----------
        def validation_step(self, batch, batch_idx):
            loss = self.loss(batch)
            self.log("val_loss", loss, batch_size=len(batch[0]))

    When to ignore
    --------------
    Where all batches are of one size, or where the mean is not meant to be one over samples. Then
    pass what it is one over as `batch_size`, or name the key in `batch_dependent` of the case.

    References
    ----------
    Lightning-AI/pytorch-lightning issues 10349, 2924 and 10541.
    """
    for owner in facts.modules():
        for log in owner.logs:
            size = log.fixed_size
            if size is None or not averaged(log) or not _is_of_batch(log):
                continue
            if not any(_may_change(facts, owner, size)) and not all_full(facts, owner, log.stage):
                counted = f", the number of its {size.counts}" if size.counts else ""
                yield self.finding(
                    log.location,
                    f"{key_text(log)} gives each batch the weight {size.written}{counted}, also a "
                    "last one with fewer samples",
                    remedy="pass batch_size=<samples in this batch>, or leave it out",
                    subject=owner.short_name,
                )
        for log in owner.logs:
            left_out = averaged(log) and must_be(log.batch_size, None) and _is_of_samples(log)
            if left_out and _has_lists(facts, owner, log.stage):
                yield self.finding(
                    log.location,
                    f"batches are lists of samples: Lightning gives {key_text(log)} the first "
                    "dimension of the first tensor of the first sample for its weight",
                    remedy="pass batch_size=len(batch)",
                    subject=owner.short_name,
                )


MOVING = ("on_before_batch_transfer", "on_after_batch_transfer", "transfer_batch_to_device")
"""Hooks that may make something else of a batch."""


def _has_lists(facts: ProjectFacts, owner: ClassFacts, stage: str | None) -> bool:
    """Whether all loaders that feed a stage give lists of samples, and no hook changes them."""
    loaders = loaders_of(facts, owner, stage)
    homes = (*line_of(facts, owner), *_data_modules(facts))
    changed = any(method.name in MOVING for one in homes for method in one.own_methods)
    return bool(loaders) and all(one.of_lists for one in loaders) and not changed


def _is_of_batch(log: LogSite) -> bool:
    return log.stage in EVALUATION and _is_of_samples(log)


def _is_of_samples(log: LogSite) -> bool:
    """Whether a value is worked out from the batch, by no metric: it is seen, or is what somebody
    calls a loss, by whole keys, and not an attribute, which may be a metric object."""
    made_of = list(parts(log.origin))
    by_metric = any(isinstance(one, OF_METRICS) for one in made_of)
    of_batch = any(isinstance(one, BatchValue) for one in made_of)
    unseen = isinstance(log.origin, UnknownOrigin) and not log.shows
    called_so = unseen and isinstance(log.key, (Known, OneOf)) and "loss" in key_text(log).lower()
    return (of_batch or called_so) and not by_metric


FOR_EACH_BATCH = re.compile(r"batch|_step$|^forward$|^$")
"""Hooks that run for each batch, and methods of which nobody knows when they run."""


def _may_change(facts: ProjectFacts, owner: ClassFacts, size: FixedSize) -> Iterator[bool]:
    """Whether a setting is worked out, or set anew while batches come: each may then have its own.
    One that is set to 1 makes all batches alike."""
    if not size.path:
        return
    *holder, name = size.path
    of_data = holder[-1:] == ["datamodule"]
    changed = name if of_data or not holder else holder[0]
    for one in _data_modules(facts) if of_data else line_of(facts, owner):
        sites = [site for site in one.assignments if site.attribute == changed]
        yield any(method.name == name for method in one.own_methods)
        yield any(FOR_EACH_BATCH.search(site.hook) or must_be(site.value, 1) for site in sites)
    for reach in facts.reaches:
        held = reach.receiver.rpartition(".")[2] == holder[-1] if holder else True
        yield held and reach.attribute == name and bool(FOR_EACH_BATCH.search(reach.hook))


def _data_modules(facts: ProjectFacts) -> list[ClassFacts]:
    return [one for one in facts.classes if one.kind == "datamodule"]
