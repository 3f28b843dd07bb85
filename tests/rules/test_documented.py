"""A rule's docstring is its documentation page; codes and names follow from one scheme."""

from __future__ import annotations

import re

import pytest

from pl_lint.findings import Status
from pl_lint.rules.registry import Rule, all_rules

HEADINGS = (
    "What it does",
    "Why is this bad",
    "Example",
    "Use instead",
    "When to ignore",
    "References",
)
FAMILIES = {"LOG": 100, "MET": 200, "CKP": 300, "REP": 400, "DDP": 500, "PRE": 600, "DEV": 650}
FAMILIES |= {"LOOP": 700, "DAT": 800, "LGR": 900, "DBG": 950}


def code_of(row: str) -> str:
    family, number = re.fullmatch(r"([A-Z]+)(\d+)", row).groups()  # type: ignore[union-attr]
    return f"LTN{FAMILIES[family] + int(number)}"


@pytest.mark.parametrize("rule", all_rules(), ids=lambda rule: rule.code)
def test_page_has_every_heading_with_text_below(rule: Rule) -> None:
    page = rule.documentation
    positions = [page.find(f"\n{heading}\n{'-' * len(heading)}\n") for heading in HEADINGS]
    assert positions == sorted(positions) and positions[0] > 0
    for part in re.split(r"\n[A-Z][\w ]+\n-+\n", page):
        assert part.strip()


@pytest.mark.parametrize("rule", all_rules(), ids=lambda rule: rule.code)
def test_examples_are_python(rule: Rule) -> None:
    for heading in ("Example", "Use instead"):
        start = rule.documentation.index(f"\n{heading}\n")
        lines = rule.documentation[start:].splitlines()[3:]
        code = []
        for line in lines:
            if line and not line.startswith("    "):
                break
            code.append(line[4:])
        assert any(code), heading
        compile("\n".join(code), rule.code, "exec")


@pytest.mark.parametrize("rule", all_rules(), ids=lambda rule: rule.code)
def test_code_name_and_status_follow_the_scheme(rule: Rule) -> None:
    assert not rule.rows or rule.code in [code_of(row) for row in rule.rows]
    assert re.fullmatch(r"[a-z]+(-[a-z0-9]+)*", rule.name)
    assert rule.summary.endswith(".") and len(rule.summary) <= 100
    assert (rule.status is Status.SUSPECTED) == bool(rule.condition)
    assert rule.observers in ("reading", "both")


def test_no_code_and_no_name_is_used_twice() -> None:
    rules = all_rules()
    assert len({rule.code for rule in rules}) == len({rule.name for rule in rules}) == len(rules)
