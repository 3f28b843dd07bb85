"""Comments that hide findings, and text that only looks like one."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pl_lint.cli import main
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


@pytest.mark.parametrize(
    ("comment", "said"),
    [
        ("# pl-lint: ignore[LTN106", "a bracket is missing in this comment: it hides LTN106"),
        ("# noqa LTN106", "hides LTN106 for pl-lint, and for ruff and flake8 everything"),
        ("# noqa: LTN1061", "no rule has the code LTN1061: this hides nothing"),
        ("# pl-lint: ignore[LTN1O6]", "did you mean LTN106?"),
        ("# pl-lint: ignore[value-of-one-process-logged]", "did you mean LTN106?"),
        ("# pl-lint: ignroe[LTN106]", "no such comment as `# pl-lint: ignroe[LTN106]`"),
        ("# noqa: LNT106", "no rule has the code LNT106"),
        ("# noqa - LTN106", "hides everything in its line"),
    ],
)
def test_a_mistyped_comment_is_told(
    comment: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "model.py"
    file.write_text(
        f"import lightning as L\n\n\nclass A(L.LightningModule):\n    x = 1  {comment}\n"
    )
    assert main(["--no-cache", str(file)]) == 1
    out = capsys.readouterr().out
    assert "model.py:5:" in out and "LTN998" in out
    assert said in out


@pytest.mark.parametrize(
    ("comment", "remedy"),
    [
        ("# noqa LTN106", "write `# noqa: LTN106`"),
        ("# noqa: LTN106; LTN-101", "write `# noqa: LTN106, LTN101`"),
        ("#pl-lint: ignroe[LTN106]", "write `# pl-lint: ignore[LTN106] why`"),
        ("# pl-lint: ignore[]", "write `# noqa: LTN101, LTN102` or `# pl-lint: ignore[LTN101, LTN"),
        (
            "# pl-lint: ignore-file[LTN106]",
            "write `# pl-lint: ignore-file[LTN106] why` on a line of its own, or `# pl-lint: "
            "ignore[LTN106] why` for this line",
        ),
    ],
)
def test_what_to_write_is_said_in_the_comment_s_own_codes_and_form(
    comment: str, remedy: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "model.py"
    file.write_text(f"import lightning as L\n\nx = 1  {comment}\n")
    main(["--no-cache", "--select", "LTN998", str(file)])
    assert f"  remedy: {remedy}" in capsys.readouterr().out


def test_a_missing_bracket_is_written_by_fix(tmp_path: Path) -> None:
    file = tmp_path / "model.py"
    text = "import lightning as L\n\n\nclass A(L.LightningModule):\n    x = 1  # {}\n"
    file.write_text(text.format("pl-lint: ignore[LTN106 one device"))
    main(["--fix", str(file)])
    assert file.read_text() == text.format("pl-lint: ignore[LTN106] one device")
