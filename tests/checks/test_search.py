"""The oracle of the search, the words for what it finds, and its scripts, which really run."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pl_lint.checks.registry import Result, Verdict
from pl_lint.checks.search import search
from pl_lint.checks.search.judging import judge_searched
from pl_lint.checks.values.lies import NAME, lies
from pl_lint.facts.events import CaseFacts, EpochValues
from pl_lint.facts.searches import (
    ACCUMULATE,
    FIT,
    VALIDATE,
    DrawnRun,
    Lie,
    Observation,
    Searched,
    Spread,
)
from pl_lint.runtime.battery import EXAMPLES, Battery
from pl_lint.runtime.isolation.runs import Runner
from pl_lint.runtime.programs.search.making import Maker
from pl_lint.runtime.programs.search.seeking import Seeker
from pl_lint.runtime.specs import CaseRef, RunSpec

FIXTURES = Path(__file__).parents[2] / "fixtures"
CASE = CaseFacts("Net", "net.py", 1, "lightning.pytorch", ("train", "validate"))
EVALUATION = DrawnRun(VALIDATE, 3, 2)
numbers = st.floats(-1e6, 1e6)


def logs(stage: str = "validate", steps: tuple[float, ...] = (), **values: float) -> Observation:
    named = {"a": steps} if steps else {}
    return Observation((EpochValues(stage, 0, values),), named)


# --- the oracle -----------------------------------------------------------------------------------


@given(numbers)
def test_the_same_number_is_no_lie(value: float) -> None:
    assert lies(EVALUATION, logs(a=value), logs(a=value), CASE) == ()


@given(numbers, st.floats(1e-3, 10))
def test_a_number_that_is_off_by_a_thousandth_is_a_lie(value: float, share: float) -> None:
    off = value + math.copysign(share * max(abs(value), 1.0), value)
    [lie] = lies(EVALUATION, logs(a=off), logs(a=value), CASE)
    assert (lie.stage, lie.key, lie.logged, lie.true) == ("validate", "a", off, value)


@given(numbers)
def test_nan_is_no_truth_but_may_be_a_lie(value: float) -> None:
    assert lies(EVALUATION, logs(a=value), logs(a=math.nan), CASE) == ()
    assert len(lies(EVALUATION, logs(a=math.nan), logs(a=value), CASE)) == 1


def test_a_declared_key_does_not_lie() -> None:
    declared = CaseFacts(**{**vars(CASE), "batch_dependent": {"a": "contrastive"}})
    assert lies(EVALUATION, logs(a=1.0), logs(a=2.0), declared) == ()


@pytest.mark.parametrize(("carried", "found"), [(1.0, 0), (1.5, 1)])
def test_the_best_of_earlier_validations_is_no_lie(carried: float, found: int) -> None:
    found_in = _fit_logging(carried, 1.0)
    assert sum(not lie.carried for lie in found_in) == found


def test_a_best_that_was_better_before_is_none() -> None:
    assert [lie.carried for lie in _fit_logging(2.0, 1.0, 1.0)] == [True]
    assert [lie.carried for lie in _fit_logging(0.5, 1.0, 1.0)] == [False]


@pytest.mark.parametrize(("other", "found"), [((1.0, 2.0), True), ((2.0, 1.0), False)])
def test_a_value_that_grows_elsewhere_is_no_lowest_so_far(
    other: tuple[float, float], found: bool
) -> None:
    """One sample logs the value of the validation before, which is too low; two samples do not."""
    logged = {1: (1.0, 1.0, 3.0), 2: (*other, other[1])}

    class Told(Maker):
        def _make(self, run: DrawnRun, seed: int) -> Observation:
            *values, true = logged[run.samples]
            seen = values if run.interval else [true]
            return Observation(tuple(EpochValues("validate", 0, {"a": each}) for each in seen))

    runs = [DrawnRun(FIT, samples, 1, training_batches=2) for samples in logged]
    maker = Told(RunSpec(CaseRef("", ""), "search"), Path())
    seeker = Seeker(FIT, maker, lies, CASE, st.sampled_from(runs), 12)
    assert (("validate", "a") in seeker.seek()) is found
    assert bool(seeker.shift)


def test_a_key_that_no_fit_moves_proves_nothing_of_fits() -> None:
    spreads = (Spread("validate", "a", 0.0, 1.0), Spread("validate", "b", 0.0, 1.0))
    shifts = (Spread("validate", "a", 0.5, 0.5), Spread("validate", "b", 0.5, 0.6))
    seen = judge_searched(Searched(FIT, 6, 12, spreads=spreads, shifts=shifts), None, CASE)
    assert seen.passed == 1
    assert [note.subject for note in seen.untriggered] == ["a"]


def _fit_logging(*values: float) -> tuple[Lie, ...]:
    """What lies in a fit with these validations, the truth of the last being 3."""
    epochs = tuple(EpochValues("validate", 0, {"a": value}) for value in values)
    fit = DrawnRun(FIT, 3, 2, training_batches=len(values))
    return lies(fit, Observation(epochs), logs(a=3.0), CASE)


@given(st.lists(st.floats(0.1, 10), min_size=1, max_size=6), st.integers(2, 4))
def test_a_loss_divided_by_the_accumulated_batches_is_a_lie(
    losses: list[float], count: int
) -> None:
    mean = sum(losses) / len(losses)
    run = DrawnRun(ACCUMULATE, 6, 1, accumulate=count)
    divided = logs("train", tuple(loss / count for loss in losses), a=mean / count)
    assert len(lies(run, divided, logs("train", tuple(losses), a=mean), CASE)) == 1


def test_a_loss_that_depends_on_the_optimizer_steps_is_none() -> None:
    run = DrawnRun(ACCUMULATE, 3, 1, accumulate=2)
    annealed, plain = logs("train", (1.0, 1.0, 1.1), a=1.033), logs("train", (1.0, 1.1, 1.2), a=1.1)
    assert lies(run, annealed, plain, CASE) == ()


# --- the search, and its scripts ------------------------------------------------------------------


def searched(runner: Runner, file: str, case: str, examples: int = 12) -> Result:
    ref = CaseRef(str(FIXTURES / file), case)
    return search(Battery(runner, ref, 60.0, examples=examples))


SICK = [
    ("checks/search/sick_validations_of_an_epoch.py", "regressor"),
    ("checks/search/sick_average_of_batches.py", "classifier"),
    ("demo/cases.py", "height"),
]


@pytest.mark.parametrize(("file", "case"), SICK, ids=lambda text: Path(text).stem)
def test_the_script_prints_what_the_finding_says(file: str, case: str, runner: Runner) -> None:
    finding = searched(runner, file, case).findings[0]
    [evidence] = finding.evidence
    outcome = runner.run({"entry": "scripted:run", "script": finding.script})
    assert outcome.finished, outcome.message
    said = f"{evidence.key}: logged {evidence.logged:.6g}, true {evidence.true:.6g}"
    assert outcome.outputs[0].splitlines()[-1] == said
    assert "pl_lint" not in finding.script


def test_a_metric_that_lies_in_both_fits_is_held_against_itself(runner: Runner) -> None:
    """The fit with one validation has training's batches in the metric as well."""
    finding = searched(runner, "checks/search/sick_shared_by_training.py", "shared").findings[0]
    [evidence] = finding.evidence
    correct = evidence.true * int(re.search(r"in (\d+) samples?", finding.message)[1])
    assert correct == pytest.approx(round(correct))
    assert "a fresh MulticlassAccuracy" in evidence.how
    outcome = runner.run({"entry": "scripted:run", "script": finding.script})
    last = outcome.outputs[0].splitlines()[-1]
    assert "true" not in last and "with that validation only" in last


