"""LTN317, decided by a run: the last weights are tested where other weights are the best."""

from __future__ import annotations

from pathlib import Path

import pytest

from pl_lint.checks.checkpoint import checkpoint
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
    tmp_path: Path, target: str, numbers: tuple[float, float] | None, how: str
) -> None:
    file = tmp_path / f"drifting_{target[0]}.py"
    file.write_text(CASE.replace("TARGET", target), encoding="utf-8")
    with Runner(tmp_path / "runs") as runner:
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


def test_weights_from_elsewhere_are_not_decided(tmp_path: Path) -> None:
    file = tmp_path / "drifting.py"
    file.write_text(CASE.replace("TARGET", "0.0"), encoding="utf-8")
    untrained = Finding("LTN318", "as it was built", Location("test.py", 5), Status.SUSPECTED)
    with Runner(tmp_path / "runs") as runner:
        case = CaseRef(str(file), "drifting")
        result = checkpoint(Battery(runner, case, suspicions=(untrained,)))
    assert any("LTN318" in note for note in (*result.notes, result.reason))
