"""Files that say nothing of Lightning and inherit from what does."""

from __future__ import annotations

from pathlib import Path

import pytest

from pl_lint.config import Config
from pl_lint.rules.registry import all_rules
from pl_lint.static.engine import read

BASE = """
import lightning.pytorch as pl

class Classifier(pl.LightningModule):
    def validation_step(self, batch, batch_idx):
        self.log("val_loss", self.loss(batch))
"""
HEIR = (
    "from {origin} import {base}\n\nclass {name}({base}):\n    def __init__(self, encoder):\n{body}"
)
SAVED = """        super().__init__()
        self.{attribute} = [Linear(8, 8), Linear(8, 1)]
"""


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("base.py").write_text(BASE)


def heir(path: str, origin: str, base: str, name: str) -> None:
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    text = "from torch.nn import Linear\n" + HEIR.format(
        origin=origin, base=base, name=name, body=SAVED.format(attribute=name.lower())
    )
    file.write_text(text)


def found() -> set[str]:
    reading = read([Path()], Config(select=("LTN655",)), all_rules())
    return {one.location.path for one in reading.findings}


def test_a_class_of_another_file_is_read_by_its_base() -> None:
    heir("nets/mushrooms.py", "base", "Classifier", "Mushrooms")
    assert found() == {"nets/mushrooms.py"}


def test_heirs_of_heirs_are_read_too() -> None:
    heir("mushrooms.py", "base", "Classifier", "Mushrooms")
    heir("trees.py", "mushrooms", "Mushrooms", "Trees")
    assert found() == {"mushrooms.py", "trees.py"}


def test_what_inherits_from_others_is_not() -> None:
    heir("mushrooms.py", "library", "OtherClassifier", "Mushrooms")
    assert not found()


def test_an_installed_package_is_left_out() -> None:
    heir("lib/site-packages/other/mushrooms.py", "base", "Classifier", "Mushrooms")
    assert not found()
