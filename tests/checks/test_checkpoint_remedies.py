"""What is advised against lost state fits what was lost."""

from __future__ import annotations

import pytest

from pl_lint.checks.checkpoint.carried import causes, remedy_of
from pl_lint.checks.checkpoint.wording import refused, remedy_for
from pl_lint.facts.events import CaseFacts, RunError
from pl_lint.facts.records import FitRecord
from pl_lint.facts.training import Kept, TrainingStory

CASE = CaseFacts("Net", "net.py", 1, "lightning.pytorch", ("train",))


@pytest.mark.parametrize(
    ("lost", "words"),
    [
        ("self.steps", "on_save_checkpoint"),
        ("layers in self.heads", "nn.ModuleList"),
        ("buffer cutoff (persistent=False)", "without persistent=False"),
        ("optimizer 0 (LookingAhead): attribute slow", "param_groups"),
        ("scheduler 0 (Own): attribute best", "scheduler's state_dict"),
        ("callback Average.kept", "give the callback a state_dict"),
    ],
)
def test_each_loss_has_its_remedy(lost: str, words: str) -> None:
    remedy = remedy_for([lost])
    assert words in remedy
    assert ";" not in remedy


def test_several_losses_have_several() -> None:
    remedy = remedy_for(["self.steps", "layers in self.heads"])
    assert "nn.ModuleList" in remedy
    assert "on_save_checkpoint" in remedy


def fit_with(*kept: Kept) -> FitRecord:
    return FitRecord(rank=0, case=CASE, training=TrainingStory(kept=kept))


GROWING = Kept("outputs", (6, 12), tensors=12)
OF_CALLBACK = Kept("outputs", (6, 12), tensors=12, owner="Histogram")
CLEARED = Kept("outputs", (6, 12), tensors=12, renewed=("on_train_epoch_start",))
NUMBERS = Kept("outputs", (6, 12), tensors=0)


@pytest.mark.parametrize(
    ("kept", "name"), [(GROWING, "self.outputs"), (OF_CALLBACK, "callback Histogram.outputs")]
)
def test_what_is_never_cleared_is_not_to_be_saved(kept: Kept, name: str) -> None:
    remedy = remedy_of([name], fit_with(kept), only_logged=True)
    assert remedy.startswith(f"clear {name}")
    assert "state_dict" not in remedy
    assert "on_save_checkpoint" not in remedy
    assert "6 values" in causes([name], fit_with(kept))


@pytest.mark.parametrize("kept", [CLEARED, NUMBERS])
def test_a_history_is_saved_or_set_back(kept: Kept) -> None:
    fit = fit_with(kept)
    assert remedy_of(["self.outputs"], fit, only_logged=False) == remedy_for(["self.outputs"])
    assert remedy_of(["self.outputs"], fit, only_logged=True).startswith("set self.outputs back")
    layers = ["layers in self.blocks"]
    assert remedy_of(layers, fit, only_logged=True) == remedy_for(layers)
    assert not causes(["self.outputs"], fit)


def test_each_loss_of_several_has_its_remedy() -> None:
    remedy = remedy_of(["self.outputs", "self.steps"], fit_with(GROWING), only_logged=False)
    assert remedy.startswith("clear self.outputs")
    assert remedy.endswith(remedy_for(["self.steps"]))


@pytest.mark.parametrize(
    ("entries", "says", "advises"),
    [
        (("hyper_parameters",), "hyper-parameters", "save_hyperparameters(ignore="),
        (("optimizer_states", "lr_schedulers"), "scheduler", "float(...)"),
        (("callbacks",), "callback", "state_dict"),
        (("names",), "'names'", "plain values"),
        ((), "", "save_hyperparameters(ignore="),
    ],
)
def test_a_refusal_says_where_it_is(entries: tuple[str, ...], says: str, advises: str) -> None:
    error = RunError("UnpicklingError", "Unsupported global: numpy")
    finding = refused(CASE, "load_from_checkpoint", error, entries)
    assert says in finding.message
    assert advises in finding.remedy
