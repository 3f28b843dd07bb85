"""What the checkpoint check knows of directions, and what its runs leave alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.callbacks import EarlyStopping
from torch.optim.lr_scheduler import ReduceLROnPlateau

from pl_lint.checks.checkpoint import checkpoint
from pl_lint.facts.directions import higher_by_name
from pl_lint.findings import Finding, Status
from pl_lint.runtime.battery import Battery
from pl_lint.runtime.isolation.runs import Runner
from pl_lint.runtime.specs import CaseRef
from pl_lint.runtime.watching.saved.reactions import reactions

CASE = '''
import lightning as L
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch.utils.data import DataLoader, TensorDataset

import pl_lint


class Named(L.LightningModule):
    """Its accuracy is computed by hand: only its name says that it should rise."""

    def __init__(self):
        super().__init__()
        self.net = torch.nn.Linear(3, 2)

    def training_step(self, batch, batch_idx):
        return torch.nn.functional.cross_entropy(self.net(batch[0]), batch[1])

    def validation_step(self, batch, batch_idx):
        right = (self.net(batch[0]).argmax(dim=1) == batch[1]).float()
        self.log("val_acc", right.mean())

    def configure_callbacks(self):
        return [ModelCheckpoint("kept_here", monitor="val_acc", mode=MODE)]

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


@pl_lint.case
def named():
    g = torch.Generator().manual_seed(0)
    x = torch.randn(40, 3, generator=g)
    loader = DataLoader(TensorDataset(x, (x[:, 0] > 0).long()), batch_size=16)
    return Named(), {"train": loader, "val": loader}
'''


@pytest.mark.parametrize(
    ("key", "higher"),
    [
        ("val_acc", True),
        ("val/MulticlassF1Score", True),
        ("valid/f1", True),
        ("valAccuracy", True),
        ("val_loss", False),
        ("val/top5_error", False),
        ("val_acc_loss", None),
        ("mapped", None),
        ("fid/test", False),
        ("step", None),
        ("val_auc_gap", None),
        ("val_1-acc", None),
        ("val_map_l1", None),
        ("val/top-1-acc", True),
        ("val/1-shot_acc", True),
        ("p@1-acc", True),
        ("val_l1_loss", False),
    ],
)
def test_a_name_says_its_direction_or_nothing(key: str, higher: bool | None) -> None:
    assert higher_by_name(key) is higher


@pytest.mark.parametrize(("mode", "codes"), [("min", ["LTN301"]), ("max", [])])
def test_a_direction_by_name_is_a_suspicion(tmp_path: Path, mode: str, codes: list[str]) -> None:
    file = tmp_path / "named.py"
    file.write_text(CASE.replace("MODE", repr(mode)), encoding="utf-8")
    found = findings_in(file)
    assert [finding.code for finding in found] == codes
    for finding in found:
        assert finding.status is Status.SUSPECTED
        assert "by its name" in finding.message
        assert finding.location.line == 1 + CASE[: CASE.index("[ModelCheckpoint")].count("\n")


def findings_in(file: Path) -> list[Finding]:
    """Run in the directory of the case, where the callback that it configures would write."""
    with Runner(file.parent / "runs", root=file.parent) as runner:
        result = checkpoint(Battery(runner, CaseRef(str(file), "named")))
    assert {path.name for path in file.parent.iterdir()} <= {file.name, "runs"}
    return list(result.findings)


@pytest.mark.parametrize(("mode", "score"), [("max", 0.93), ("min", 0.13)])
def test_the_best_is_really_tested(runner: Runner, tmp_path: Path, mode: str, score: float) -> None:
    """Of the planted scores at the ends of epochs, the highest is 0.93, the lowest 0.13."""
    file = tmp_path / "cases.py"
    file.write_text(CASE.replace("MODE", repr(mode)), encoding="utf-8")
    record = Battery(runner, CaseRef(str(file), "named")).planted()
    assert record.restored == pytest.approx(score)


class Needy(EarlyStopping):
    def _evaluate_stopping_criteria(self, current: torch.Tensor) -> tuple[bool, str | None]:
        raise RuntimeError("it asks its Trainer first")


def plateau(**settings: Any) -> ReduceLROnPlateau:
    return ReduceLROnPlateau(torch.optim.SGD([torch.zeros(1)], lr=0.1), **settings)


@pytest.mark.parametrize(
    ("holder", "rising", "falling"),
    [
        (EarlyStopping("f1", patience=2), (3, 0.2), None),
        (EarlyStopping("f1", patience=2, mode="max"), None, (3, 0.9)),
        (EarlyStopping("f1", patience=2, mode="max", stopping_threshold=0.5), (3, 0.375), None),
        (EarlyStopping("f1", patience=1000), None, None),
        (Needy("f1", patience=2), None, None),
        (plateau(patience=2), (4, 0.2), None),
        (plateau(patience=2, mode="max"), None, (4, 0.9)),
        (plateau(patience=2, min_lr=0.1), None, None),
    ],
)
def test_planted_scores_show_when_something_is_done(
    holder: Any, rising: tuple[int, float] | None, falling: tuple[int, float] | None
) -> None:
    done = [None if each is None else (each.after, each.best) for each in reactions(holder)]
    assert done == [rising, falling]


def test_they_are_told_to_copies() -> None:
    """What a training has left in them decides nothing, and nothing is left in them."""
    stopper, scheduler = EarlyStopping("f1", patience=2), plateau(patience=2)
    stopper.wait_count, stopper.best_score = 1, torch.tensor(-5.0)
    scheduler.step(-5.0)
    before = repr((vars(stopper), scheduler.state_dict(), scheduler.optimizer.param_groups))
    rises = [reactions(each)[0] for each in (stopper, scheduler)]
    assert [each and each.after for each in rises] == [3, 4]
    assert rises[1] is not None and rises[1].rates == pytest.approx((0.1, 0.01))
    assert repr((vars(stopper), scheduler.state_dict(), scheduler.optimizer.param_groups)) == before
