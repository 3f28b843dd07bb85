"""How data is split, and in which order it is read."""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.facts.sites import ProjectFacts
from pl_lint.findings import Finding
from pl_lint.rules.registry import Rule, rule


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
