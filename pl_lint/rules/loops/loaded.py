"""Modules that are loaded to be used, and compute as if they were trained."""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.facts.sites import ProjectFacts
from pl_lint.findings import Finding, Status
from pl_lint.rules.registry import Rule, rule


@rule(
    "LTN752",
    "loaded-in-training-mode",
    rows=(),
    status=Status.SUSPECTED,
    condition="unless it is meant to compute as in training",
)
def loaded_in_training_mode(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A module from a checkpoint is used without `eval()`: it computes as in training.

    What it does
    ------------
    Finds modules that `load_from_checkpoint()` returns and that code calls by hand: the module, a
    method of its own that computes, a part of it, or `torch.jit.script` and `torch.jit.trace` of
    it, where nobody has called `eval()` or `freeze()`. It must be known that the class, or what it
    builds, has dropout or batch norm. The module is followed by its names, into functions of the
    project and out of those that return it. Silent where a Trainer or anything else gets it,
    where its class mentions a mode, where something is trained, and where the code speaks of
    dropout or uncertainty.

    Why is this bad
    ---------------
    A module that was just built is in training mode, also one from a checkpoint. Only a Trainer
    changes that by itself. Dropout then draws another network for each prediction, and batch norm
    uses the mean of the batch that it is given in the place of those it has learned: a prediction
    depends on what else is in its batch. What was traced has this in it for good.

    Example
    -------
        class Classifier(LightningModule):
            def __init__(self):
                super().__init__()
                self.net = torch.nn.Sequential(torch.nn.Linear(8, 2), torch.nn.Dropout(0.1))

            def forward(self, values):
                return self.net(values)

        model = Classifier.load_from_checkpoint("best.ckpt")
        with torch.no_grad():
            scores = model(values)

    Use instead
    -----------
        class Classifier(LightningModule):
            def __init__(self):
                super().__init__()
                self.net = torch.nn.Sequential(torch.nn.Linear(8, 2), torch.nn.Dropout(0.1))

            def forward(self, values):
                return self.net(values)

        model = Classifier.load_from_checkpoint("best.ckpt")
        model.eval()
        with torch.no_grad():
            scores = model(values)

    When to ignore
    --------------
    Where the predictions are meant to be random, as for Monte Carlo dropout.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/deploy/production_basic.html
    - https://pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.eval
    """
    for site in facts.loaded:
        if not facts.in_tests(site.location):
            what = site.layer.rpartition(".")[2]
            yield self.finding(
                site.location,
                f"`{site.model}` is used in line {site.use.line} without `.eval()`, so its "
                f"{what} computes as in training",
                remedy="call .eval() on it first",
                subject=site.model,
            )
