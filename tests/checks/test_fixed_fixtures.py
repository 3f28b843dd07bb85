"""What the reader mends, a run no longer finds: fixes are right, not only tidy.

Each file is mended in a copy, and the check that finds its mistake judges the copy. That it finds
it in the original is what the other tests of fixtures are for.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from fixtures_of_checks import FIXTURES, HEADER, Fixture, judge

from pl_lint.checks.registry import Verdict
from pl_lint.config import Config
from pl_lint.plugin.reading import ProjectReading
from pl_lint.rules.registry import all_rules
from pl_lint.runtime.isolation.runs import Runner
from pl_lint.static.fixing.loop import mend


@dataclass(frozen=True)
class Mending:
    """One mistake of one case, with which nothing else is wrong."""

    check: str
    file: str
    case: str
    code: str

    def __str__(self) -> str:
        return f"{self.code}/{self.case}"


MENDINGS = (
    Mending("logged-values", "sick_compute_per_step", "", "LTN101"),
    Mending("logged-values", "sick_forward_value", "forward_f1", "LTN102"),
    Mending("logged-values", "sick_forward_dict", "", "LTN213"),
    Mending("logged-values", "sick_never_reset", "by_update", "LTN203"),
    Mending("logged-values", "sick_metric_life", "counted_twice", "LTN135"),
    Mending("sync-dist", "sick_local_loss", "", "LTN106"),
    Mending("checkpoint", "sick_monitors", "lowest_f1", "LTN301"),
    Mending("checkpoint", "sick_monitors", "folders", "LTN303"),
    Mending("training", "sick_hooks", "misspelled", "LTN702"),
)


def mended_copy(mending: Mending, folder: Path) -> Path:
    original = FIXTURES / mending.check / f"{mending.file}.py"
    told = [(row["code"], row["case"]) for row in HEADER.finditer(original.read_text("utf-8"))]
    assert (mending.code, mending.case or None) in told
    copy = Path(shutil.copy(original, folder))
    config = Config(root=folder, select=(mending.code,), unsafe_fixes=True, preview=True)
    mended = mend([copy], config, all_rules())
    assert mended.fixed
    mended.write()
    return copy


@pytest.mark.parametrize("mending", MENDINGS, ids=str)
def test_a_run_no_longer_finds_what_was_mended(
    mending: Mending, runner: Runner, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("mended")
    copy = mended_copy(mending, folder)
    targets = ProjectReading([copy], Config(root=folder)).targets
    target = next(one for one in targets if mending.case in ("", one.name))
    result = judge(Fixture(mending.check, target, (), Verdict.PASSED), runner)
    codes = [finding.code for finding in result.findings]
    assert mending.code not in codes
    assert result.verdict is Verdict.PASSED, (codes, result.reason, result.notes)
