"""Fixes on every fixture: what was fixed is gone, and nothing else has changed.

A fix whose finding comes back would be made for ever; one that leaves no Python behind would cost a
file. Whether the mended code also does what is right is for `tests/checks/test_fixed_fixtures.py`,
which runs it.
"""

from __future__ import annotations

import ast
import shutil
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from laws_of_fixes import broken_law

from pl_lint.config import Config
from pl_lint.findings import Finding
from pl_lint.fixes import Applicability, Edit
from pl_lint.rules.registry import all_rules
from pl_lint.static.engine import read
from pl_lint.static.fixing.loop import mend
from pl_lint.static.fixing.opening import opened

FIXTURES = Path(__file__).parents[2] / "fixtures" / "rules"
CODES = [rule.code for rule in all_rules() if rule.fixable]


def config_of(code: str, root: Path) -> Config:
    return Config(root=root, select=(code,), unsafe_fixes=True, preview=True)


def findings_of(case: Path) -> Sequence[Finding]:
    return read([case], config_of(case.parent.name, case.parent), all_rules()).findings


@cache
def fixable(code: str) -> tuple[Path, ...]:
    """The sick fixtures of a rule in which it has something to mend."""
    sick = sorted((FIXTURES / code).glob("sick_*"))
    return tuple(case for case in sick if any(one.fix for one in findings_of(case)))


Project = tuple[Path, Config]


@pytest.fixture
def projects(code: str, tmp_path: Path) -> list[Project]:
    """Copies of these fixtures, and the settings that switch their rule on."""
    found: list[Project] = []
    for case in fixable(code):
        copy = tmp_path / case.stem / case.name
        copy.parent.mkdir()
        shutil.copytree(case, copy) if case.is_dir() else shutil.copy(case, copy)
        found.append((copy, config_of(code, copy.parent)))
    return found


@pytest.mark.parametrize("code", CODES)
def test_what_was_fixed_is_gone_and_the_file_is_python(projects: list[Project]) -> None:
    assert projects
    for copy, config in projects:
        mended = mend([copy], config, all_rules())
        assert mended.fixed, copy
        assert not [one for one in mended.reading.findings if one.fix], copy
        for document in mended.after.values():
            ast.parse(document.program)


@pytest.mark.parametrize("code", CODES)
def test_a_fix_adds_no_finding(projects: list[Project]) -> None:
    """Of the same rule: what is left was there before."""
    for copy, config in projects:
        before = read([copy], config, all_rules()).findings
        mended = mend([copy], config, all_rules())
        assert len(mended.reading.findings) + len(mended.fixed) <= len(before), copy


@pytest.mark.parametrize("code", CODES)
def test_a_second_run_changes_nothing(projects: list[Project]) -> None:
    for copy, config in projects:
        mend([copy], config, all_rules()).write()
        assert not mend([copy], config, all_rules()).after, copy


@pytest.mark.parametrize("code", CODES)
def test_each_fix_alone_keeps_the_laws(code: str) -> None:
    """It leaves Python, takes no comment, and touches no line that it does not name."""
    for finding in (one for case in fixable(code) for one in findings_of(case)):
        if finding.fix is not None:
            path = Path(finding.location.path)
            document = opened(path, path.read_bytes())
            assert not broken_law(document, finding)


@pytest.mark.parametrize("code", CODES)
def test_edits_do_not_overlap_in_one_fix(code: str) -> None:
    for finding in (one for case in fixable(code) for one in findings_of(case)):
        edits: list[Edit] = sorted(finding.fix.edits) if finding.fix else []
        for one, other in pairwise(edits):
            assert one.end <= other.start


def test_a_rule_says_whether_it_mends() -> None:
    others = [rule.code for rule in all_rules() if not rule.fixable]
    assert [code for code in others if fixable(code)] == []


def test_some_fixes_are_safe_and_some_are_not() -> None:
    """Both kinds are met above; an empty list would prove nothing."""
    found = (one.fix for code in CODES for case in fixable(code) for one in findings_of(case))
    assert {fix.applicability for fix in found if fix} == set(Applicability)


@pytest.mark.parametrize(
    ("argument", "kind"),
    [
        ("checkpoint_callback=True", Applicability.SAFE),
        ("terminate_on_nan=True", Applicability.UNSAFE),  # detect_anomaly is slower
    ],
)
def test_a_successor_that_does_more_is_no_safe_one(
    argument: str, kind: Applicability, tmp_path: Path
) -> None:
    script = tmp_path / "train.py"
    script.write_text(f"import lightning.pytorch as pl\npl.Trainer({argument})\n", "utf-8")
    (found,) = read([script], config_of("LTN703", tmp_path), all_rules()).findings
    assert found.fix is not None and found.fix.applicability is kind
