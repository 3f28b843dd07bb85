"""All fields of a file name that nothing logs are told at once."""

from __future__ import annotations

from pathlib import Path

from pl_lint.config import Config
from pl_lint.rules.registry import all_rules
from pl_lint.static.engine import read

TEXT = """
import lightning.pytorch as pl
from lightning.pytorch.callbacks import ModelCheckpoint


class Net(pl.LightningModule):
    def validation_step(self, batch, batch_idx):
        self.log("val_acc", self.accuracy(batch))

    def configure_callbacks(self):
        return [ModelCheckpoint(filename="{v_num}-{epoch}-{val/acc:.2f}-{val_loss:.2f}")]
"""


def test_one_message_for_all_of_them(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(TEXT)
    reading = read([tmp_path], Config(root=tmp_path, select=("LTN304",)), all_rules())
    (finding,) = reading.findings
    assert "'v_num', 'val/acc' and 'val_loss', which nothing logs" in finding.message
    assert "did you mean 'val_acc'?" in finding.message
