"""The join of the two observers as a law, and what each status means for pytest --pl-check."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pl_lint.findings import Evidence, Finding, Location, Status
from pl_lint.join import Ruling, decide, proved, same_place

CODES = ("LTN101", "LTN103", "LTN106")
PATHS = ("a.py", "./a.py", str(Path("a.py").resolve()), "b.py", "pkg/../b.py")
EVIDENCE = Evidence("val_f1", 0.5, 0.6, 1e-6, "1 process")
OTHER = Evidence("val_f1", 0.6, 0.6, 1e-6, "1 process")
STATUSES = Path(__file__).parents[1] / "docs" / "statuses.md"

lines = st.integers(1, 12)


@st.composite
def locations(draw: st.DrawFn) -> Location:
    first = draw(lines)
    last = draw(st.sampled_from([0, first, first + draw(st.integers(0, 4))]))
    return Location(draw(st.sampled_from(PATHS)), first, draw(st.integers(1, 80)), last)


codes = st.sampled_from(CODES)
findings = st.builds(
    Finding, codes, st.just("a message"), locations(), st.sampled_from(list(Status))
)
rulings = st.builds(
    Ruling,
    st.lists(codes, min_size=1, max_size=2).map(tuple),
    st.sampled_from([Status.PROVED, Status.REFUTED]),
    locations(),
    st.sampled_from([(EVIDENCE,), (OTHER,), ()]),
)


@given(st.lists(findings, max_size=5), st.lists(rulings, max_size=5))
def test_only_suspected_findings_change_and_only_by_a_ruling_on_their_code_and_place(
    read: list[Finding], ruled: list[Ruling]
) -> None:
    decided = decide(read, ruled)
    assert len(decided) == len(read)
    for before, after in zip(read, decided, strict=True):
        about = [
            ruling
            for ruling in ruled
            if before.code in ruling.codes and same_place(ruling.location, before.location)
        ]
        if before.status is not Status.SUSPECTED or not about:
            assert after == before
        else:
            assert after.status in {ruling.status for ruling in about}
            changed = {"status": before.status, "evidence": before.evidence}
            assert dataclasses.replace(after, **changed) == before


@given(findings, st.lists(rulings, max_size=6), st.data())
def test_one_proof_outweighs_all_refutations_in_any_order(
    finding: Finding, ruled: list[Ruling], data: st.DataObject
) -> None:
    suspected = dataclasses.replace(finding, status=Status.SUSPECTED)
    proof = Ruling((finding.code,), Status.PROVED, finding.location, (EVIDENCE,))
    [judged] = decide([suspected], data.draw(st.permutations([*ruled, proof])))
    assert judged.status is Status.PROVED


@given(findings)
def test_a_refutation_alone_refutes_and_keeps_its_numbers(finding: Finding) -> None:
    suspected = dataclasses.replace(finding, status=Status.SUSPECTED)
    refutation = Ruling((finding.code,), Status.REFUTED, finding.location, (OTHER,))
    [judged] = decide([suspected], [refutation])
    assert (judged.status, judged.evidence) == (Status.REFUTED, (*finding.evidence, OTHER))


@given(findings)
def test_a_finding_of_a_run_proves_the_same_finding_of_the_reader(finding: Finding) -> None:
    suspected = dataclasses.replace(finding, status=Status.SUSPECTED)
    found = dataclasses.replace(finding, status=Status.PROVED, evidence=(EVIDENCE,))
    [judged] = decide([suspected], [proved(found)])
    assert (judged.status, judged.evidence[-1]) == (Status.PROVED, EVIDENCE)


@given(findings, st.lists(rulings, max_size=5))
def test_deciding_twice_changes_nothing(finding: Finding, ruled: list[Ruling]) -> None:
    once = decide([finding], ruled)
    assert decide(once, ruled) == once


@given(locations(), locations())
def test_overlap_is_symmetric_and_independent_of_how_a_path_is_written(
    one: Location, other: Location
) -> None:
    def absolute(place: Location) -> Location:
        return dataclasses.replace(place, path=str(Path(place.path).resolve()))

    assert same_place(one, other) == same_place(other, one)
    assert same_place(one, other) == same_place(absolute(one), other)
    assert same_place(one, one)


@given(locations(), locations())
def test_places_overlap_if_they_share_a_line_of_one_file(one: Location, other: Location) -> None:
    def covered(place: Location) -> set[int]:
        return set(range(place.line, (place.end_line or place.line) + 1))

    shares = bool(covered(one) & covered(other))
    assert same_place(one, other) == (
        shares and Path(one.path).resolve() == Path(other.path).resolve()
    )


# --- the table of statuses ------------------------------------------------------------------------


def documented() -> dict[str, str]:
    """The last column of the table in docs/statuses.md, by status."""
    rows = re.findall(r"^\| (\w+) \|.*\| ([^|]+) \|$", STATUSES.read_text("utf-8"), re.MULTILINE)
    return {status: verdict.split(",")[0] for status, verdict in rows if status != "status"}


@pytest.mark.parametrize("status", list(Status))
def test_what_fails_the_runner_is_what_the_table_says(status: Status) -> None:
    counts = Finding("LTN103", "", Location("a.py", 1), status).counts_for_runner
    assert {"fails": True, "passes": False}[documented()[status.value]] == counts


def test_the_table_has_every_status() -> None:
    assert set(documented()) == {status.value for status in Status} | {"undecided"}
    assert documented()["undecided"] == "passes"
