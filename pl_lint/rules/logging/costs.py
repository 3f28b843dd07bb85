"""What logging and keeping values costs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pl_lint.facts.sites import ListSite, ProjectFacts
from pl_lint.facts.values import must_be
from pl_lint.findings import Finding, Status
from pl_lint.rules.registry import Rule, rule
from pl_lint.rules.wording import key_text

LOSS = re.compile(r"(self\.)?(\w*_)?loss(_\w+)?", re.IGNORECASE)
FREED = re.compile(r"detach|item|float", re.IGNORECASE)
"""Names that say that the graph is gone: ``detached_loss``."""


@rule(
    "LTN129",
    "graph-kept",
    rows=("LOG29",),
    status=Status.SUSPECTED,
    observers="both",
    condition="if the value still has its graph",
)
def graph_kept_alive(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A loss is kept with the graph that computed it.

    What it does
    ------------
    Reading finds `self.losses.append(loss)` in `training_step` without `detach()` or `item()`, and
    `enable_graph=True` of `self.log`. Running counts tensors with a graph in the attributes of a
    module after two and after five batches, and the operations behind them. A list that the end of
    the epoch empties is suspected only: Lightning's guide to 2.0 collects the losses of an epoch
    like that, and it is as long as an epoch.

    Why is this bad
    ---------------
    Every tensor of the graph stays in memory as long as the loss does: memory grows with each
    batch, and the run ends late in the epoch without any.

    Example
    -------
        def __init__(self):
            super().__init__()
            self.losses = []

        def training_step(self, batch, batch_idx):
            loss = self.loss(batch)
            self.losses.append(loss)
            return loss

    Use instead
    -----------
        def __init__(self):
            super().__init__()
            self.losses = []

        def training_step(self, batch, batch_idx):
            loss = self.loss(batch)
            self.losses.append(loss.detach())
            return loss

    When to ignore
    --------------
    Where the value was detached before, or the list is emptied in each step.

    References
    ----------
    - https://github.com/Lightning-AI/pytorch-lightning/issues/15514
    - https://github.com/Lightning-AI/pytorch-lightning/issues/4556
    """
    for owner in facts.modules():
        for log in owner.logs:
            if must_be(log.enable_graph, True):
                yield self.finding(
                    log.location,
                    f"{key_text(log)} keeps the graph of every batch until the epoch ends",
                    remedy="leave enable_graph=True out",
                    subject=owner.short_name,
                )
        emptied = {(one.attribute, one.hook) for one in owner.lists if one.action == "clear"}
        for site in owner.lists:
            if _keeps_graph(site) and (site.attribute, site.hook) not in emptied:
                yield self.finding(
                    site.location,
                    f"self.{site.attribute} keeps the graph of {site.added}",
                    remedy=f"append {site.added}.detach()",
                    subject=owner.short_name,
                )


def _keeps_graph(site: ListSite) -> bool:
    in_step = site.action == "append" and site.hook == "training_step"
    freed = "detach" in site.added  # ``detached_loss``: the name says what was done before
    freed = FREED.search(site.added) is not None
    return in_step and LOSS.fullmatch(site.added) is not None and not freed and not freed


@rule(
    "LTN130",
    "device-asked-each-step",
    rows=("LOG30",),
    default=False,
    calls=(".item", "builtins.print"),
)
def device_asked_each_step(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """Every training step waits for the device, or prints.

    What it does
    ------------
    Finds `.item()` and `print` in `training_step` under no condition.

    Why is this bad
    ---------------
    `.item()` waits until the GPU has done all that it was given, which it would otherwise do
    beside the next step. `self.log` takes the tensor as it is. A print comes from every process.

    Example
    -------
        def training_step(self, batch, batch_idx):
            loss = self.loss(batch)
            self.log("loss", loss.item())
            return loss

    Use instead
    -----------
        def training_step(self, batch, batch_idx):
            loss = self.loss(batch)
            self.log("loss", loss)
            return loss

    When to ignore
    --------------
    Where the number decides what the step does next.

    References
    ----------
    - https://github.com/Lightning-AI/pytorch-lightning/issues/15514
    - https://lightning.ai/docs/pytorch/stable/advanced/speed.html
    """
    for owner in facts.modules():
        for call in facts.calls_in(owner, ".item", "builtins.print"):
            if call.hook == "training_step" and not call.guards:
                waits = call.name.endswith(".item")
                yield self.finding(
                    call.location,
                    "each step waits for the device here" if waits else "each step prints",
                    remedy="give self.log the tensor" if waits else "self.log, or self.print",
                    subject=owner.short_name,
                )
