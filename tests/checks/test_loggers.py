"""What the check of loggers says where there is little to say, and what it takes for a record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import pytest

from pl_lint.checks.loggers import loggers
from pl_lint.checks.loggers.origins import unrecorded
from pl_lint.checks.registry import Result, Runs, Verdict
from pl_lint.facts.events import CaseFacts, LoggerPoint, RunError
from pl_lint.facts.loggers import (
    CSV,
    ELSEWHERE,
    MLFLOW,
    TENSORBOARD,
    WANDB,
    Held,
    LoggedRun,
    Medium,
    Written,
    classes_of,
)
from pl_lint.facts.records import LoggersRecord, SmokeRecord
from pl_lint.findings import Location

POINT = LoggerPoint("loss", 0, 0.5)
RIGHT = LoggersRecord(runs=(LoggedRun(TENSORBOARD, held=(Held(CSV, (POINT,), (POINT,)),)),))
PLACE = Location("model.py", 7)


@dataclass
class Given:
    """Runs that were made already."""

    default: LoggersRecord = RIGHT
    other: LoggersRecord = RIGHT
    built: Sequence[str] = ()
    asked: Sequence[str] = ()
    stated: tuple[str, ...] | None = None

    def case(self) -> CaseFacts:
        stages = ("train",)
        return CaseFacts("Net", "model.py", 1, "lightning.pytorch", stages, loggers=self.stated)

    def smoke(self) -> SmokeRecord:
        return SmokeRecord()

    def logged_to(self, *names: str) -> LoggersRecord:
        return self.other if names else self.default

    def loggers_built(self) -> Sequence[str]:
        return self.built

    def loggers_asked_for(self) -> Sequence[str]:
        return self.asked


def judged(**given: Any) -> Result:
    return loggers(cast(Runs, Given(**given)))


@pytest.mark.parametrize("there", [{"built": (WANDB,)}, {"asked": (WANDB,)}, {"stated": (WANDB,)}])
def test_a_package_that_is_not_installed_is_told(there: dict[str, Any]) -> None:
    result = judged(other=LoggersRecord(missing=("wandb",)), **there)
    assert result.verdict is Verdict.PASSED
    assert result.notes == ("not decided: wandb is not installed",)
    assert result.open == 1


def test_nothing_is_said_of_packages_that_nobody_uses() -> None:
    result = judged(other=LoggersRecord(missing=("wandb",)))
    assert (result.verdict, result.notes) == (Verdict.PASSED, ())


def test_a_point_that_is_lost_or_doubled_fails() -> None:
    for points, text in [((), "and is not there"), ((POINT, POINT), "it also has")]:
        held = Held(CSV, (POINT,), points)
        record = LoggersRecord(runs=(LoggedRun(TENSORBOARD, held=(held,), lines={"loss": PLACE}),))
        [finding] = judged(default=record).findings
        assert text in finding.message and finding.location == PLACE


@pytest.mark.parametrize(("media", "count"), [((), 1), ((Medium("graph", "graph", 0),), 0)])
def test_a_graph_that_is_not_there_fails(media: tuple[Medium, ...], count: int) -> None:
    written = Written("graph", "graph", None, 0, 0, False, PLACE)
    held = Held(TENSORBOARD, written=(written,), media=media)
    found = judged(default=LoggersRecord(runs=(LoggedRun(TENSORBOARD, held=(held,)),))).findings
    assert [finding.location for finding in found] == [PLACE] * count


def test_what_goes_to_another_run_is_a_note_for_a_script_may_have_started_it() -> None:
    held = Held(MLFLOW, written=(Written(ELSEWHERE, "loss", None, 0, 0, False, PLACE),))
    record = LoggersRecord(runs=(LoggedRun(MLFLOW, held=(held,)),))
    result = judged(other=record, stated=(MLFLOW,))
    assert result.verdict is Verdict.PASSED
    assert any("'loss' is written to the active run" in note for note in result.notes)


@pytest.mark.parametrize(
    ("there", "verdict"),
    [
        ({"stated": (CSV,)}, Verdict.FAILED),
        ({"built": (CSV,)}, Verdict.FAILED),
        ({"stated": (TENSORBOARD, CSV)}, Verdict.PASSED),
        ({"built": (CSV, TENSORBOARD)}, Verdict.PASSED),
        ({}, Verdict.PASSED),
    ],
)
def test_what_another_logger_refuses_is_a_note(there: dict[str, Any], verdict: Verdict) -> None:
    error = RunError("AttributeError", "no attribute 'add_image'", "fit", PLACE)
    tried = (*RIGHT.runs, LoggedRun(CSV, error))
    result = judged(default=LoggersRecord(runs=tried, asked=True), **there)
    assert result.verdict is verdict
    assert [finding.code for finding in result.findings] == ["LTN901"]
    assert len(result.notes) == (verdict is Verdict.PASSED)


def test_a_run_that_fails_with_any_logger_decides_nothing() -> None:
    error = RunError("ZeroDivisionError", "division by zero", "fit", PLACE)
    record = LoggersRecord(runs=(LoggedRun(TENSORBOARD, error),), broken=True)
    assert judged(default=record).verdict is Verdict.NOT_DECIDED


HEAD = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize("code", [HEAD, HEAD[:7], f"{HEAD[:9]}-dirty", f"main at {HEAD}"])
def test_a_revision_is_known_by_its_value(code: str) -> None:
    assert not list(unrecorded(["revision"], {"code": code}, {"revision": HEAD}))


@pytest.mark.parametrize("code", ["main", HEAD[:5], "fedcba9", ""])
def test_other_texts_are_no_revision(code: str) -> None:
    [text] = unrecorded(["revision"], {"code": code}, {"revision": HEAD})
    assert "0123456" in text


def test_seeds_have_a_name_and_versions_a_value() -> None:
    origins = {"torch": "2.13.0+cpu", "lightning": "2.6.6"}
    given = {"data/seed": "3", "made with": "torch 2.13.0", "pl": "2.6.6"}
    assert not list(unrecorded(["seed", "versions"], given, origins))
    assert len(list(unrecorded(["seed", "versions"], {"rate": "0.1"}, origins))) == 3


def test_loggers_are_asked_for_by_their_packages() -> None:
    assert classes_of(["wandb", "mlflow"]) == (WANDB, MLFLOW)
    with pytest.raises(ValueError, match="'wandbb' is none of wandb, mlflow"):
        classes_of(["wandbb"])
