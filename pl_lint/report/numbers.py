"""What a run measured, in words."""

from __future__ import annotations

import math

from pl_lint.findings import Evidence

FEWEST_DIGITS, MOST_DIGITS = 3, 12


def comparison(evidence: Evidence) -> str:
    """``logged 0.756, true 0.567 (off by 0.189 = 33 %, tolerance 1e-05: why so much)``."""
    numbers = zip(evidence.words, _apart(evidence.logged, evidence.true), strict=True)
    return f"{', '.join(map(' '.join, numbers))} ({_distance(evidence)})"


def _apart(first: float, second: float) -> tuple[str, str]:
    """Both numbers with as few digits as tell them apart."""
    for digits in range(FEWEST_DIGITS, MOST_DIGITS):
        texts = f"{first:.{digits}g}", f"{second:.{digits}g}"
        if texts[0] != texts[1]:
            return texts
    return f"{first:.{FEWEST_DIGITS}g}", f"{second:.{FEWEST_DIGITS}g}"


def _distance(evidence: Evidence) -> str:
    allowed = f"tolerance {evidence.tolerance:.3g}"
    if evidence.because and evidence.tolerance:
        allowed += f": {evidence.because}"
    if not math.isfinite(evidence.difference):
        return allowed
    off = f"off by {evidence.difference:.3g}"
    if evidence.true:
        off += f" = {_percent(evidence.difference / abs(evidence.true))}"
    return f"{off}, {allowed}"


def _percent(share: float) -> str:
    percent = 100 * share
    return f"{percent:.0f} %" if percent >= 10 else f"{percent:.2g} %"
