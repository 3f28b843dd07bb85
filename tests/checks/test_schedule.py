"""What the epochs of the project's scripts say about a constant horizon, and what a curve does."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import pytest
from fixtures_of_checks import FIXTURES

from pl_lint.checks.registry import Verdict
from pl_lint.checks.schedule import schedule
from pl_lint.checks.schedule.curves import alike, are_stretched, end_together
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


Curve = Callable[[int, int], float]
SHORT, LONG = 12, 20


def measured(curve: Curve, length: int) -> list[float]:
    """A curve in a fit of so many steps, and beyond its end."""
    return [curve(step, length) for step in range(2 * length + 2)]


@pytest.mark.parametrize(
    ("curve", "ends", "stretched"),
    [
        (lambda s, n: max(0.0, 1 - s / n), True, True),
        (lambda s, n: 0.5 * (1 + math.cos(math.pi * s / n)), True, True),
        (lambda s, n: min((s + 1) / 3, max(0.0, n - s) / (n - 2)), True, False),
        (lambda s, n: 0.01 ** (s / n), False, True),
        (lambda s, n: min(1.0, s / 5), False, False),
        (lambda s, n: 0.95**s, False, False),
        (lambda s, n: 1.0, False, False),
        (lambda s, n: min(1.0, s / (n // 8)), False, False),
    ],
    ids=["line", "wave", "warm-up", "power", "five", "decay", "none", "an-eighth"],
)
def test_a_curve_is_as_long_as_its_fit(curve: Curve, ends: bool, stretched: bool) -> None:
    here, there = measured(curve, SHORT), measured(curve, LONG)
    assert end_together(here, there, (SHORT, LONG)) is ends
    assert are_stretched(here, there, (SHORT, LONG)) is stretched


def test_curves_are_alike_as_far_as_both_go() -> None:
    decay, line = (lambda s, n: 0.95**s), (lambda s, n: 1 - s / n)
    assert alike(measured(decay, SHORT), measured(decay, LONG))
    assert not alike(measured(line, SHORT), measured(line, LONG))
