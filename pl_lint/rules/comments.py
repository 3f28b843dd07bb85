"""Comments that switch findings off."""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.facts.sites import ProjectFacts, SuppressionSite
from pl_lint.findings import Finding, Status
from pl_lint.fixes import Fix, Replace
from pl_lint.rules.registry import Rule, rule


@rule(
    "LTN999",
    "unused-suppression",
    rows=(),
    status=Status.SUSPECTED,
    condition="unless a run finds there what reading does not",
    subject="comments",
)
def unused_suppression(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A comment switches off a finding that is not there.

    What it does
    ------------
    Finds `# noqa: LTN101` and `# pl-lint: ignore[LTN101]` where reading finds no LTN101, for the
    rules that are on.

    Why is this bad
    ---------------
    Nothing is wrong today. But the comment would hide the mistake when somebody makes it again.

    Example
    -------
        def validation_step(self, batch, batch_idx):
            self.log("val_loss", self.loss(batch))  # noqa: LTN101

    Use instead
    -----------
        def validation_step(self, batch, batch_idx):
            self.log("val_loss", self.loss(batch))

    When to ignore
    --------------
    Where `pytest --pl-check` finds something at that line that cannot be read.

    References
    ----------
    - https://docs.astral.sh/ruff/rules/unused-noqa/
    """
    for site in facts.suppressions:
        if site.unused:
            codes = ", ".join(site.unused)
            yield self.finding(
                site.location,
                f"there is no {codes} here that the comment could hide",
                remedy="delete what hides nothing, so that it cannot hide a mistake later",
                fix=_shortened(site),
            )


def _shortened(site: SuppressionSite) -> Fix:
    left = ", ".join(code for code in site.codes if code not in site.unused)
    change = Replace(site.named, left) if left else Replace(site.location, "")
    return Fix("shorten the comment", (change,))
