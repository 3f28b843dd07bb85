"""What only a default says is suspected: the caller, or the command line, may say otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest

from pl_lint.config import Config
from pl_lint.findings import Status
from pl_lint.rules.registry import all_rules
from pl_lint.static.engine import read

SCRIPT = """
import argparse

import lightning as L
from lightning.pytorch.callbacks import ModelCheckpoint


class Net(L.LightningModule):
    def validation_step(self, batch, batch_idx):
        self.log("val_loss", self.loss(batch))


parser = argparse.ArgumentParser()
parser.add_argument("--every", type=int, default=1000)
args = parser.parse_args()
best = ModelCheckpoint(monitor="val_loss", every_n_train_steps={given})
L.Trainer(callbacks=[best]).fit(Net())
"""


@pytest.mark.parametrize(
    ("given", "status"), [("1000", Status.CERTAIN), ("args.every", Status.SUSPECTED)]
)
def test_a_number_by_default_is_suspected(given: str, status: Status, tmp_path: Path) -> None:
    path = tmp_path / "train.py"
    path.write_text(SCRIPT.replace("{given}", given), encoding="utf-8")
    found = read([path], Config(root=tmp_path, select=("LTN305",)), all_rules()).findings
    assert [one.status for one in found] == [status]
