"""A rule's docstring is its documentation page; codes and names follow from one scheme."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from examples import program

from pl_lint.config import Config
from pl_lint.facts.catalogue import all_rows
from pl_lint.findings import Status
from pl_lint.rules.registry import Rule, all_rules
from pl_lint.static.engine import read

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


def example(rule: Rule, heading: str) -> str:
    """The code below a heading of a rule's page."""
    start = rule.documentation.index(f"\n{heading}\n")
    lines = []
    for line in rule.documentation[start:].splitlines()[3:]:
        if line and not line.startswith("    "):
            break
        lines.append(line[4:])
    return "\n".join(lines)


def codes_in(rule: Rule, text: str, folder: Path) -> list[str]:
    """What this rule finds in a program."""
    path = folder / "example.py"
    path.write_text(text, "utf-8")
    hidden = re.findall(r"noqa: (LTN\d+)", text)
    config = Config(root=folder, select=(rule.code, *hidden), preview=True)
    reading = read([path], config, all_rules())
    assert not reading.unreadable
    return [finding.code for finding in reading.findings if finding.code == rule.code]


@pytest.mark.parametrize("rule", all_rules(), ids=lambda rule: rule.code)
def test_the_wrong_example_is_flagged_and_the_right_one_is_not(rule: Rule, tmp_path: Path) -> None:
    wrong, right = example(rule, "Example"), example(rule, "Use instead")
    assert codes_in(rule, program(wrong), tmp_path)
    assert not codes_in(rule, program(right, wrong), tmp_path)


@pytest.mark.parametrize("rule", all_rules(), ids=lambda rule: rule.code)
def test_code_name_and_status_follow_the_scheme(rule: Rule) -> None:
    own = [code_of(row) for row in rule.rows]
    second = rule.code not in [code_of(row.identifier) for row in all_rows()]  # of its row
    assert not own or rule.code in own or second
    assert re.fullmatch(r"[a-z]+(-[a-z0-9]+)*", rule.name)
    assert rule.summary.endswith(".") and len(rule.summary) <= 100
    assert (rule.status is Status.SUSPECTED) == bool(rule.condition)
    assert rule.observers in ("reading", "both")


def test_no_code_and_no_name_is_used_twice() -> None:
    rules = all_rules()
    assert len({rule.code for rule in rules}) == len({rule.name for rule in rules}) == len(rules)
