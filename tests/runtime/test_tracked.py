"""What a logger has written through its own package comes back out of its store."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import lightning.pytorch
import pytest
import torch

from pl_lint.facts.events import LoggerPoint
from pl_lint.facts.loggers import CSV, ELSEWHERE, MLFLOW, TENSORBOARD, WANDB, Medium
from pl_lint.runtime.isolation.process import quiet_environment
from pl_lint.runtime.namespace import Namespace
from pl_lint.runtime.programs.tracked.run import STORES, changed
from pl_lint.runtime.programs.tracked.stores import Ledger
from pl_lint.runtime.programs.tracked.wandb_runs import BLOCK

GIVEN = {"rate": 1e-05, "net": {"width": 3, "kind": "a = b"}, "on": True}
KEPT = {"rate": "1e-05", "net/width": "3", "net/kind": "a = b", "on": "True"}
POINTS = [LoggerPoint("loss", 0, 0.5), LoggerPoint("val/loss", 4, 0.25), LoggerPoint("loss", 4, -2)]


def by_hand(name: str, experiment: Any, run: str) -> None:
    """One thing that is no number. W&B's is a table too large for one block of its log."""
    if name == TENSORBOARD:
        experiment.add_image("image", torch.zeros(3, 4, 4), 7)
    elif name == WANDB:
        experiment.log({"words": "long " * BLOCK, "late": 1}, step=9)
    elif name == MLFLOW:
        experiment.log_text(run, "words", "notes/a.txt")


MEDIA = {
    TENSORBOARD: {Medium("images", "image", 7)},
    CSV: set(),
    WANDB: {Medium("history", "words", 9), Medium("history", "late", 9)},
    MLFLOW: {Medium("artifact", "notes/a.txt", 0)},
}


@pytest.mark.parametrize("name", STORES)
def test_what_was_written_is_read_back(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in quiet_environment(str(tmp_path)).items():
        monkeypatch.setenv(variable, value)
    store = STORES[name](Namespace("lightning.pytorch"), tmp_path)
    ledger = Ledger(store)
    with store.watching(ledger.note):
        store.logger.log_hyperparams(GIVEN)
        for point in POINTS:
            store.logger.log_metrics({point.tag: point.value}, point.step)
        store.logger.log_metrics({"never": math.nan}, 5)
        by_hand(name, store.logger.experiment, getattr(store.logger, "run_id", ""))
    store.logger.save()
    store.close()
    held = ledger.held()
    own = [point for point in held.points if point.tag in ("loss", "val/loss")]
    assert sorted(own, key=str) == sorted(POINTS, key=str)
    assert [(p.step, math.isnan(p.value)) for p in held.points if p.tag == "never"] == [(5, True)]
    assert [point for point in held.handed if point.tag in ("loss", "val/loss")] == POINTS
    assert set(held.given) == set(held.kept) == set(KEPT)
    assert held.given == KEPT
    assert held.kept["net/kind"] == "a = b" and float(held.kept["rate"]) == 1e-05
    assert set(held.media) >= MEDIA[name]


def test_of_mlflows_calls_those_to_another_run_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow = pytest.importorskip("mlflow")
    for variable, value in quiet_environment(str(tmp_path)).items():
        monkeypatch.setenv(variable, value)
    store = STORES[MLFLOW](Namespace("lightning.pytorch"), tmp_path)
    mlflow.set_tracking_uri(tmp_path.joinpath("mlruns").as_uri())
    told: list[tuple[str, str]] = []
    with store.watching(lambda kind, tag, step: told.append((kind, tag))):
        store.logger.log_metrics({"loss": 0.5}, 0)
        with mlflow.start_run(run_id=store.logger.run_id):
            mlflow.log_metric("mine", 1.0)
            mlflow.log_text("words", "mine.txt")
        with mlflow.start_run():
            mlflow.log_metric("one", 1.0)
            mlflow.log_metrics({"two": 1.0, "three": 2.0})
            mlflow.log_text("words", "a.txt")
    others = [(ELSEWHERE, name) for name in ("one", "two", "three", "a.txt")]
    assert told == [("artifact", "mine.txt"), *others]


def test_hyperparameters_that_change_after_they_are_saved() -> None:
    class Tuned(lightning.pytorch.LightningModule):
        def __init__(self, rate: float = 0.1, width: int = 3) -> None:
            super().__init__()
            self.save_hyperparameters()

    tuned = Tuned()
    assert changed(tuned) == {}
    tuned.hparams.rate = 0.5
    assert changed(tuned) == {"rate": ("0.1", "0.5")}
