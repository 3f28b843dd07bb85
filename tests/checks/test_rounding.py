"""How far half precision may move a value: noise is not taken for a lost value, nor the reverse."""

from __future__ import annotations

import pytest

from pl_lint.checks.precision import EPSILON
from pl_lint.checks.precision.rounding import Truth, not_finite, truth
from pl_lint.facts.events import HALF, USUAL, Batching, CaseFacts, EvaluationPass, LogEvent, Replay
from pl_lint.findings import Location

BF16, FP16 = EPSILON["bf16-mixed"], EPSILON["16-mixed"]
CASE = CaseFacts("Net", "module.py", 1, "", ("validate",), tolerances={"declared": 0.5})


def event(name: str, value: float, samples: int) -> LogEvent:
    place = Location("module.py", 7)
    return LogEvent(
        name, value, "validation_step", "validate", 0, 0, place, False, True, samples=samples
    )


def judged(
    value: float, parts: tuple[float, ...] = (), half: float | None = None, name: str = "key"
) -> Truth:
    sizes = (16, 16, 15)
    events = tuple(event(name, part, size) for part, size in zip(parts, sizes, strict=False))
    passes = {USUAL: EvaluationPass("validate", Batching(USUAL, sizes), {name: value}, events)}
    if half is not None:
        passes[HALF] = EvaluationPass("validate", Batching(HALF, (24,)), {name: half})
    return truth(name, passes, CASE)


@pytest.mark.parametrize("epsilon", [BF16, FP16])
def test_a_small_value_that_is_gone_is_not_rounding(epsilon: float) -> None:
    assert judged(3.3e-4, (3e-4, 3.6e-4, 3.3e-4)).bound(epsilon) < 3.3e-4


def test_a_small_value_made_of_larger_ones_may_move_as_they_do() -> None:
    alone = judged(1.3e-4).bound(BF16)
    assert judged(1.3e-4, (0.21, -0.19, 0.02)).bound(BF16) >= 16 * BF16 * 0.21 > alone
    assert judged(1.3e-4, half=0.11).bound(BF16) > 10 * alone


def test_a_loss_is_allowed_six_per_cent_and_no_sample() -> None:
    loss = judged(1.2360679, (1.2345, 1.2345, 1.2345))
    assert loss.jump == 0
    assert loss.bound(BF16) == pytest.approx(0.0625 * 1.2360679, rel=1e-3)


@pytest.mark.parametrize("value", [20 / 47, 0.0, 1.0, 2 * 7 / (2 * 7 + 9), 3 / 8])
def test_a_count_may_be_off_by_two_samples(value: float) -> None:
    assert judged(value).bound(FP16) > 2 / 47


def test_a_mean_of_counts_of_the_batches_is_one() -> None:
    parts = (3 / 16, 5 / 9, 2 / 7)
    assert judged(sum(parts) / 3, parts).jump == 1 / 47


def test_a_metric_of_decisions_lives_between_zero_and_one() -> None:
    replay = Replay("key", "validate", 0, "f1", "MulticlassF1Score", "", 0.3141, 0.3141)
    usual = EvaluationPass("validate", Batching(USUAL, (47,)), {"key": 0.3141}, (), (replay,))
    found = truth("key", {USUAL: usual}, CASE)
    assert (found.scale, found.jump) == (1.0, 1 / 47)


def test_what_the_case_declares_counts() -> None:
    assert judged(1.2345, name="declared").bound(FP16) == pytest.approx(0.5 * 1.2345)


def test_what_is_not_finite_in_fp32_is_known() -> None:
    infinite = (event("step", float("inf"), 16), event("sound", 1.0, 16))
    values = {"epoch": float("nan"), "sound": 1.0}
    done = EvaluationPass("validate", Batching(USUAL, (16,)), values, infinite)
    assert not_finite([done]) == {"step", "epoch"}
