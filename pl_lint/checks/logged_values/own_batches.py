"""A mistake that only batches of some kind show: does it show in the user's own?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from pl_lint.checks.registry import Runs
from pl_lint.checks.values.numbers import sizes_in_words
from pl_lint.facts.events import EvaluationPass
from pl_lint.findings import Finding, Status

MIXED_SCORES = "LTN205"
CONDITION = "if some batch, perhaps a short last one, holds scores between 0 and 1 only"


def as_served(findings: Iterable[Finding], stage: str, runs: Runs) -> list[Finding]:
    """Findings of one stage. One about logits that are taken for probabilities counts only if they
    are in the user's own batches: of a single sample that is likely, of sixteen it is rare."""
    return [
        _narrowed(finding, stage, runs)
        if finding.code == MIXED_SCORES and not _is_mixed(finding, stage, runs)
        else finding
        for finding in findings
    ]


def _is_mixed(finding: Finding, stage: str, runs: Runs) -> bool:
    """Whether the metric is given both kinds of batches where nothing but the number of samples is
    cut."""
    return any(
        replay.name == finding.key and replay.mixed_scores
        for done in runs.served(stage).passes
        for replay in done.replays
    )


def _narrowed(finding: Finding, stage: str, runs: Runs) -> Finding:
    own = next((done for done in runs.served(stage).passes if done.error is None), None)
    message = f"{finding.message}; {_in_words(own)}: it is a mistake {CONDITION}"
    return replace(finding, status=Status.SUSPECTED, message=message, condition=CONDITION)


def _in_words(own: EvaluationPass | None) -> str:
    if own is None or not own.batching.sizes:
        return "whether batches of the user's own size are like that was not seen"
    return f"none is like that in {sizes_in_words(own.batching.sizes)}, as the loader makes them"
