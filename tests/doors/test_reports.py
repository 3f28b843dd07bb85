"""What people and programs get to read."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft4Validator

from pl_lint.config import Config
from pl_lint.findings import Evidence, Finding, Location, Status
from pl_lint.fixes import Applicability, Edit, Fix
from pl_lint.report import concise as concise_report
from pl_lint.report import github as github_report
from pl_lint.report import json as json_report
from pl_lint.report import sarif as sarif_report
from pl_lint.report.excerpt import excerpt, visible, width
from pl_lint.report.numbers import comparison
from pl_lint.report.result import Result, in_order
from pl_lint.report.text import COLOURED, render, render_finding
from pl_lint.static.reading import JudgedAs
from pl_lint.static.sources import Unreadable

DOCS = Path(__file__).parents[2] / "docs"
PLACE = Location("a.py", 2, 15, 2, 29)
SOURCE = ("class A:", '    self.log("f1", self.f1.value)  # here')
FINDING = Finding("LTN101", "It is wrong.", PLACE, remedy="write\nx = 1", subject="A")
SUSPECTED = replace(FINDING, status=Status.SUSPECTED, condition="on two devices")
EVIDENCE = Evidence(
    key="val/f1",
    logged=0.75600004,
    true=0.5670000,
    tolerance=1e-5,
    world="1 process, fp32",
    how="47 samples in batches of 16, 16, 15",
    cause="mean of the running values = 0.756",
)


def lines(path: str) -> Sequence[str]:
    return SOURCE if path == "a.py" else ()


NAMED = SimpleNamespace(
    code="LTN101",
    name="compute-in-step",
    summary="",
    documentation="Why.",
    observers="reading",
)


def result(*findings: Finding, unreadable: tuple[Unreadable, ...] = (), **fields: Any) -> Result:
    known: dict[str, Any] = {"files": 3, "relevant": 2, "config": Config(), **fields}
    return Result(findings=in_order(findings), unreadable=unreadable, **known)


def text(of: Result) -> str:
    return "\n".join(render(of, lines))


# --- text -----------------------------------------------------------------------------------------


def test_a_certain_finding() -> None:
    assert render_finding(FINDING, lines) == (
        "a.py:2:15: LTN101 It is wrong.\n"
        '    2 |     self.log("f1", self.f1.value)  # here\n'
        "      |               ^^^^^^^^^^^^^^\n"
        "  remedy: write\n"
        "    x = 1"
    )


def test_a_suspected_finding_says_when_and_who_decides() -> None:
    shown = render_finding(SUSPECTED, lines)
    assert shown.startswith("a.py:2:15: LTN101 (suspected) It is wrong.\n")
    assert "  note: a mistake on two devices; `pytest --pl-check` decides by running it\n" in shown


def test_a_finding_with_evidence_says_what_a_run_measured() -> None:
    shown = render_finding(FINDING.judged(Status.PROVED, EVIDENCE), lines)
    assert "LTN101 (proved by a run) It is wrong." in shown
    assert (
        "  val/f1: logged 0.756, true 0.567 (off by 0.189 = 33 %, tolerance 1e-05)"
        " [1 process, fp32, 47 samples in batches of 16, 16, 15]\n"
        "  cause: mean of the running values = 0.756\n"
    ) in shown


@pytest.mark.parametrize(
    ("logged", "true", "expected"),
    [
        (0.5, 0.0, "logged 0.5, true 0 (off by 0.5, tolerance 1e-05)"),
        (0.50004, 0.5, "logged 0.50004, true 0.5 (off by 4e-05 = 0.008 %, tolerance 1e-05)"),
        (12.0, -4.0, "logged 12, true -4 (off by 16 = 400 %, tolerance 1e-05)"),
        (math.nan, 0.5, "logged nan, true 0.5 (tolerance 1e-05)"),
        (math.inf, 0.5, "logged inf, true 0.5 (tolerance 1e-05)"),
        (0.5, 0.5, "logged 0.5, true 0.5 (off by 0 = 0 %, tolerance 1e-05)"),
    ],
)
def test_numbers_have_as_many_digits_as_tell_them_apart(
    logged: float, true: float, expected: str
) -> None:
    assert comparison(replace(EVIDENCE, logged=logged, true=true)) == expected


def test_a_tolerance_says_why_it_is_so_large() -> None:
    shown = comparison(replace(EVIDENCE, because="what float32 sums may be off"))
    assert shown.endswith("tolerance 1e-05: what float32 sums may be off)")


FINITE = st.floats(allow_nan=False, allow_infinity=False)


@given(FINITE, FINITE)
def test_different_numbers_never_look_equal(logged: float, true: float) -> None:
    shown = comparison(replace(EVIDENCE, logged=logged, true=true))
    match = re.match(r"logged (\S+), true (\S+) ", shown)
    assert match
    far_apart = abs(logged - true) > 1e-10 * max(abs(logged), abs(true))
    assert not far_apart or match[1] != match[2]


@pytest.mark.parametrize(
    ("line", "start", "end", "shown", "underline"),
    [
        ("a = b", 4, 5, "a = b", "    ^"),
        ("\ta = b", 5, 6, "    a = b", "        ^"),
        ("\t日 = b", 1, 2, "    日 = b", "    ^^"),
        ("日本 = b", 5, 6, "日本 = b", " " * 7 + "^"),
        ("é = b", 4, 5, "é = b", "    ^"),
        ("e\u0301 = b", 5, 6, "e\u0301 = b", "    ^"),
        ("\x1b[2J = b", 7, 8, "\\x1b[2J = b", " " * 10 + "^"),
        ("a = b", 5, 5, "a = b", "     ^"),
        ("a = b", 90, 99, "a = b", "     ^"),
        ("", 0, 0, "", "^"),
    ],
)
def test_the_underline_stands_below(
    line: str, start: int, end: int, shown: str, underline: str
) -> None:
    assert excerpt(line, start, end) == (shown, underline)


def test_of_a_long_line_the_place_is_shown() -> None:
    line = "x = [" + "1, " * 100_000 + "WRONG, " + "1, " * 100_000 + "]"
    start = line.index("WRONG")
    shown, underline = excerpt(line, start, start + 5)
    assert len(shown) < 110
    assert shown[underline.index("^") :].startswith("WRONG")
    assert underline.count("^") == 5


@given(st.text(max_size=300), st.integers(-5, 320), st.integers(-5, 320))
def test_any_line_can_be_shown(line: str, start: int, end: int) -> None:
    shown, underline = excerpt(line, start, end)
    assert shown.isprintable() or set(shown) - {c for c in shown if c.isprintable()} <= set(
        "\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
    )
    assert "^" in underline
    assert width(underline) <= max(width(shown), 0) + 1


@pytest.mark.parametrize(
    "hostile", ["\x1b[31m", "\r", "\x08", "\u202e", "\u2066", "\x9b", "\udcff"]
)
def test_nothing_that_is_shown_controls_the_terminal(hostile: str) -> None:
    place = replace(PLACE, path=f"a{hostile}.py")
    finding = Finding(
        "LTN101",
        f"m{hostile}",
        place,
        Status.SUSPECTED,
        f"r{hostile}",
        condition=hostile,
        evidence=(replace(EVIDENCE, key=hostile, world=hostile, cause=hostile),),
    )
    unreadable = Unreadable(place, f"u{hostile}")
    source = (f"a{hostile}", f"b = {hostile} + cccccccccccc")
    shown = "\n".join(render(result(finding, unreadable=(unreadable,)), lambda path: source))
    assert hostile not in shown
    assert ascii(hostile)[1:-1] in shown
    assert visible(hostile) == ascii(hostile)[1:-1]


def test_a_place_of_several_lines_is_underlined_to_the_end_of_its_first() -> None:
    shown = render_finding(replace(FINDING, location=Location("a.py", 2, 5, 4, 2)), lines)
    assert shown.split("\n")[2] == "      |     " + "^" * len(SOURCE[1].strip())


@pytest.mark.parametrize(
    "place", [Location("gone.py", 2), Location("a.py", 9), Location("a.py", 1, cell=3)]
)
def test_a_place_that_cannot_be_shown_is_still_reported(place: Location) -> None:
    shown = render_finding(replace(FINDING, location=place), lines)
    assert "LTN101 It is wrong.\n  remedy" in shown


@pytest.mark.parametrize(
    ("of", "last"),
    [
        (result(), "0 findings; 3 files read, 2 with Lightning code"),
        (result(FINDING), "1 finding; 3 files read, 2 with Lightning code"),
        (
            result(FINDING, SUSPECTED),
            "1 finding, 1 note (suspected, not counted); 3 files read, 2 with Lightning code",
        ),
        (
            result(FINDING, SUSPECTED, config=Config(fail_on=Status.SUSPECTED)),
            "2 findings; 3 files read, 2 with Lightning code",
        ),
        (result(relevant=0), "no Lightning code found in 3 files, nothing to check"),
        (result(files=1, relevant=0), "no Lightning code found in 1 file, nothing to check"),
        (result(files=0, relevant=0), "no Python file found"),
        (
            result(FINDING, unreadable=(Unreadable(Location("b.py", 1), "no such file"),)),
            "1 finding, 1 file that cannot be read; 2 files read, 2 with Lightning code",
        ),
        (
            result(unreadable=(Unreadable(Location("b.py", 1), "gone"),), files=0, relevant=0),
            "1 file that cannot be read",
        ),
    ],
)
def test_the_last_line_counts(of: Result, last: str) -> None:
    assert text(of).split("\n")[-1] == last


def test_what_cannot_be_read_comes_first_with_its_line() -> None:
    unreadable = Unreadable(Location("a.py", 1, 7), "typographic quote")
    assert text(result(FINDING, unreadable=(unreadable,))).startswith(
        "a.py:1:7: cannot be read: typographic quote\n    1 | class A:\n      |       ^\na.py:2"
    )


def test_colours_change_nothing_but_colours() -> None:
    of = result(FINDING, SUSPECTED, unreadable=(Unreadable(PLACE, "m"),))
    coloured = "\n".join(render(of, lines, COLOURED))
    assert "\x1b[" in coloured
    assert re.sub(r"\x1b\[[\d;]*m", "", coloured) == text(of)


# --- json -----------------------------------------------------------------------------------------


def documented(heading: str) -> set[str]:
    """The fields in the table below a heading of ``docs/json.md``."""
    page = (DOCS / "json.md").read_text(encoding="utf-8")
    section = re.split(r"^#+ ", page, flags=re.MULTILINE)
    body = next(part for part in section if part.startswith(heading))
    return set(re.findall(r"^\| `(\w+)` \|", body, flags=re.MULTILINE))


def test_the_documented_fields_are_the_fields() -> None:
    finding = FINDING.judged(Status.PROVED, EVIDENCE)
    unreadable, judged = (Unreadable(PLACE, "m"),), (JudgedAs("1.9", "setup.py", 1),)
    document = json_report.document(
        result(replace(finding, fix=FIX), unreadable=unreadable, judged=judged)
    )
    assert documented("The format") == document.keys()
    assert documented("A finding") == document["findings"][0].keys()
    assert documented("A piece of evidence") == document["findings"][0]["evidence"][0].keys()
    assert documented("An unreadable file") == document["unreadable"][0].keys()
    assert documented("A fix") == document["findings"][0]["fix"].keys()
    assert documented("A Lightning") == document["lightning"][0].keys()
    assert documented("The summary") == document["summary"].keys()


def test_json_carries_everything() -> None:
    of = result(SUSPECTED.judged(Status.SUSPECTED, EVIDENCE), rules=[NAMED])
    document = json.loads(json_report.render(of))
    assert document["version"] == json_report.VERSION
    (finding,) = document["findings"]
    assert finding["counts"] is False
    assert (finding["code"], finding["name"]) == ("LTN101", "compute-in-step")
    place = (finding["line"], finding["column"], finding["end_line"], finding["end_column"])
    assert place == (2, 15, 2, 29)
    assert finding["condition"] == "on two devices"
    assert finding["evidence"][0]["difference"] == pytest.approx(0.189, abs=1e-6)
    assert document["summary"] == {
        "findings": 0,
        "notes": 1,
        "unreadable": 0,
        "files": 3,
        "files_with_lightning": 2,
        "exit_code": 0,
    }


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_json_lacks_are_strings(value: float) -> None:
    finding = FINDING.judged(Status.PROVED, replace(EVIDENCE, logged=value))
    document = json.loads(json_report.render(result(finding)), parse_constant=pytest.fail)
    assert document["findings"][0]["evidence"][0]["logged"] == str(value)


PLACES = st.builds(
    Location,
    st.sampled_from(["a.py", "b.py"]),
    st.integers(1, 3),
    st.integers(1, 3),
)
FINDINGS = st.builds(Finding, st.sampled_from(["LTN101", "LTN102"]), st.sampled_from("xy"), PLACES)


@given(
    st.lists(FINDINGS, max_size=6).flatmap(lambda fs: st.tuples(st.just(fs), st.permutations(fs)))
)
def test_the_order_does_not_depend_on_who_found_what_first(
    both: tuple[list[Finding], list[Finding]],
) -> None:
    first, second = both
    assert json_report.render(result(*first)) == json_report.render(result(*second))


# --- exit codes -----------------------------------------------------------------------------------


def statuses_table() -> list[dict[str, str]]:
    page = (DOCS / "statuses.md").read_text(encoding="utf-8")
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in page.split("\n") if "|" in line
    ]
    return [dict(zip(rows[0], row, strict=True)) for row in rows[2:]]


DOORS = {"`pl-lint`": Config(), "`pl-lint --fail-on suspected`": Config(fail_on=Status.SUSPECTED)}
READERS = {"certain": Status.CERTAIN, "suspected": Status.SUSPECTED, "undecided": Status.SUSPECTED}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("row", statuses_table(), ids=lambda row: row["status"])
def test_the_table_of_statuses_holds_for_the_reader(row: dict[str, str], door: str) -> None:
    if row["status"] not in READERS:
        assert row[door] == "never made"
        return
    finding = replace(FINDING, status=READERS[row["status"]])
    of = result(finding, config=DOORS[door])
    promised = f"exit {of.exit_code}" + (", a note" if of.notes else "")
    assert row[door] == promised


def test_the_table_of_statuses_is_complete() -> None:
    assert [row["status"] for row in statuses_table()] == [*(s.value for s in Status), "undecided"]


def test_an_unreadable_file_wins_over_findings() -> None:
    unreadable = (Unreadable(Location("b.py", 1), "m"),)
    assert result(FINDING, unreadable=unreadable).exit_code == 2
    assert result(files=0, relevant=0).exit_code == 2


# --- for machines ---------------------------------------------------------------------------------

FIX = Fix("log it", (), Applicability.SAFE, (Edit((2, 15), (2, 29), "x\n"),))
UNREADABLE = Unreadable(Location("b c.py", 3, 4), "no, it cannot: 100 %\nreally")


def sarif(*findings: Finding, **fields: Any) -> dict[str, Any]:
    found = result(*findings, rules=[NAMED], **fields)
    return sarif_report.document(found)


def test_sarif_is_what_the_official_schema_says() -> None:
    schema = json.loads((Path(__file__).parent / "sarif-schema-2.1.0.json").read_text("utf-8"))
    report = sarif(
        replace(FINDING, fix=FIX), SUSPECTED, Finding("LTN999", "m", Location("/a b.py", 1))
    )
    validator = Draft4Validator(schema)
    whole = Unreadable(Location("gone.py", 0), "no such file")
    odd = sarif(unreadable=(UNREADABLE, whole), warnings=("`target`: unknown",))
    for document in (report, sarif(), odd):
        assert not list(validator.iter_errors(document))
    broken = {**report, "version": 3}
    assert list(validator.iter_errors(broken))  # the schema can say no


def test_sarif_explains_the_rules_that_found_something() -> None:
    quiet = SimpleNamespace(**{**vars(NAMED), "code": "LTN102", "documentation": "Another."})
    found = result(FINDING, rules=[NAMED, quiet])
    told, silent = sarif_report.document(found)["runs"][0]["tool"]["driver"]["rules"]
    assert told["help"] == {"text": NAMED.documentation}
    assert "help" not in silent


def test_sarif_tells_levels_places_and_fixes() -> None:
    (run,) = sarif(replace(FINDING, fix=FIX), SUSPECTED)["runs"]
    certain, suspected = run["results"]
    assert (certain["level"], suspected["level"]) == ("error", "note")
    assert run["tool"]["driver"]["rules"][certain["ruleIndex"]]["id"] == "LTN101"
    region = certain["locations"][0]["physicalLocation"]["region"]
    assert region == {"startLine": 2, "startColumn": 15, "endLine": 2, "endColumn": 29}
    (change,) = certain["fixes"][0]["artifactChanges"]
    assert change["replacements"][0]["insertedContent"] == {"text": "x\n"}
    assert "on two devices" in suspected["message"]["text"]


UNSAFE = replace(FIX, applicability=Applicability.UNSAFE)


def test_programs_are_told_whether_a_fix_is_safe() -> None:
    of = result(replace(FINDING, fix=FIX), replace(FINDING, fix=UNSAFE), FINDING)
    fixes = [one["fix"] for one in json_report.document(of)["findings"]]
    assert [one and one["applicability"] for one in fixes] == ["safe", "unsafe", None]
    (edit,) = fixes[0]["edits"]
    place = {"line": 2, "column": 15, "end_line": 2, "end_column": 29, "cell": None}
    assert edit == {**place, "text": "x\n"}


def test_a_viewer_of_sarif_applies_no_unsafe_fix() -> None:
    schema = json.loads((Path(__file__).parent / "sarif-schema-2.1.0.json").read_text("utf-8"))
    finding = replace(FINDING, fix=UNSAFE)
    document = sarif(finding)
    assert not list(Draft4Validator(schema).iter_errors(document))
    (told,) = document["runs"][0]["results"]
    assert "fixes" not in told
    (fix,) = told["properties"]["unsafeFixes"]
    assert fix["properties"] == {"applicability": "unsafe"}
    (wanted,) = sarif(finding, config=Config(unsafe_fixes=True))["runs"][0]["results"]
    assert wanted["fixes"] == [fix]


def test_github_annotations() -> None:
    told = github_report.render(result(FINDING, SUSPECTED, unreadable=(UNREADABLE,)), lines)
    broken, certain, suspected = told
    assert broken.startswith("::error file=b c.py,line=3,")
    assert broken.endswith("::no, it cannot: 100 %25%0Areally")
    place = "file=a.py,line=2,col=15,endLine=2,endColumn=29,title=LTN101"
    assert certain == f"::error {place}::It is wrong.%0Awrite%0Ax = 1"
    assert suspected == (
        f"::notice {place} (suspected)::It is wrong. (a mistake on two devices)%0Awrite%0Ax = 1"
    )


@pytest.mark.parametrize("indent", [1, None])
@pytest.mark.parametrize("whole", [True, False])
def test_a_line_of_a_notebook_is_told_by_the_line_of_its_string(
    indent: int | None, whole: bool
) -> None:
    cells = [["import torch\n", "\n", "x = 1"], ["y = 2\n", "z = 3\n"]]
    source = ["".join(cell) for cell in cells] if whole else cells
    parts = [{"outputs": [{"source": "y"}], "source": one} for one in source]
    text = json.dumps({"cells": parts, "metadata": {}}, indent=indent)
    found = replace(FINDING, location=Location("a.ipynb", 2, 5, 2, 6, cell=2))
    (told, *_) = github_report.render(result(found), lambda _: text.split("\n"))
    at = text.index('"y = 2') if whole else text.index('"z = 3')
    line = text.count("\n", 0, at) + 1
    assert told.startswith(f"::error file=a.ipynb,line={line},col=1,endLine={line},endColumn=1,")
    assert "::cell 2, line 2: It is wrong." in told


@pytest.mark.parametrize("text", ["", "{}", '{"worksheets": [{"cells": []}]}', '{"cells": [{}]}'])
def test_where_no_line_of_a_notebook_is_known_it_is_the_first(text: str) -> None:
    found = replace(FINDING, location=Location("a.ipynb", 2, 5, cell=1))
    (told, *_) = github_report.render(result(found), lambda _: text.split("\n"))
    assert told.startswith("::error file=a.ipynb,line=1,")


def test_concise() -> None:
    told = list(concise_report.render(result(replace(FINDING, fix=FIX), SUSPECTED)))
    assert told[0] == "a.py:2:15: LTN101 [*] It is wrong."
    assert told[1] == "a.py:2:15: LTN101 (suspected) It is wrong."
    assert told[2].startswith("1 finding, 1 note") and "1 can be fixed with --fix" in told[2]
