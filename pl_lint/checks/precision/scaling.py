"""What a GradScaler is given: losses that are finite, and gradients that nobody uses too early."""

from __future__ import annotations

from pl_lint.checks.precision.spelling import Spelling
from pl_lint.checks.registry import Gathering
from pl_lint.checks.values.numbers import shown
from pl_lint.facts.records import PrecisionRecord, ScaledClip
from pl_lint.findings import Evidence

LATER = "do it in on_before_optimizer_step(self, optimizer), where the gradients are what they are"


def judge_clipping(spelling: Spelling, record: PrecisionRecord, into: Gathering) -> None:
    """One finding for each line that clips what is still scaled."""
    for clip in {clip.location: clip for clip in record.clipped}.values():
        code = "LTN601" if clip.by_hand else "LTN608"
        text = (
            f"under {spelling} gradients are clipped while they are scaled: their norm is "
            f"{shown(clip.norm)}, {clip.scale:g} times what it ought to be"
        )
        evidence = (_norms(spelling, clip),)
        into.findings.append(spelling.found(code, text, LATER, clip.location, evidence))


def _norms(spelling: Spelling, clip: ScaledClip) -> Evidence:
    return Evidence(
        key="norm of the gradients",
        logged=clip.norm,
        true=clip.norm / clip.scale,
        tolerance=1e-3 * clip.norm / clip.scale,
        because="rounding of a norm in half precision",
        world=spelling.world,
        how="as the call sees them, and divided by the scale of the GradScaler",
        words=("seen", "true"),
    )
