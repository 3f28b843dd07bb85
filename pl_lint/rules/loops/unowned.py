"""Networks that training computes with, and that no module has."""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.facts.sites import ProjectFacts
from pl_lint.findings import Finding
from pl_lint.rules.registry import Rule, rule


@rule("LTN749", "weights-of-no-module", rows=("LOOP13",))
def weights_of_no_module(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A network with weights to learn is called in training and belongs to no module.

    What it does
    ------------
    Finds objects of the project's own classes of `torch.nn.Module` that `training_step`, or another
    step that training may call, makes for itself, or that stand in the file outside of classes
    (`weighting = LossWeights(2)`), where the class makes a `torch.nn.Parameter` of plain numbers
    or a layer of torch, and all that anybody does with the object is to call it. Classes that
    mention frozen or loaded weights are left alone, and so is an object that is kept, handed to
    something, asked for its parameters, or that other files may import.

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
        if not facts.in_tests(site.location):
            kind = "is made anew in each step" if site.each_step else "belongs to no module"
            yield self.finding(
                site.location,
                f"`{site.name}` has weights to learn and {kind}: no optimizer trains them, and no "
                "checkpoint saves them",
                remedy=f"self.{site.name} = {site.made_of}(...) in __init__",
                subject=site.owner.rpartition(".")[2],
            )
