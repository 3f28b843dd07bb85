"""Every code that a check can give has a page."""

from __future__ import annotations

import re
from pathlib import Path

import pl_lint.checks
from pl_lint.checks.mistakes import all_mistakes
from pl_lint.rules.registry import all_rules

CHECKS = Path(pl_lint.checks.__file__).parent
HEADINGS = ("What it does", "Why is this bad", "Example", "Use instead", "When to ignore")
HEADINGS += ("References",)


def test_every_code_of_a_check_is_a_rule_or_a_mistake_with_a_page() -> None:
    named = {
        code
        for path in CHECKS.rglob("*.py")
        for code in re.findall(r'"(LTN\d+)"', path.read_text())
    }
    known = {each.code for each in (*all_rules(), *all_mistakes())}
    assert named <= known, named - known


def test_no_code_is_both_a_rule_and_a_mistake() -> None:
    codes = [each.code for each in (*all_rules(), *all_mistakes())]
    assert len(codes) == len(set(codes))


def test_every_mistake_is_given_by_some_check() -> None:
    """As a value in the code: a docstring that mentions it does not count."""
    replays = CHECKS.parent / "runtime" / "watching" / "logged" / "replays.py"
    files = [path for path in CHECKS.rglob("*.py") if path.parent.name != "mistakes"]
    given = {
        code for path in (*files, replays) for code in re.findall(r'"(LTN\d+)"', path.read_text())
    }
    assert not {each.code for each in all_mistakes()} - given


def test_every_page_of_a_mistake_has_the_headings_of_a_rule() -> None:
    for mistake in all_mistakes():
        page = mistake.documentation
        positions = [page.find(f"\n{one}\n{'-' * len(one)}\n") for one in HEADINGS]
        assert positions == sorted(positions) and positions[0] > 0, mistake.code
