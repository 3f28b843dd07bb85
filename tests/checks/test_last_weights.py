"""LTN317 and LTN318, decided by a run: the last weights are tested where others are the best, or
those that nobody has trained."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pl_lint.checks.checkpoint import checkpoint
from pl_lint.checks.checkpoint.testing import judge_last_weights, judge_untrained
from pl_lint.checks.registry import Gathering
from pl_lint.findings import Finding, Location, Status
from pl_lint.runtime.battery import Battery
from pl_lint.runtime.isolation.runs import Runner
from pl_lint.runtime.specs import CaseRef

CASE = '''
import lightning as L
import torch
from torch.utils.data import DataLoader, TensorDataset

import pl_lint


class Drifting(L.LightningModule):
    """Its weight grows by one with each epoch; the error against it does, or falls."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.register_buffer("lately", torch.zeros(()))

    def training_step(self, batch, batch_idx):
        return 0.0 * self.weight.sum()

    def on_train_epoch_start(self):
        with torch.no_grad():
            self.weight += 1.0

    def validation_step(self, batch, batch_idx):
        self.log("val_error", (self.weight - TARGET).abs().mean(), sync_dist=True)

    def test_step(self, batch, batch_idx):
        # Made under inference_mode, and so nothing can be loaded into it afterwards.
        self.lately = 0.9 * self.lately + 0.1 * self.weight.detach().mean()
        self.log("test_error", (self.weight - TARGET).abs().mean(), sync_dist=True)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


@pl_lint.case
def drifting():
    loader = DataLoader(TensorDataset(torch.zeros(20, 1)), batch_size=8)
    return Drifting(), {"train": loader, "val": loader, "test": loader}
'''
SUSPECTED = Finding("LTN317", "the last weights", Location("train.py", 9), Status.SUSPECTED)


@pytest.mark.parametrize(
    ("target", "numbers", "how"),
    [
        # After two epochs the weight is 2; after the first, it was 1.
        ("0.0", (2.0, 1.0), "the truth is the best by val_error"),
        ("9.0", (7.0, 8.0), "being planted"),
        ("self.weight", None, ""),
    ],
    ids=["first is best", "last is best", "all are equal"],
)
def test_the_run_decides_where_best_and_last_differ(
    runner: Runner, tmp_path: Path, target: str, numbers: tuple[float, float] | None, how: str
) -> None:
    file = tmp_path / f"drifting_{target[0]}.py"
    file.write_text(CASE.replace("TARGET", target), encoding="utf-8")
    battery = Battery(
        runner,
        CaseRef(str(file), "drifting"),
        monitors=(("val_error", "min"),),
        suspicions=(SUSPECTED,),
    )
    result = checkpoint(battery)
    found = [finding for finding in result.findings if finding.code == "LTN317"]
    if numbers is None:
        assert not found
        assert any("LTN317" in note for note in (*result.notes, result.reason))
        return
    [finding] = found
    assert finding.status is Status.PROVED
    assert finding.location == SUSPECTED.location
    assert (finding.evidence[0].logged, finding.evidence[0].true) == numbers
    assert how in finding.evidence[0].how


DRAWN_FOR_EACH_TEST = (
    Path(__file__).parents[2] / "fixtures/checks/checkpoint/healthy_drawn_for_each_test.py"
)
ANEW = "the test data are drawn anew for each test"
AS_GOOD = "the last weights test as the best do"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("unmoved", ANEW),
        ("moved", ANEW),
        ("unmoved_by_the_global_seed", AS_GOOD),
        ("unmoved_and_split_again", "two tests of the same weights do not agree on chance"),
        ("moved_and_split_again", None),
    ],
)
def test_data_that_setup_draws_anew_are_no_difference_between_weights(
    runner: Runner, name: str, reason: str | None
) -> None:
    ref, monitors = CaseRef(str(DRAWN_FOR_EACH_TEST), name), (("val_error", "min"),)
    battery = Battery(runner, ref, monitors=monitors, suspicions=(SUSPECTED,))
    into = Gathering()
    judge_last_weights(battery, into)
    if reason is not None:
        assert not into.findings
        assert [reason in str(note) for note in into.undecided] == [True]
        return
    [finding] = into.findings
    assert finding.status is Status.PROVED
    assert finding.evidence[0].key == "test_error"


UNTRAINED = '''
import random

