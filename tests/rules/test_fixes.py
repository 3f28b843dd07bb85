"""Fixes on every fixture: what was fixed is gone, and nothing else has changed.

A fix whose finding comes back would be made for ever; one that leaves no Python behind would cost a
file. Whether the mended code also does what is right is for `tests/checks/test_fixed_fixtures.py`,
which runs it.
"""

from __future__ import annotations

import ast
import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from laws_of_fixes import broken_law

from pl_lint.config import Config
from pl_lint.fixes import Applicability, Edit
from pl_lint.rules.registry import all_rules
from pl_lint.static.engine import read
from pl_lint.static.fixing.loop import Mended, mend
from pl_lint.static.fixing.opening import opened

FIXTURES = Path(__file__).parents[2] / "fixtures" / "rules"
CASES = sorted(path for folder in FIXTURES.iterdir() for path in folder.iterdir())


def config_of(code: str, root: Path) -> Config:
    return Config(root=root, select=(code,), unsafe_fixes=True, preview=True)


def fixable() -> Iterator[tuple[str, Path]]:
    for case in (one for one in CASES if one.name.startswith("sick_")):
        code = case.parent.name
        reading = read([case], config_of(code, case.parent), all_rules())
        if any(finding.fix for finding in reading.findings):
            yield code, case


FIXABLE = list(fixable())
IDS = [f"{code}/{case.stem}" for code, case in FIXABLE]


@pytest.fixture(params=FIXABLE, ids=IDS)
def project(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Config]:
    """A copy of a fixture, and the settings that switch its rule on."""
    code, case = request.param
    copy = tmp_path / case.name
    shutil.copytree(case, copy) if case.is_dir() else shutil.copy(case, copy)
    return copy, config_of(code, tmp_path)


@pytest.fixture
def mended(project: tuple[Path, Config]) -> Mended:
    copy, config = project
    return mend([copy], config, all_rules())


def test_what_was_fixed_is_gone_and_the_file_is_python(mended: Mended) -> None:
    assert mended.fixed
    assert not [one for one in mended.reading.findings if one.fix]
    for document in mended.after.values():
        ast.parse(document.program)


def test_a_fix_adds_no_finding(mended: Mended, project: tuple[Path, Config]) -> None:
    """Of the same rule: what is left was there before."""
    copy, config = project
    before = read([copy], config, all_rules()).findings
    assert len(mended.reading.findings) + len(mended.fixed) <= len(before)


def test_a_second_run_changes_nothing(mended: Mended, project: tuple[Path, Config]) -> None:
    copy, config = project
    mended.write()
    assert not mend([copy], config, all_rules()).after


@pytest.mark.parametrize(("code", "case"), FIXABLE, ids=IDS)
def test_each_fix_alone_keeps_the_laws(code: str, case: Path) -> None:
    """It leaves Python, takes no comment, and touches no line that it does not name."""
    for finding in read([case], config_of(code, case.parent), all_rules()).findings:
        if finding.fix is not None:
            path = Path(finding.location.path)
            document = opened(path, path.read_bytes())
            assert not broken_law(document, finding)


def test_some_fixes_are_safe_and_some_are_not() -> None:
    """Both kinds are met above; an empty list would prove nothing."""
    kinds = {
        finding.fix.applicability
        for code, case in FIXABLE
        for finding in read([case], config_of(code, case.parent), all_rules()).findings
        if finding.fix
    }
    assert kinds == set(Applicability)


def test_edits_do_not_overlap_in_one_fix() -> None:
    for code, case in FIXABLE:
        for finding in read([case], config_of(code, case.parent), all_rules()).findings:
            edits: list[Edit] = sorted(finding.fix.edits) if finding.fix else []
            for one, other in pairwise(edits):
                assert one.end <= other.start


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
