"""Whether the same code gives the same numbers again."""

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


@rule("LTN406", "split-without-generator", rows=("REP06",), default=False, observers="both")
def split_without_generator(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """Data is split at random without a generator of its own.

    What it does
    ------------
    Finds `random_split` without `generator=` and scikit-learn's splits without `random_state=`.

    Why is this bad
    ---------------
    The split then depends on everything that drew random numbers before. Without a seed it
    differs between runs and between ranks, so that one rank trains on what another validates on:
    in one run the validation sets were [0, 2, 4, 9] and [0, 1, 3, 4].

    Example
    -------
        train, val = random_split(data, [0.8, 0.2])

    Use instead
    -----------
        generator = torch.Generator().manual_seed(42)
        train, val = random_split(data, [0.8, 0.2], generator=generator)

    When to ignore
    --------------
    Where `seed_everything` runs before and nothing between it and the split may ever change.

    References
    ----------
    - https://pytorch.org/docs/stable/data.html#torch.utils.data.random_split
    - https://github.com/Lightning-AI/pytorch-lightning/issues/18638
    """
    for split in facts.splits:
        if not split.seeded:
            argument = "generator" if split.function == "random_split" else "random_state"
            yield self.finding(
                split.location,
                f"{split.function} draws from the global random state: the split changes with "
                "whatever ran before, and between processes",
                remedy=f"pass {argument}= with a fixed seed",
            )
