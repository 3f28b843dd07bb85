"""Values that move with the batches, and what else is known of their cause: the samples of a batch
see each other, so that the outputs are others in another batch, however they are averaged; or what
reading says of the line."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from pl_lint.checks.logged_values.cause import DECLARE
from pl_lint.checks.logged_values.causes import DIVIDED, UNKNOWN
from pl_lint.checks.logged_values.rebatching import judge_rebatching
from pl_lint.checks.registry import Runs
from pl_lint.facts.training import Company
from pl_lint.findings import Finding
from pl_lint.join import same_place

_VAGUE = (UNKNOWN.code, "LTN103")
"""What is said of a value that moves, and of which nothing else is known."""
_READ = ("LTN213", "LTN102", "LTN101", "LTN103")
"""What reading may know of such a value: a number taken out of a metric (``item()``) leaves no
trace in a run."""
_LEFT_OVER = {"LTN203": ("LTN220",)}
"""What an earlier evaluation left behind, and what reading may know of it: counters by hand."""
_CODE = "training"
"""The check that proves that samples see each other; the catalogue has no row for it."""
_PADDING = "LTN810"

APART = (
    "look for an operation over dimension 0: softmax(dim=0), a mean over the batch, "
    "batch_first=False"
)
MASKED = "pack_padded_sequence(), a mask, or the last valid step: o[arange(len(o)), lengths - 1]"
"""What to do where samples of one batch see each other, and where padding is seen."""


def attributed(findings: Iterable[Finding], stage: str, runs: Runs) -> list[Finding]:
    """Findings of one stage, with the deeper cause where there is one.

    If another value of this stage is a property of the data, the outputs are, too: then it is the
    arithmetic of the one that moves."""
    told = [as_read(finding, runs) for finding in findings]
    if not any(map(_is_vague, told)):
        return told
    larger = judge_rebatching(runs.rebatched(stage), runs.case())
    if not larger.cleared:
        mixed = [each for each in runs.trained().company if _moves_outputs(each)]
        # Whatever sees other samples sees longer ones, too.
        mixed.sort(key=lambda each: each.lengths is not None)
        if mixed:
            return [_blamed(one, mixed[0]) if _is_vague(one) else one for one in told]
    known = {one.key: one for one in larger.findings}
    return [_as_followed(one, known.get(one.key, one)) for one in told]


def as_read(finding: Finding, runs: Runs) -> Finding:
    """What reading says of the same call, where the run only knows that batches were averaged, or
    that something was left behind."""
    codes = _READ if _is_vague(finding) else _LEFT_OVER.get(finding.code, ())
    known = (said for code in codes for said in runs.suspected(code))
    here = [
        said
        for said in known
        if repr(finding.key) in said.message and same_place(said.location, finding.location)
    ]
    if not here:
        return finding
    return replace(finding, code=here[0].code, remedy=here[0].remedy)


def _is_vague(finding: Finding) -> bool:
    return finding.code in _VAGUE and DIVIDED not in finding.message


def _as_followed(finding: Finding, followed: Finding) -> Finding:
    """A searched run is not followed; one of more samples may be, and know more of the same key."""
    if not _is_vague(finding) or finding.code != "LTN103" or followed.code != UNKNOWN.code:
        return finding
    return replace(finding, code=followed.code, remedy=followed.remedy)


def _moves_outputs(each: Company) -> bool:
    """Not what ``predict_step`` itself makes of a batch: nobody else calls it."""
    if each.lengths is not None:
        return each.mixed and each.is_mistake
    return each.mixed and bool(each.call != "prediction" or each.by)


def _blamed(finding: Finding, by: Company) -> Finding:
    """With the code of what ``training`` proves; where it only has a note, the number is as wrong,
    and nothing proves it a mistake that they see each other."""
    evidence = finding.evidence[0]
    cause, remedy = _in_words(by), APART if by.lengths is None else MASKED
    if by.by_design:
        remedy = "let the norm keep and use running statistics"
        cause += f": {by.by_design}"
    code = UNKNOWN.code
    if by.is_mistake:
        code, cause = (_CODE if by.lengths is None else _PADDING), f"{cause} (see training)"
    return replace(
        finding,
        code=code,
        message=finding.message.removesuffix(evidence.cause) + cause,
        remedy=f"{remedy}; if it is meant so, declare it: {DECLARE.replace('KEY', finding.key)}",
        evidence=(replace(evidence, cause=cause), *finding.evidence[1:]),
    )


def _in_words(by: Company) -> str:
    what = (
        "padding gets into the samples" if by.lengths else "the samples of a batch see each other"
    )
    return f"{what} in {_where(by)}, so that their outputs are others in another batch"


def _where(by: Company) -> str:
    name = f"self.{by.by} ({by.kind})" if by.by else f"{by.kind}.forward"
    line = by.over_batch.location if by.over_batch else by.location
    return f"{name}, line {line.line}" if line else name
