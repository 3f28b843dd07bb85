"""A baseline knows findings wherever their lines have moved, and no others."""

from __future__ import annotations

import json
from pathlib import Path

import projects
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
    known = baseline.of(before, lambda path: lines, Path())
    text = list(zip(lines, codes, strict=True))
    for place in moved:
        text.insert(min(place, len(text)), ("blank", ""))
    after = [finding(code, number) for number, (_, code) in enumerate(text, 1) if code]
    texts = [line for line, _ in text]
    assert known.parted(after, lambda path: texts) == ((), tuple(after))
    again = [*texts, lines[0]]
    new, _ = known.parted([*after, finding(codes[0], len(again))], lambda path: again)
    assert [(one.code, again[one.location.line - 1]) for one in new] == [(codes[0], lines[0])]


def test_what_is_written_is_what_is_read(tmp_path: Path):
    lines = ["self.log('ä',  x)"]
    known = baseline.of([finding("LTN101", 1)], lambda path: lines, tmp_path)
    file = tmp_path / "known.json"
    file.write_text(baseline.dumps(known), "utf-8")
    assert baseline.load(file) == known


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "line 1 is no JSON"),
        ('{"version": 2,\n', "line 2 is no JSON"),
        ("[]", "of this version"),
        ("{}", "of this version"),
        ('{"version": 1, "findings": []}', "of this version"),
        ('{"version": 2, "findings": [1]}', "of this version"),
    ],
)
def test_anything_else_is_an_error_with_a_remedy(text: str, problem: str, tmp_path: Path):
    file = tmp_path / "known.json"
    file.write_text(text, "utf-8")
    with pytest.raises(ConfigError) as error:
        baseline.load(file)
    assert "known.json: is no baseline" in str(error.value)
    assert problem in str(error.value)
    assert str(error.value).endswith(f"; write it anew: --write-baseline {file}")


def test_it_holds_wherever_it_is_used_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    package = projects.plant(tmp_path / "src" / "package", model=projects.SICK)
    (tmp_path / "ci").mkdir()
    monkeypatch.chdir(tmp_path)
    assert main(["--write-baseline", "ci/known.json", "."]) == 0
    for folder, file, path in (
        (tmp_path, "ci/known.json", "src"),
        (package, "../../ci/known.json", "model.py"),
        (tmp_path / "ci", "known.json", "../src"),
        (Path("/"), str(tmp_path / "ci" / "known.json"), str(package)),
    ):
        monkeypatch.chdir(folder)
        assert main(["--no-cache", "--baseline", file, path]) == 0
        assert "1 finding of the baseline not told again" in capsys.readouterr().out


def test_notes_are_counted_apart_as_in_the_summary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    text = projects.SICK.replace("LTN101", "") + "\n\npl.Trainer(max_epochs=1).fit(None)\n"
    Path("model.py").write_text(f"import lightning.pytorch as pl\n{text}", "utf-8")
    chosen = ["--no-cache", "--select", "LTN101,LTN401", "."]
    assert main([*chosen]) == 1
    assert "1 finding, 1 note (suspected, not counted); 1 file" in capsys.readouterr().out
    assert main(["--write-baseline", "known.json", *chosen]) == 0
    assert capsys.readouterr().out == "1 finding, 1 note written to known.json\n"
    assert main(["--baseline", "known.json", *chosen]) == 0
    assert "1 finding, 1 note of the baseline not told again" in capsys.readouterr().out


def test_no_file_says_how_to_make_one(tmp_path: Path):
    with pytest.raises(ConfigError, match="--write-baseline"):
        baseline.load(tmp_path / "known.json")


def test_the_file_merges_well():
    known = baseline.of(
        [finding("LTN102", 2), finding("LTN101", 1)], lambda path: ["a", "b"], Path()
    )
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
