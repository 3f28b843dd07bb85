"""Words that several rules use."""

from __future__ import annotations

from pathlib import Path

import pytest

from pl_lint.config import Config
from pl_lint.rules.registry import all_rules
from pl_lint.rules.wording import listed
from pl_lint.static.engine import read


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        ("", ""),
        ("A", "A"),
        ("AB", "A and B"),
        ("ABAB", "A and B"),
        ("ABCD", "A, B, C and D"),
        ("ABCDE", "A, B, C and 2 more"),
    ],
)
def test_of_many_names_some_are_told(names: str, sentence: str) -> None:
    assert listed(names) == sentence


ONE_LINE = """\
import lightning.pytorch as pl
from sklearn.metrics import f1_score


class Hives(pl.LightningModule):
    def _shared(self, batch, stage):
        self.log(f"{stage}/f1", f1_score(self(batch[0]), batch[1]), on_epoch=True)

    def training_step(self, batch, batch_idx):
        self._shared(batch, "train")

    def validation_step(self, batch, batch_idx):
        self._shared(batch, "val")
"""
ALONE = ONE_LINE.replace("_shared(self, batch, stage)", "test_step(self, batch, stage)")


@pytest.mark.parametrize(
    ("text", "begins", "ends"),
    [
        (
            ONE_LINE,
            "'train/f1' and 'val/f1' are f1_score of each batch",
            "those are not their values",
        ),
        (ALONE, "'…/f1' is f1_score of each batch", "that is not its value"),
    ],
)
def test_every_key_of_a_line_is_named(text: str, begins: str, ends: str, tmp_path: Path) -> None:
    (tmp_path / "hives.py").write_text(text, "utf-8")
    (found,) = read([tmp_path], Config(root=tmp_path, select=("LTN103",)), all_rules()).findings
    assert found.message.startswith(begins)
    assert f": {ends} over the data" in found.message
