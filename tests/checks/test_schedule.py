"""What the epochs of the project's scripts say about a constant horizon."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fixtures_of_checks import FIXTURES

from pl_lint.checks.registry import Verdict
from pl_lint.checks.schedule import schedule
from pl_lint.findings import Status
from pl_lint.runtime.battery import Battery
from pl_lint.runtime.isolation.runs import Runner
from pl_lint.runtime.specs import CaseRef

CASE = CaseRef(
    str(FIXTURES / "schedule" / "healthy_constant_horizon.py"), "ten_epochs_of_tutorials"
)


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    with Runner(tmp_path_factory.mktemp("runs")) as started:
        yield started


def test_a_horizon_that_is_a_scripts_epochs_is_right(runner: Runner) -> None:
    result = schedule(Battery(runner, CASE, planned=(10, "train.py:12")))
    assert result.verdict is Verdict.PASSED and not result.findings


@pytest.mark.parametrize(
    ("epochs", "said"),
    [
        (5, "stepped 5 times in the training of train.py:12: 50 % of its curve, from 0.1 to "),
        (40, "stepped 40 times in the training of train.py:12: the rate falls to its end and "),
    ],
)
def test_another_length_is_suspected(runner: Runner, epochs: int, said: str) -> None:
    result = schedule(Battery(runner, CASE, planned=(epochs, "train.py:12")))
    [finding] = result.findings
    assert (finding.code, finding.status) == ("LTN710", Status.SUSPECTED)
    assert finding.message.startswith("CosineAnnealingLR is made for 10 steps and " + said)
    assert result.verdict is Verdict.NOT_DECIDED
