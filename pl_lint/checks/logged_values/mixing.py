"""Values that move with the batches because the samples of a batch see each other: however they
are averaged, the outputs that they are made of are others in another batch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from pl_lint.checks.logged_values.cause import DECLARE
from pl_lint.checks.logged_values.rebatching import judge_rebatching
from pl_lint.checks.registry import Runs
from pl_lint.facts.training import Company
from pl_lint.findings import Finding

_VAGUE = ("LTN100", "LTN103")
"""What is said of a value that moves, and of which nothing else is known."""
_CODE = "training"
"""The check that proves that samples see each other; the catalogue has no row for it."""


def attributed(findings: Iterable[Finding], stage: str, runs: Runs) -> list[Finding]:
    """Findings of one stage, with the deeper cause where there is one.

    If another value of this stage is a property of the data, the outputs are, too: then it is the
    arithmetic of the one that moves."""
    told = list(findings)
    if not any(finding.code in _VAGUE for finding in told):
        return told
    if judge_rebatching(runs.rebatched(stage), runs.case()).cleared:
        return told
    mixed = [each for each in runs.trained().company if _moves_outputs(each)]
    if not mixed:
        return told
    return [_blamed(one, mixed[0]) if one.code in _VAGUE else one for one in told]


def _moves_outputs(each: Company) -> bool:
    """Not what ``predict_step`` itself makes of a batch: nobody else calls it."""
    return each.mixed and each.lengths is None and bool(each.call != "prediction" or each.by)


def _blamed(finding: Finding, by: Company) -> Finding:
    evidence = finding.evidence[0]
    cause = f"the samples of a batch see each other in {_where(by)}, so that their outputs are "
    cause += "others in another batch (see training)"
    remedy = "let each sample be judged by itself: no operation over dimension 0, batch_first=True"
    if by.by_design:
        cause += f": {by.by_design}"
        remedy = "let the norm keep and use running statistics"
    return replace(
        finding,
        code=_CODE,
        message=finding.message.removesuffix(evidence.cause) + cause,
        remedy=f"{remedy}; if it is meant so, declare it: {DECLARE.replace('KEY', finding.key)}",
        evidence=(replace(evidence, cause=cause), *finding.evidence[1:]),
    )


def _where(by: Company) -> str:
    name = f"self.{by.by} ({by.kind})" if by.by else f"{by.kind}.forward"
    line = by.over_batch.location if by.over_batch else by.location
    return f"{name}, line {line.line}" if line else name
