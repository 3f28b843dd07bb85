"""A baseline knows findings wherever their lines have moved, and no others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pl_lint import baseline
from pl_lint.cli import main
from pl_lint.config import ConfigError
from pl_lint.findings import Finding, Location

CODES = st.sampled_from(["LTN101", "LTN102"])


def finding(code: str, line: int) -> Finding:
    return Finding(code, "m", Location("a.py", line, 1, line, 2))


@given(
    st.lists(st.sampled_from(["f()", "g()", "h()"]), min_size=1, max_size=8),
    st.lists(st.integers(0, 9), max_size=3),
    st.data(),
)
def test_moved_lines_are_known_and_one_more_is_new(
    lines: list[str], moved: list[int], data: st.DataObject
):
    codes = [data.draw(CODES) for _ in lines]
    before = [finding(code, number) for number, code in enumerate(codes, 1)]
    known = baseline.of(before, lambda path: lines)
    text = list(zip(lines, codes, strict=True))
    for place in moved:
        text.insert(min(place, len(text)), ("blank", ""))
    after = [finding(code, number) for number, (_, code) in enumerate(text, 1) if code]
    texts = [line for line, _ in text]
    assert known.new(after, lambda path: texts) == ()
    again = [*texts, lines[0]]
    new = known.new([*after, finding(codes[0], len(again))], lambda path: again)
    assert [(one.code, again[one.location.line - 1]) for one in new] == [(codes[0], lines[0])]


def test_what_is_written_is_what_is_read(tmp_path: Path):
    lines = ["self.log('ä',  x)"]
    known = baseline.of([finding("LTN101", 1)], lambda path: lines)
    file = tmp_path / "known.json"
    file.write_text(baseline.dumps(known), "utf-8")
    assert baseline.load(file) == known


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"version": 99, "findings": []}', '{"version": 1, "findings": [1]}']
)
def test_anything_else_is_an_error_with_a_remedy(text: str, tmp_path: Path):
    file = tmp_path / "known.json"
    file.write_text(text, "utf-8")
    with pytest.raises(ConfigError, match=r"known\.json"):
        baseline.load(file)


def test_no_file_says_how_to_make_one(tmp_path: Path):
    with pytest.raises(ConfigError, match="--write-baseline"):
        baseline.load(tmp_path / "known.json")


def test_the_file_merges_well():
    known = baseline.of([finding("LTN102", 2), finding("LTN101", 1)], lambda path: ["a", "b"])
    rows = json.loads(baseline.dumps(known))["findings"]
    assert [row["code"] for row in rows] == ["LTN101", "LTN102"]


def test_what_cannot_be_read_is_told_when_a_baseline_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    broken = tmp_path / "broken.py"
    broken.write_text("import lightning\nx = = 1\n", "utf-8")
    file = tmp_path / "known.json"
    assert main(["check", "--write-baseline", str(file), str(broken)]) == 2
    assert file.exists()
    assert "broken.py:2:5: cannot be read" in capsys.readouterr().err
