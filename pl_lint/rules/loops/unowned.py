"""Networks that training computes with, and that no module has."""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.facts.sites import ClassFacts, ProjectFacts, UnownedSite
from pl_lint.findings import Finding, Status
from pl_lint.rules.loops.reaching import (
    TRAINING,
    methods_of,
    reached_from,
    stops_gradients,
    words_of,
)
from pl_lint.rules.registry import Rule, rule


@rule(
    "LTN749",
    "weights-of-no-module",
    rows=("LOOP13",),
    status=Status.SUSPECTED,
    condition="if the weights are not meant to stay as they begin",
)
def weights_of_no_module(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A network with weights to learn is called in training and belongs to no module.

    What it does
    ------------
    Finds objects of the project's own classes of `torch.nn.Module` that stand in the file outside
    of classes (`weighting = LossWeights(2)`), or that a method makes for itself and calls in one
    place, a layer of torch among them (`head = torch.nn.Linear(8, 2)`), where `training_step` or
    `forward` leads to the call. The class does nothing in `__init__` but to keep things, among
    them a `torch.nn.Parameter` of plain or random numbers that its `forward` computes with, or a
    layer of torch that this calls; and all that anybody does with the object is to call it. Left
    alone are training that detaches something or switches gradients off anywhere, and an object
    that another file may reach.

    Why is this bad
    ---------------
    `self.parameters()` does not have its weights, so no optimizer trains them; they are not moved
    to the GPU with the module, and no checkpoint saves them. One that a step makes for itself has
    other weights in every step. A loss that learns its weights is trained with those that it began
    with, and nothing says so.

    Example
    -------
        class LossWeights(torch.nn.Module):
            def __init__(self, count):
                super().__init__()
                self.log_variances = torch.nn.Parameter(torch.zeros(count))

            def forward(self, losses):
                return (torch.exp(-self.log_variances) * losses + self.log_variances).sum()

        weighting = LossWeights(2)

        class Model(LightningModule):
            def training_step(self, batch, batch_idx):
                return weighting(self.losses(batch))

            def configure_optimizers(self):
                return torch.optim.Adam(self.parameters())

    Use instead
    -----------
        class Model(LightningModule):
            def __init__(self):
                super().__init__()
                self.weighting = LossWeights(2)

            def training_step(self, batch, batch_idx):
                return self.weighting(self.losses(batch))

            def configure_optimizers(self):
                return torch.optim.Adam(self.parameters())

    When to ignore
    --------------
    Where the network is meant to stay as it was made, at random.

    References
    ----------
    - https://pytorch.org/docs/stable/generated/torch.nn.Module.html
    """
    for site in facts.unowned:
        owner = next((one for one in facts.classes if _trains_with(facts, one, site)), None)
        if owner is not None and not facts.in_tests(site.location):
            kind = "is made anew in each step" if site.each_step else "belongs to no module"
            yield self.finding(
                site.location,
                f"`{site.name}` has weights to learn and {kind}: no optimizer trains them, and no "
                "checkpoint saves them",
                remedy=f"self.{site.name} = {site.made_of}(...) in __init__",
                subject=owner.short_name,
            )


def _trains_with(facts: ProjectFacts, owner: ClassFacts, site: UnownedSite) -> bool:
    """Whether ``training_step`` of a class leads to a call of a network, and nothing on the way
    does without gradients."""
    methods = methods_of(facts, owner)
    reached = reached_from(methods, TRAINING) if "training_step" in methods else frozenset()
    calling = any(name == owner.name and method in reached for name, method in site.callers)
    still = any(stops_gradients(methods[name]) for name in reached)
    return calling and not still and "detach" not in words_of(methods, reached)
