"""Small projects for the tests of the reader's doors."""

from __future__ import annotations

from pathlib import Path

SICK = """\
import lightning as L
from torchmetrics import F1Score


class LitClassifier(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.f1 = F1Score(task="binary")

    def validation_step(self, batch, batch_idx):
        x, y = batch
        self.f1.update(self(x), y)
        self.log("val/f1", self.f1.compute(), on_epoch=True)
"""
SICK_LINE = 13
HEALTHY = SICK.replace("self.f1.compute()", "self.f1")
PLAIN = "print('no training here')\n"


def plant(folder: Path, **files: str) -> Path:
    """Writes ``name="text"`` as ``name.py``."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    return folder
