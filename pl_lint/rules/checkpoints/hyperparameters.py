"""Whether a module can be built again from its checkpoint."""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.facts.sites import ProjectFacts
from pl_lint.findings import Finding
from pl_lint.rules.registry import Rule, rule


@rule("LTN306", "hyperparameters-not-saved", rows=("CKP06",), default=False, observers="both")
def hyperparameters_not_saved(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A module takes arguments and does not save them with its checkpoints.

    What it does
    ------------
    Finds a LightningModule whose `__init__` has parameters and neither it nor a base class calls
    `save_hyperparameters()`.

    Why is this bad
    ---------------
    `load_from_checkpoint` builds the module again. Arguments without a default are an error then;
    those with one silently get it: a module trained with dropout 0.7 was loaded with 0.0.

    Example
    -------
        def __init__(self, hidden=128, dropout=0.0):
            super().__init__()

    Use instead
    -----------
        def __init__(self, hidden=128, dropout=0.0):
            super().__init__()
            self.save_hyperparameters()

    When to ignore
    --------------
    Where checkpoints are loaded with all arguments given, or by LightningCLI, which saves them
    itself.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/common/hyperparameters.html
    - https://github.com/Lightning-AI/pytorch-lightning/issues/4390
    """
    for owner in facts.modules():
        site = owner.hyperparameters
        if site is None or site.saved or not site.parameters or owner.open:
            continue
        names = ", ".join(site.parameters[:3]) + (", ..." if len(site.parameters) > 3 else "")
        yield self.finding(
            site.location,
            f"checkpoints of {owner.short_name} do not hold its arguments ({names})",
            remedy="call self.save_hyperparameters() after super().__init__()",
            subject=owner.short_name,
        )
