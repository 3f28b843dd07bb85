"""``prepare_data`` runs once per case, unless it assigns what later hooks need."""

from __future__ import annotations

from pathlib import Path

from pl_lint.runtime.preparation import prepare_once
from pl_lint.runtime.specs import CaseRef

CASE = CaseRef("cases.py", "case")


class Downloads:
    calls = 0

    def prepare_data(self) -> None:
        type(self).calls += 1


class Assigns(Downloads):
    calls = 0

    def prepare_data(self) -> None:
        super().prepare_data()
        self.vocabulary = ["a"]


def run(owner: Downloads, base: Path, case: CaseRef = CASE) -> None:
    prepare_once(owner, case, base)
    owner.prepare_data()


def test_a_download_runs_once(tmp_path: Path) -> None:
    for _ in range(3):
        run(Downloads(), tmp_path)
    assert Downloads.calls == 1


def test_another_case_prepares_its_own(tmp_path: Path) -> None:
    Downloads.calls = 0
    run(Downloads(), tmp_path)
    run(Downloads(), tmp_path, CaseRef("cases.py", "other"))
    assert Downloads.calls == 2


def test_a_hook_that_assigns_state_runs_each_time(tmp_path: Path) -> None:
    for _ in range(3):
        owner = Assigns()
        run(owner, tmp_path)
        assert owner.vocabulary == ["a"]
