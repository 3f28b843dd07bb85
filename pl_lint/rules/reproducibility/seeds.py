"""What is seeded, how, and when."""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.facts.sites import ProjectFacts
from pl_lint.facts.values import must_be
from pl_lint.findings import Finding
from pl_lint.rules.registry import Rule, rule


@rule("LTN403", "workers-not-seeded", rows=("REP03",), default=False)
def workers_not_seeded(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """seed_everything is called without workers=True.

    What it does
    ------------
    Finds `seed_everything(seed)` where `workers` is not given.

    Why is this bad
    ---------------
    On several processes the loader workers of all ranks then draw the same random numbers: every
    rank augments its images in the same way. On one process nothing is wrong.

    Example
    -------
        seed_everything(42)

    Use instead
    -----------
        seed_everything(42, workers=True)

    When to ignore
    --------------
    On one device, or where loading data draws no random numbers.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/common/trainer.html#reproducibility
    - https://github.com/Lightning-AI/pytorch-lightning/issues/6960
    """
    for seed in facts.seeds:
        if must_be(seed.workers, False):
            yield self.finding(
                seed.location,
                "on several processes the loader workers of all ranks draw the same numbers",
                remedy="add workers=True",
            )
