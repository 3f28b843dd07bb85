"""Laws of attribution: each mistake's own arithmetic is recognised as that mistake."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from pl_lint.checks.logged_values.cause import Moved
from pl_lint.checks.logged_values.causes import DIVIDED, cause_in_replay, cause_of_moving
from pl_lint.checks.logged_values.mixing import as_read
from pl_lint.checks.logged_values.monitored import judge_accumulation
from pl_lint.checks.registry import Gathering, Runs
from pl_lint.checks.values.numbers import far, same, tolerance, weighted_mean
from pl_lint.facts.events import (
    Accumulator,
    Batching,
    CaseFacts,
    EvaluationPass,
    LogEvent,
    LoggerPoint,
    Replay,
)
from pl_lint.facts.records import FitRecord
from pl_lint.findings import Evidence, Finding, Location, Status

HERE = Location("model.py", 7)
numbers = st.floats(-1e3, 1e3, allow_nan=False).map(lambda x: round(x, 3))
sizes = st.integers(1, 64)


@st.composite
def batches(draw: st.DrawFn) -> list[tuple[float, int, int]]:
    """Value, counted samples and a second number (a weight, a divisor) of each batch."""
    return draw(st.lists(st.tuples(numbers, sizes, sizes), min_size=2, max_size=8))


def moved(
    rows: list[tuple[float, int, int]],
    true: float,
    weights: list[float],
    origin: str = "",
    normalisers: list[Mapping[str, float]] | None = None,
    reduce_fx: str = "mean",
    logged: float | None = None,
) -> Moved:
    """A value logged per batch: the mean by ``weights``, unless ``logged`` is given."""
    values = [value for value, _, _ in rows]
    found = normalisers or [{} for _ in rows]
    events = tuple(
        LogEvent(
            "val", value, "validation_step", "validate", 0, number, HERE, False, True,
            reduce_fx=reduce_fx, weight=weight, samples=samples, origin=origin, normalisers=places,
        )
        for number, ((value, samples, _), weight, places) in enumerate(
            zip(rows, weights, found, strict=True)
        )
    )  # fmt: skip
    cut = EvaluationPass("validate", Batching("usual", tuple(n for _, n, _ in rows)), events=events)
    number = weighted_mean(values, weights) if logged is None else logged
    return Moved("val", number, true, cut, cut, ones=None)


def counted(rows: list[tuple[float, int, int]]) -> list[float]:
    return [float(samples) for _, samples, _ in rows]


def mean(rows: list[tuple[float, int, int]], weights: list[float]) -> float:
    return weighted_mean([value for value, _, _ in rows], weights)


@given(batches())
def test_wrong_weights_are_named(rows: list[tuple[float, int, int]]) -> None:
    used = [float(weight) for _, _, weight in rows]
    true = mean(rows, counted(rows))
    assume(far(mean(rows, used), true, tolerance(true)))
    assert cause_of_moving(moved(rows, true, used)).code == "LTN104"


@settings(suppress_health_check=[HealthCheck.filter_too_much])  # values that are alike say nothing
@given(batches(), numbers, st.sampled_from(("compute", "forward", "forward-dict", "")))
def test_averages_are_named_by_what_was_averaged(
    rows: list[tuple[float, int, int]], true: float, operation: str
) -> None:
    assume(far(mean(rows, counted(rows)), true, tolerance(true)))
    assume(all(value for value, _, _ in rows))  # a batch of nothing is another cause
    codes = {"compute": "LTN101", "forward": "LTN102", "forward-dict": "LTN213", "": "LTN103"}
    origin = f"{operation}:val_f1" if operation else ""
    assert cause_of_moving(moved(rows, true, counted(rows), origin)).code == codes[operation]


@given(numbers, st.integers(0, 3))
def test_a_mean_that_is_divided_by_the_size_is_named(mean: float, power: int) -> None:
    """Only where value times size is the same in every cut: not a mean, no 1/n² and no constant."""
    assume(abs(mean) > 0.01)
    rows = [(mean / n**power, n, 1) for n in (16, 16, 15)]
    one = moved(rows, mean / 47**power, counted(rows))
    whole = EvaluationPass("validate", Batching("whole", (47,)))
    cause = cause_of_moving(replace(one, whole=whole, ones=mean))
    assert (DIVIDED in cause.formula) is (power == 1)


@pytest.mark.parametrize(
    ("reductions", "code"),
    [(("mean",), "LTN100"), (("mean", "other"), "LTN103"), (("sum",), "LTN103")],
)
def test_what_is_a_mean_may_be_averaged(reductions: tuple[str, ...], code: str) -> None:
    """If it moves all the same, no function that does not average is the reason."""
    one = moved([(1.0, 4, 1), (3.0, 2, 1)], 2.0, [4.0, 2.0])
    events = tuple(replace(event, reductions=reductions) for event in one.cut.events)
    cause = cause_of_moving(replace(one, cut=replace(one.cut, events=events)))
    assert cause.code == code


@pytest.mark.parametrize(
    ("key", "line", "code"),
    [("val/f1", 7, "LTN213"), ("val/acc", 7, "LTN103"), ("val/f1", 8, "LTN103")],
)
def test_reading_may_know_what_was_averaged(key: str, line: int, code: str) -> None:
    """``item()`` takes a number out of a metric, and a run sees only the number."""
    said = Finding("LTN213", "'val/f1' is the mean of F1Score over batches", HERE, Status.CERTAIN)
    runs = cast(Runs, SimpleNamespace(suspected=lambda code: [said] if code == said.code else []))
    evidence = Evidence(key, 1.0, 2.0, 0.0, "1 process", "validation")
    place = Location("model.py", line)
    averaged = Finding("LTN103", "", place, Status.PROVED, evidence=(evidence,))
    assert as_read(averaged, runs).code == code


@pytest.mark.parametrize(("key", "code"), [("val_acc", "LTN220"), ("val_f1", "LTN203")])
def test_reading_may_know_what_was_left_behind(key: str, code: str) -> None:
    """Counters by hand leave no more trace in a run than a list or a metric does."""
    said = Finding("LTN220", "'val_acc' is about all epochs so far", HERE, Status.SUSPECTED)
    runs = cast(Runs, SimpleNamespace(suspected=lambda code: [said] if code == said.code else []))
    evidence = Evidence(key, 1.0, 2.0, 0.0, "1 process", "validation")
    kept = Finding("LTN203", "", HERE, Status.PROVED, evidence=(evidence,))
    assert as_read(kept, runs).code == code


@given(batches())
def test_a_ratio_inside_the_batch_is_a_note(rows: list[tuple[float, int, int]]) -> None:
    divisors = [float(divisor) for _, _, divisor in rows]
    true = mean(rows, divisors)
    assume(far(mean(rows, counted(rows)), true, tolerance(true)))
    places = [{"mean@7:9": divisor} for divisor in divisors]
    cause = cause_of_moving(moved(rows, true, counted(rows), normalisers=places))
    assert (cause.code, cause.counts) == ("LTN105", False)


@given(batches(), numbers, numbers)
def test_a_number_that_no_formula_gives_is_not_explained(
    rows: list[tuple[float, int, int]], true: float, logged: float
) -> None:
    average = mean(rows, counted(rows))
    assume(far(logged, true, tolerance(true)) and abs(logged - average) > abs(logged - true))
    assert cause_of_moving(moved(rows, true, counted(rows), logged=logged)).code == "LTN100"


def added_up(
    rows: list[tuple[float, int, int]], true: float, logged: float, kept: Accumulator
) -> Moved:
    """A value logged at the end of the epoch, from what the module kept of its batches."""
    batching = Batching("usual", tuple(n for _, n, _ in rows))
    cut = EvaluationPass("validate", batching, accumulators=(kept,))
    return Moved("val", logged, true, cut, cut, ones=None)


def plain(rows: list[tuple[float, int, int]]) -> float:
    return sum(value for value, _, _ in rows) / len(rows)


@given(batches(), st.booleans())
def test_batch_means_that_a_module_keeps_lack_their_weights(
    rows: list[tuple[float, int, int]], in_list: bool
) -> None:
    true, logged = mean(rows, counted(rows)), plain(rows)
    assume(far(logged, true, tolerance(true)))
    values = tuple(value for value, _, _ in rows)
    sums = tuple(itertools.accumulate(values))
    kept = Accumulator("losses", "", values if in_list else sums, in_list)
    assert cause_of_moving(added_up(rows, true, logged, kept)).code == "LTN218"


@given(batches(), numbers)
def test_batch_values_that_no_weights_make_true_are_averages(
    rows: list[tuple[float, int, int]], true: float
) -> None:
    logged, weighted = plain(rows), mean(rows, counted(rows))
    within = max(tolerance(true) * 5, abs(logged - true) / 10)
    assume(far(logged, true, tolerance(true)) and abs(weighted - true) > within)
    kept = Accumulator("scores", "", tuple(value for value, _, _ in rows), is_list=True)
    assert cause_of_moving(added_up(rows, true, logged, kept)).code == "LTN103"


@given(batches(), st.sampled_from(("bfloat16", "float16")), st.booleans())
def test_a_sum_in_half_precision_explains_what_rounding_explains(
    rows: list[tuple[float, int, int]], dtype: str, in_metric: bool
) -> None:
    true = 100.0
    logged = true * (1 + 2.0**-11)
    sums = tuple(itertools.accumulate(value for value, _, _ in rows))
    kept = Accumulator("mse.total" if in_metric else "total", dtype, sums)
    code = cause_of_moving(added_up(rows, true, logged, kept)).code
    assert code == ("LTN209" if in_metric else "LTN210")
    assert cause_of_moving(added_up(rows, true, 2 * true, kept)).code == "LTN100"


@given(batches())
def test_batches_without_anything_to_count_are_a_note(rows: list[tuple[float, int, int]]) -> None:
    rows = [(value, n, other) for value, n, other in rows if value != 0.0]
    assume(rows)
    true = mean(rows, counted(rows))
    empty = [(0.0, 7, 1), *rows]
    assume(far(mean(empty, counted(empty)), true, tolerance(true)))
    cause = cause_of_moving(moved(empty, true, counted(empty)))
    assert (cause.code, cause.counts) == ("LTN105", False)


REPLAYED = ("LTN201", "LTN203", "LTN204", "LTN212", "LTN134", "LTN135", "LTN116")


@given(numbers, numbers, st.sampled_from((*REPLAYED, "LTN101", "LTN102")))
def test_a_replay_is_explained_by_the_formula_that_gives_its_number(
    true: float, logged: float, code: str
) -> None:
    assume(far(logged, true, tolerance(true)))
    formulas = dict.fromkeys((*REPLAYED, "LTN101", "LTN102"), true)
    replay = Replay("val", "validate", 1, "f1", "F1Score", "object", logged, true, formulas)
    assert cause_in_replay(replay).code == "LTN100"
    explained = Replay(**{**vars(replay), "formulas": {**formulas, code: logged}})
    assert cause_in_replay(explained).code == code


@given(numbers)
def test_a_number_is_the_same_as_itself_and_far_from_others(number: float) -> None:
    within = tolerance(number)
    assert same(number, number + within / 2, within)
    assert far(number, number + 100 * within, within)
    assert same(float("nan"), float("nan"), within)
    assert far(number, float("nan"), within)


@pytest.mark.parametrize(("calls", "batches", "codes"), [(3, 4, []), (1, 12, ["LTN128"])])
def test_batches_are_accumulated_and_steps_of_one_batch_are_not(
    calls: int, batches: int, codes: list[str]
) -> None:
    """LBFGS calls the step of each batch several times, and the last value is drawn."""
    places = [(batch, call) for batch in range(batches) for call in range(calls)]
    values = [float(batch % 3 + call) for batch, call in places]
    events = tuple(
        LogEvent("loss", value, "training_step", "train", 0, batch, HERE, True, False)
        for value, (batch, _) in zip(values, places, strict=True)
    )
    drawn = tuple(LoggerPoint("loss", step, value) for step, value in enumerate(values[2::3]))
    into, fit = Gathering(), FitRecord(events=events, handed_to_logger=drawn)
    judge_accumulation(fit, CaseFacts("M", "model.py", 1, "lightning", ("train",)), into)
    assert [finding.code for finding in into.findings] == codes
