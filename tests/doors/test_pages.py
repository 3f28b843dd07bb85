"""The pages made of docstrings: true Markdown, and not stale."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pl_lint import docs
from pl_lint.docs import markdown
from pl_lint.rules.registry import all_rules

DOCS = Path(__file__).parents[2] / "docs"
PAGES = docs.pages()
MAKE = "the page is stale: run `python -m pl_lint.docs`"


@pytest.mark.parametrize(
    ("docstring", "expected"),
    [
        ("Summary.", "Summary.\n"),
        ("What\n----\ntext", "## What\n\ntext\n"),
        ("What\n====\n\n\ntext", "## What\n\ntext\n"),
        ("A.\n\nHow it is judged:\ntext: more", "A.\n\n## How it is judged\n\ntext: more\n"),
        ("A.\n\nIt takes:\n\n- a", "A.\n\nIt takes:\n\n- a\n"),
        ("A sentence that\nends so:\nmore", "A sentence that\nends so:\nmore\n"),
        ("Use ``x`` and `y`.", "Use `x` and `y`.\n"),
        ("Thus::\n\n    a = 1\n\nso", "Thus:\n\n```python\na = 1\n```\n\nso\n"),
        ("E\n---\n    a = 1\n\n      b = 2\nso", "## E\n\n```python\na = 1\n\n  b = 2\n```\nso\n"),
        ("A.\n\n- item\n    goes on", "A.\n\n- item\n    goes on\n"),
        ("```python\nx = 1\n----\n```", "```python\nx = 1\n----\n```\n"),
        ("```python\nnever closed", "```python\nnever closed\n"),
        ("a\n\n---\n\nb", "a\n\n---\n\nb\n"),
    ],
)
def test_docstrings_become_markdown(docstring: str, expected: str) -> None:
    assert markdown(docstring) == expected


@pytest.mark.parametrize("path", PAGES)
def test_no_page_is_stale(path: str) -> None:
    file = DOCS / path
    assert file.is_file(), MAKE
    assert file.read_text(encoding="utf-8") == PAGES[path], MAKE


def test_no_page_is_left_over() -> None:
    assert docs.made(DOCS) == PAGES.keys(), MAKE


def test_writing_removes_what_is_gone(tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "LTN000.md").write_text("gone", encoding="utf-8")
    docs.write(tmp_path)
    assert docs.made(tmp_path) == PAGES.keys()


@pytest.mark.parametrize("rule", all_rules(), ids=lambda rule: rule.code)
def test_the_index_has_every_rule(rule: object) -> None:
    index = PAGES["rules/README.md"]
    assert f"| [{rule.code}]({rule.code}.md) | {rule.name} |" in index  # type: ignore[attr-defined]


@pytest.mark.parametrize("path", PAGES)
def test_pages_hold_no_half_made_markdown(path: str) -> None:
    text = PAGES[path]
    assert text.count("```") % 2 == 0
    outside = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    assert "``" not in outside
    assert not re.search(r"^(-{3,}|={3,})$", outside, flags=re.MULTILINE)
    titles = re.findall(r"^# ", outside, flags=re.MULTILINE)
    assert len(titles) == 1


@pytest.mark.parametrize("rule", all_rules(), ids=lambda rule: rule.code)
def test_a_rule_says_what_why_and_what_to_write(rule: object) -> None:
    headings = re.findall(r"^## (.*)$", docs.page(rule), flags=re.MULTILINE)  # type: ignore[arg-type]
    assert headings[:2] == ["What it does", "Why is this bad"]
    assert "Example" in headings
    assert "Use instead" in headings


def test_links_between_the_pages_lead_somewhere() -> None:
    for page in DOCS.rglob("*.md"):
        prose = re.sub(
            r"```.*?```|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.DOTALL
        )
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", prose):
            assert (page.parent / target).exists(), f"{page}: {target}"
