"""Comments that hide findings, and text that only looks like one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pl_lint.findings import Finding, Location
from pl_lint.static.suppressions import Suppressions


def hidden(text: str, code: str = "LTN101", line: int = 1, end_line: int = 0) -> bool:
    finding = Finding(code, "m", Location("a.py", line, 1, end_line, 2))
    return Suppressions(text).hides(finding)


@pytest.mark.parametrize(
    "comment",
    [
        "# noqa",
        "#noqa",
        "# NOQA",
        "# noqa: LTN101",
        "# noqa:LTN101",
        "# noqa : LTN101",
        "# noqa: ltn101",
        "# noqa: E501, LTN101",
        "# noqa: E501,LTN101 shown elsewhere",
        "# noqa: E501 LTN101",
        "# noqa LTN101",
        "# type: ignore # noqa: LTN101",
        "# noqa: LTN102  # pl-lint: ignore[LTN101]",
        "# pl-lint: ignore",
        "# pl-lint: ignore because the value is a sum",
        "# pl-lint: ignore[LTN101]",
        "# pl-lint:ignore[LTN102, LTN101] the value is a sum",
        "# pl-lint: ignore [LTN101]",
        "# pl-lint: ignore LTN101",
    ],
)
def test_hides(comment: str) -> None:
    assert hidden(f"x = 1  {comment}\n")


@pytest.mark.parametrize(
    "comment",
    [
        "",
        "# noqa: LTN102",
        "# noqa: LTN10",
        "# noqa: LTN1011",
        "# noqa: E501",
        "# noqa E501",
        "# noqa:",
        "# noqa: because LTN101",
        "# noqa-file",
        "# noqaLTN101",
        "# flake8: noqa",
        "# pl-lint: ignore[]",
        "# pl-lint: ignore[LTN102]",
        "# pl-lint: ignore LTN102",
        "# pl-lint: ignore[oops]",
        "# pl-lint: ignored",
        "# pl-lint: ignore-file",
        "# pl-lint",
    ],
)
def test_does_not_hide(comment: str) -> None:
    assert not hidden(f"x = 1  {comment}\n")


STATEMENT = """\
self.log(  # first
    "f1",  # middle
    value,
)  # last
"""


@pytest.mark.parametrize(("mark", "expected"), [("first", True), ("middle", False), ("last", True)])
def test_the_first_and_the_last_line_of_a_place_count(mark: str, expected: bool) -> None:
    text = STATEMENT.replace(f"# {mark}", "# noqa: LTN101")
    assert hidden(text, line=1, end_line=4) is expected


def test_other_lines_are_not_hidden() -> None:
    assert not hidden("a = 1  # noqa\nb = 2\n", line=2)


def test_form_feeds_do_not_shift_lines() -> None:
    assert hidden("a = 1\n\f\nb = '\x0b\x1c'\nc = 3  # noqa\n", line=4)


BODIES = st.text(st.sampled_from("#noqa :LTN101[]pl-ignore\n"), max_size=20)
DIRECTIVES = st.sampled_from(
    ["# noqa", "# noqa: LTN101", "# pl-lint: ignore[LTN101]", "# pl-lint: ignore"]
)


@given(
    before=BODIES, directive=DIRECTIVES, after=BODIES, prefix=st.sampled_from(["", "r", "b", "f"])
)
def test_a_string_never_hides(before: str, directive: str, after: str, prefix: str) -> None:
    text = f'x = {prefix}"""{before}{directive}{after}"""\n'
    lines = range(1, text.count("\n") + 2)
    assert not any(hidden(text, line=line) for line in lines)


@given(body=BODIES, directive=DIRECTIVES)
def test_a_comment_after_a_string_always_hides(body: str, directive: str) -> None:
    text = f'x = """{body}"""  {directive}\n'
    assert hidden(text, line=text.count("\n"))


@given(st.text())
def test_any_text_is_survived(text: str) -> None:
    assert hidden(f"x = 1  # noqa\n{text}")


def test_implicitly_joined_strings_may_hold_comments() -> None:
    assert hidden("x = ('a'  # noqa: LTN101\n     '# noqa: LTN101')\n", line=1)
    assert not hidden("x = ('a'\n     '# noqa: LTN101')\n", line=2)


@pytest.mark.parametrize(
    "comment",
    [
        "# pl-lint: ignore-file",
        "# pl-lint: ignore-file[LTN101] an old project",
        "# pl-lint: ignore-file LTN102, LTN101",
    ],
)
def test_hides_in_the_whole_file(comment: str) -> None:
    assert hidden(f"import torch\n\n{comment}\n\nx = 1\n", line=5)


@pytest.mark.parametrize(
    "text",
    [
        "import torch  # pl-lint: ignore-file\n\n\n\nx = 1\n",  # behind code
        "# pl-lint: ignore-file[LTN102]\n\n\n\nx = 1\n",
        "# pl-lint: ignore-file[]\n\n\n\nx = 1\n",
        "'''\n# pl-lint: ignore-file\n'''\n\nx = 1\n",
    ],
)
def test_hides_nothing_elsewhere_in_the_file(text: str) -> None:
    assert not hidden(text, line=5)
