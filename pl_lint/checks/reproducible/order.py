"""The finding for runs that are equal only under the same PYTHONHASHSEED."""

from __future__ import annotations

from pl_lint.checks.reproducible.divergence import Divergence
from pl_lint.checks.reproducible.reporting import found
from pl_lint.facts.events import CaseFacts
from pl_lint.findings import Finding


def set_order(words: str, divergence: Divergence, case: CaseFacts) -> Finding:
    return found(
        "LTN411",
        f"{words} are equal only under the same PYTHONHASHSEED: first to differ is "
        f"{divergence.text}; the order of a set or the hash of a text decides it",
        divergence.location,
        "sort what comes out of a set (sorted(set(...))), and do not seed with hash(text)",
        case,
        divergence.evidence,
    )
