"""LTN413: how sure it is that one process draws a split twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from pl_lint.config import Config
from pl_lint.findings import Status
from pl_lint.rules.registry import all_rules
from pl_lint.static.engine import read

SCRIPT = """\
import lightning.pytorch as pl
from torch.utils.data import DataLoader, random_split


class Data(pl.LightningDataModule):
    def setup(self, stage=None):
        self.train, self.held_out = random_split(self.data, [0.8, 0.2])

    def train_dataloader(self):
        return DataLoader(self.train)

    def test_dataloader(self):
        return DataLoader(self.held_out)


def main(model, args):
    pl.seed_everything(1)
    data = Data()
    trainer = pl.Trainer()
    trainer.fit(model, data)
    {test}


if __name__ == "__main__":
    main(None, None)
"""
PLAIN = "trainer.test(model, data)"
ASKED = "if args.test:\n        trainer.test(model, data)"


@pytest.mark.parametrize(
    ("test", "status", "condition"),
    [
        (PLAIN, Status.CERTAIN, ""),
        (ASKED, Status.SUSPECTED, "if fit and test run in one process, as train.py may do"),
    ],
)
def test_what_a_condition_parts_is_suspected(
    test: str, status: Status, condition: str, tmp_path: Path
) -> None:
    (tmp_path / "train.py").write_text(SCRIPT.format(test=test))
    config = Config(root=tmp_path, select=("LTN413",))
    (finding,) = read([tmp_path], config, all_rules()).findings
    assert (finding.status, finding.condition) == (status, condition)
    assert "for test (train.py:2" in finding.message