import lightning as L
import torch
from torch.utils.data import DataLoader, TensorDataset

import pl_lint


class Regressor(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.net = torch.nn.Linear(2, 1)
        self.bring()

    def bring(self):
        pass

    def loss(self, batch):
        x, y = batch
        return (self.net(x) - y).square().mean()

    def training_step(self, batch, batch_idx):
        return self.loss(batch)

    def test_step(self, batch, batch_idx):
        self.log("test_loss", self.loss(batch))
        self.log("seconds", 3.0)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


class Pretrained(Regressor):
    """As from a hub: the same weights, whatever the seed; training moves them."""

    def bring(self):
        self.net.load_state_dict({"weight": torch.ones(1, 2), "bias": torch.ones(1)})


class LoadedLate(Regressor):
    def setup(self, stage):
        Pretrained.bring(self)


class WithFrozenNoise(Pretrained):
    """What is drawn is not trained by anybody."""

    def __init__(self):
        super().__init__()
        self.register_buffer("noise", torch.randn(1))
        self.shift = torch.nn.Parameter(torch.randn(1), requires_grad=False)

    def loss(self, batch):
        return super().loss(batch) + self.noise.abs().sum() + self.shift.abs().sum()


class ByChance(Regressor):
    def test_step(self, batch, batch_idx):
        self.log("test_loss", float(torch.empty(1).random_()) + random.SystemRandom().random())


def data():
    """Drawn anew with the module: another seed would draw others."""
    x = torch.randn(40, 2)
    loader = DataLoader(TensorDataset(x, x.sum(1, keepdim=True)), batch_size=8)
    return {"train": loader, "test": loader}


@pl_lint.case
def regressor():
    return Regressor(), data()


@pl_lint.case
def pretrained():
    return Pretrained(), data()


@pl_lint.case
def loaded_late():
    return LoadedLate(), data()


@pl_lint.case
def with_frozen_noise():
    return WithFrozenNoise(), data()


@pl_lint.case
def by_chance():
    return ByChance(), data()


@pl_lint.case
def without_test_data():
    return Regressor(), {"train": data()["train"]}
'''
TESTED = Finding("LTN318", "as it was built", Location("test.py", 5), Status.SUSPECTED)


@pytest.fixture(scope="module")
def judged(runner: Runner, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Gathering]:
    """What the run says of one case of ``UNTRAINED``, whose script tests it as it is built."""
    folder = tmp_path_factory.mktemp("untrained")
    file = folder / "regressors.py"
    file.write_text(UNTRAINED, encoding="utf-8")

    def judge(name: str) -> Gathering:
        battery = Battery(runner, CaseRef(str(file), name), suspicions=(TESTED,))
        into = Gathering()
        judge_untrained(battery, battery.case(), into)
        return into

    return judge


def test_a_score_that_the_seed_decides_is_of_untrained_weights(
    judged: Callable[[str], Gathering],
) -> None:
    [finding] = judged("regressor").findings
    [evidence] = finding.evidence
    assert (finding.status, finding.location) == (Status.PROVED, TESTED.location)
    assert evidence.key == "test_loss"
    assert evidence.logged > 2 * evidence.true
    assert "2 of 2 trainable tensors are drawn, and those of another seed score" in evidence.cause
    other = float(evidence.cause.rpartition(" ")[2])
    assert abs(other - evidence.logged) > 0.01


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("pretrained", "may come from elsewhere"),
        ("loaded_late", "does not depend on the weights that are drawn"),
        ("with_frozen_noise", "may come from elsewhere"),
        ("by_chance", "does not depend on the weights that are drawn"),
        ("without_test_data", "no test data"),
    ],
)
def test_weights_from_elsewhere_are_not_decided(
    judged: Callable[[str], Gathering], name: str, reason: str
) -> None:
    into = judged(name)
    assert not into.findings
    assert [reason in str(each) for each in into.undecided] == [True]
