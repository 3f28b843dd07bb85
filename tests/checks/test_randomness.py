"""Why two evaluations that are equal but for their seed do not agree."""

from __future__ import annotations

import pytest

from pl_lint.checks.values.randomness import random_part
from pl_lint.facts.events import AGAIN, USUAL, Batching, CaseFacts, EvaluationPass

CASE = CaseFacts("Net", "module.py", 1, "", ("validate",))


def said(value: float, seen: str = "") -> str:
    """Of a value that was 0.855 in the first evaluation, of the data "one"."""
    passes = {
        USUAL: EvaluationPass("validate", Batching(USUAL, (8,)), {"acc": 0.855}, seen="one"),
        AGAIN: EvaluationPass("validate", Batching(AGAIN, (8,)), {"acc": value}, seen=seen),
    }
    note = random_part("acc", passes, CASE)
    return "" if note is None else note.text


def test_data_that_follow_the_seed_are_told_from_a_value_that_does() -> None:
    assert said(0.839, seen="one") == "evaluating twice with other seeds gave 0.855 and 0.839"
    assert "the data themselves differ" in said(0.839, seen="other")
    assert "0.855, then 0.839" in said(0.839, seen="other")


@pytest.mark.parametrize("seen", ["one", "other"])
def test_a_value_that_stays_is_not_random(seen: str) -> None:
    assert said(0.855, seen) == ""
