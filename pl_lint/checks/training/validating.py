"""Does validation leave the weights alone that are trained?"""

from __future__ import annotations

from pl_lint.checks.registry import Gathering
from pl_lint.checks.training.view import View, watched

REMEDY = (
    "put the weights back that were there, at the end of the validation (on_validation_end); what "
    "is computed for a validation belongs into a copy"
)


def judge_validating(view: View, into: Gathering) -> None:
    """Only weights that an optimizer holds: prototypes and averages of one's own may be made by a
    validation."""
    story = view.story
    trained = [one.name for one in story.parameters if one.optimizers]
    moved = [name for name in story.moved_by_validation if name in trained]
    if not moved:
        into.passed += bool(story.validated and trained)
        return
    into.findings.append(
        view.found(
            "training",
            "validation changes weights that are trained: after it training goes on with another "
            f"{view.parts_in_words(moved)} than before, so that it depends on how often validation "
            "runs",
            story.validating or view.case.home,
            REMEDY,
            evidence=watched("trained parameters that validation changes", len(moved), 0),
        )
    )