def test_a_finding_says_in_which_run_a_key_lies(runner: Runner) -> None:
    result = searched(runner, "checks/search/sick_squeezed_last_batch.py", "locator")
    assert result.verdict is Verdict.FAILED
    said = "'val_error' is wrong in 2 samples, batch size 1: logged 0."
    assert said in result.findings[0].message


def test_the_same_runs_are_searched_each_time(tmp_path: Path, runner: Runner) -> None:
    file, case = SICK[1]
    with Runner(tmp_path) as other:
        again = searched(other, file, case)
    assert again == searched(runner, file, case)


def test_more_examples_are_more_runs(runner: Runner) -> None:
    few = searched(runner, "checks/search/healthy_last_batch.py", "locator", examples=4)
    many = searched(runner, "checks/search/healthy_last_batch.py", "locator", examples=8)
    assert runs_in(few) < runs_in(many)


def test_many_examples_are_searched_on_three_ranks_too(runner: Runner) -> None:
    file = str(FIXTURES / "checks" / "search" / "healthy_synchronised.py")
    battery = Battery(runner, CaseRef(file, "regressor"), examples=EXAMPLES + 1)
    records = battery.searched_on_ranks(NAME)
    assert [record.error for record in records] == [None, None]
    assert [len(record.searched) for record in records] == [1, 1]
    assert all(each.examples and each.seconds > 0 for one in records for each in one.searched)
    assert re.fullmatch(r"\d+ runs made, \d+\.\d ms each", search(battery).cost)


def runs_in(result: Result) -> int:
    number, words = result.reason.split(" ", 1)
    assert words == "runs searched"
    return int(number)
