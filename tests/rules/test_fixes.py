"""Fixes on every fixture: what was fixed is gone, and nothing else has changed.

A fix whose finding comes back would be made for ever; one that leaves no Python behind would cost a
file. Whether the mended code also does what is right is for `tests/checks/test_fixed_fixtures.py`,
which runs it.
"""

from __future__ import annotations

import ast
import difflib
import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from pl_lint.config import Config
from pl_lint.fixes import Applicability, Edit
from pl_lint.rules.registry import all_rules
from pl_lint.static.engine import read
from pl_lint.static.fixing.loop import Mended, mend

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


@pytest.fixture(params=FIXABLE, ids=lambda one: f"{one[0]}/{one[1].stem}")
def mended(request: pytest.FixtureRequest, tmp_path: Path) -> Mended:
    code, case = request.param
    copy = tmp_path / case.name
    shutil.copytree(case, copy) if case.is_dir() else shutil.copy(case, copy)
    return mend([copy], config_of(code, tmp_path), all_rules())


def test_what_was_fixed_is_gone_and_the_file_is_python(mended: Mended) -> None:
    assert mended.fixed
    assert not [one for one in mended.reading.findings if one.fix]
    for document in mended.after.values():
        ast.parse(document.text)


def test_a_fix_adds_no_finding(mended: Mended, request: pytest.FixtureRequest) -> None:
    """Of the same rule: what is left was there before."""
    code, case = request.node.callspec.params["mended"]
    before = read([case], config_of(code, case.parent), all_rules()).findings
    assert len(mended.reading.findings) + len(mended.fixed) <= len(before)


def test_lines_elsewhere_are_untouched(mended: Mended) -> None:
    for path, document in mended.after.items():
        before, after = mended.before[path].lines, document.lines
        touched = {
            line
            for finding in mended.fixed
            for edit in (finding.fix.edits if finding.fix else ())
            for line in range(edit.start[0] - 1, edit.end[0] + 2)
        }
        matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
        for kind, start, end, *_ in matcher.get_opcodes():
            if kind in ("replace", "delete"):
                assert {*range(start + 1, end + 1)} <= touched or len(mended.fixed) > 1


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
