"""Where two runs part, which call parted them, and what workers draw."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pl_lint.checks.registry import Gathering
from pl_lint.checks.reproducible import reproducible
from pl_lint.checks.reproducible.divergence import first_divergence, timings, within_rounding
from pl_lint.checks.reproducible.workers import judge_draws
from pl_lint.facts.events import CaseFacts, EpochValues, LogEvent, OptimizerStep, RunError
from pl_lint.facts.records import FitRecord
from pl_lint.facts.repetition import HeldGenerator, MadeAnew, TrainingBatch, WorkerDraws
from pl_lint.findings import Location, Status
from pl_lint.runtime.battery import Battery
from pl_lint.runtime.isolation.runs import Runner
from pl_lint.runtime.specs import CaseRef

FIXTURES = Path(__file__).parents[2] / "fixtures" / "checks" / "reproducible"
CASE = CaseFacts("Net", "net.py", 1, "lightning.pytorch", ("train",))
LINE = Location("net.py", 7)


def event(name: str, value: float, batch: int, python_number: bool = False) -> LogEvent:
    return LogEvent(
        name,
        value,
        "training_step",
        "train",
        0,
        batch,
        LINE,
        True,
        False,
        python_number=python_number,
    )


def fit(weight: str = "w", loss: float = 1.0, part: str = "p", stream: str = "s") -> FitRecord:
    """Two batches of one epoch. What is given belongs to the second batch."""
    return FitRecord(
        initial={"w": "start"},
        begun=(
            TrainingBatch(0, 0, 0, {"[0]": "x"}, {"numpy": "n"}),
            TrainingBatch(0, 1, 1, {"[0]": part}, {"numpy": stream}),
        ),
        events=(event("loss", 1.0, 0), event("loss", loss, 1), event("time", 0.5, 1, True)),
        steps=(OptimizerStep(1, {"w": "one"}), OptimizerStep(2, {"w": weight})),
        epochs=(EpochValues("train", 0, {"loss": loss}),),
        digests={"w": weight},
    )


def text_of(first: FitRecord, second: FitRecord) -> str:
    divergence = first_divergence(first, second)
    return divergence.text if divergence is not None else ""


def test_equal_runs_do_not_part() -> None:
    assert first_divergence(fit(), fit()) is None


def test_nan_is_equal_to_nan() -> None:
    assert first_divergence(fit(loss=float("nan")), fit(loss=float("nan"))) is None


def test_the_first_in_time_is_told() -> None:
    data = text_of(fit(), fit(weight="v", loss=2.0, part="q"))
    stream = text_of(fit(), fit(weight="v", loss=2.0, stream="t"))
    loss = text_of(fit(), fit(weight="v", loss=2.0))
    weight = text_of(fit(), fit(weight="v"))
    assert data == "the data (batch[0]) at batch 1 of epoch 0"
    assert stream == "the state of the global generator of numpy at batch 1 of epoch 0"
    assert loss == "'loss' in the train batch 1 of epoch 0"
    assert weight == "'w' after the optimizer step of batch 1 of epoch 0"


def test_initial_weights_come_before_all_else() -> None:
    other = replace(fit(weight="v", loss=2.0, part="q"), initial={"w": "other start"})
    assert text_of(fit(), other) == "'w' before the first step"


def test_a_logged_value_has_its_line_and_both_numbers() -> None:
    divergence = first_divergence(fit(), fit(loss=2.0))
    assert divergence is not None
    assert divergence.location == LINE
    assert [(e.true, e.logged) for e in divergence.evidence] == [(1.0, 2.0)]


def test_a_run_that_raises_parts_from_one_that_does_not() -> None:
    raised = replace(fit(), error=RunError("ValueError", "no", location=LINE))
    divergence = first_divergence(fit(), raised)
    assert divergence is not None
    assert "ValueError" in divergence.text
    assert divergence.location == LINE


def test_a_time_is_set_aside_only_where_the_weights_agree() -> None:
    slow = replace(fit(), events=(*fit().events[:2], event("time", 0.7, 1, True)))
    assert timings(fit(), slow) == {"time"}
    assert first_divergence(fit(), slow) is None
    assert "time" in text_of(fit(), replace(slow, digests={"w": "v"}))


def test_rounding_is_told_from_another_value() -> None:
    assert within_rounding(fit(loss=1.0), fit(loss=1.0 + 1e-6))
    assert not within_rounding(fit(loss=1.0), fit(loss=1.01))
    silent = replace(fit(), events=())
    assert not within_rounding(silent, silent)


# --- workers --------------------------------------------------------------------------------------

MANY = tuple(f"draw {n}" for n in range(32))
COIN = ("heads", "tails") * 16
RARE = ("usual",) * 31 + ("mirrored",)
RNG = HeldGenerator("self.rng", "np.random.Generator", LINE)


def draws(
    here: tuple[str, ...], first: tuple[str, ...], second: tuple[str, ...], own: int = 2
) -> WorkerDraws:
    """Two epochs, each with the draws of two workers one after the other."""
    epochs = tuple((epoch[:16], epoch[16:]) for epoch in (first, second))
    return WorkerDraws("Data", own, 2, here, epochs, generators=(RNG,), location=LINE)


def judged(found: WorkerDraws) -> Gathering:
    gathering = Gathering()
    judge_draws(found, CASE, gathering)
    return gathering


@pytest.mark.parametrize("here", [MANY, COIN], ids=["continuous", "coin"])
def test_an_epoch_that_repeats_the_first_is_found(here: tuple[str, ...]) -> None:
    epoch = here[:16] + here[3:19]
    (finding,) = judged(draws(here, epoch, epoch)).findings
    assert finding.code == "LTN405"
    assert finding.status is Status.PROVED
    assert finding.location == LINE
    assert "second epoch" in finding.message
    assert "all workers" not in finding.message


def test_workers_that_draw_alike_are_found() -> None:
    first, second = MANY[:16] * 2, MANY[16:] * 2
    (finding,) = judged(draws(MANY, first, second)).findings
    assert "all workers draw the same" in finding.message
    assert "second epoch" not in finding.message


def test_draws_that_may_be_equal_by_chance_are_not_judged() -> None:
    assert not judged(draws(RARE, RARE, RARE)).findings


def test_new_draws_are_fine() -> None:
    others = tuple(f"other {n}" for n in range(32))
    assert not judged(draws(MANY, MANY, others)).findings


def test_without_workers_a_copied_generator_is_a_note() -> None:
    gathering = judged(draws(MANY, MANY, MANY, own=0))
    assert not gathering.findings
    assert "self.rng" in str(gathering.notes[0])


# --- the lines of the causes ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "case", "line", "words"),
    [
        ("sick_no_seed.py", "one_of_three", "self.rng = default_rng()", "np.random.default_rng()"),
        ("sick_no_seed.py", "by_date", "datetime.now().microsecond", "datetime.now()"),
        ("sick_left_behind.py", "warmed", "    steps = 0", "Warmed.steps was 0"),
        ("sick_left_behind.py", "default_argument", "def mixed(", "mixed"),
        ("sick_copied_generator.py", "in_a_transform", "self.rng = random", "self.transform.rng"),
        ("sick_copied_generator.py", "module_level", "coin = random.Random", "coin"),
    ],
)
def test_the_cause_is_named_with_its_line(
    file: str, case: str, line: str, words: str, runner: Runner
) -> None:
    path = FIXTURES / file
    (finding,) = reproducible(Battery(runner, CaseRef(str(path), case))).findings
    text = path.read_text("utf-8").splitlines()[finding.location.line - 1]
    assert line in text
    assert words in finding.message


@pytest.mark.parametrize("added", [True, False])
def test_a_generator_made_for_each_sample_is_wrong_where_its_draws_are_added(added: bool) -> None:
    made = MadeAnew("np.random.RandomState(42)", LINE, added)
    gathering = Gathering()
    judge_draws(WorkerDraws("Measured", anew=(made,)), CASE, gathering)
    assert [(one.code, one.location) for one in gathering.findings] == (
        [("reproducible", LINE)] if added else []
    )
    assert len(gathering.undecided) == (not added)
