"""``prepare_data`` runs once per case, unless it assigns what later hooks need."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from pl_lint.runtime.preparation import prepare_once
from pl_lint.runtime.specs import CaseRef

CASE = CaseRef("cases.py", "case")


class Downloads:
    calls = 0

    def prepare_data(self) -> None:
        type(self).calls += 1


class Slow(Downloads):
    calls = 0

    def prepare_data(self) -> None:
        super().prepare_data()
        time.sleep(0.2)


class Assigns(Downloads):
    calls = 0

    def prepare_data(self) -> None:
        super().prepare_data()
        self.vocabulary = ["a"]


class AssignsNumber(Downloads):
    calls = 0

    def prepare_data(self) -> None:
        super().prepare_data()
        self.scale = 2.0


@pytest.fixture(autouse=True)
def no_calls_yet() -> None:
    Downloads.calls = Assigns.calls = AssignsNumber.calls = Slow.calls = 0


def run(owner: Downloads, base: Path, case: CaseRef = CASE) -> None:
    prepare_once(owner, case, base)
    owner.prepare_data()


def test_a_download_runs_once(tmp_path: Path) -> None:
    for _ in range(3):
        run(Downloads(), tmp_path)
    assert Downloads.calls == 1


def test_another_case_prepares_its_own(tmp_path: Path) -> None:
    run(Downloads(), tmp_path)
    run(Downloads(), tmp_path, CaseRef("cases.py", "other"))
    assert Downloads.calls == 2


def test_a_hook_that_assigns_state_runs_each_time(tmp_path: Path) -> None:
    for _ in range(3):
        owner = Assigns()
        run(owner, tmp_path)
        assert owner.vocabulary == ["a"]


def test_what_looks_unchanged_to_a_second_trainer_still_runs_for_the_next_owner(
    tmp_path: Path,
) -> None:
    first = AssignsNumber()
    for _ in range(2):
        run(first, tmp_path)  # the same constant is assigned again: no difference to be seen
    later = AssignsNumber()
    run(later, tmp_path)
    assert later.scale == 2.0
    assert AssignsNumber.calls == 3


def test_two_at_the_same_time_prepare_once(tmp_path: Path) -> None:
    workers = [threading.Thread(target=run, args=(Slow(), tmp_path)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(10)
    assert Slow.calls == 1


def test_an_owner_that_several_trainers_ask_for_does_not_wait_for_itself(tmp_path: Path) -> None:
    owner = Downloads()
    prepare_once(owner, CASE, tmp_path)
    asking = threading.Thread(target=run, args=(owner, tmp_path), daemon=True)
    asking.start()
    asking.join(10)
    assert not asking.is_alive()
    assert Downloads.calls == 1
