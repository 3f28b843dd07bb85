"""How fast samples come."""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.facts.sites import ProjectFacts
from pl_lint.facts.values import must_be
from pl_lint.findings import Finding
from pl_lint.rules.registry import Rule, rule


@rule("LTN805", "no-loader-workers", rows=("DAT05",), default=False)
def no_loader_workers(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A DataLoader works in the process that trains.

    What it does
    ------------
    Finds loaders of a Lightning class or Trainer without `num_workers`, or with `num_workers=0`.

    Why is this bad
    ---------------
    The accelerator waits while each batch is read and transformed. Lightning warns in every run.

    Example
    -------
        def train_dataloader(self):
            return DataLoader(self.train_set, batch_size=32, shuffle=True)

    Use instead
    -----------
        def train_dataloader(self):
            return DataLoader(self.train_set, batch_size=32, shuffle=True, num_workers=4)

    When to ignore
    --------------
    Where the data lie in memory, and on systems that cannot fork.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/advanced/speed.html#dataloaders
    """
    for loader in facts.loaders:
        left_out = loader.complete and not loader.gives("num_workers", 5)
        if left_out or must_be(loader.argument("num_workers", 5), 0):
            yield self.finding(
                loader.location,
                "batches are loaded in the process that trains, which waits for them meanwhile",
                remedy="add num_workers=",
            )
