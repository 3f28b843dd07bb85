"""What a number that is made of a batch stands for: the mean over it, or something else."""

from __future__ import annotations

import ast

import pytest

from pl_lint.config import Config
from pl_lint.static.project import gather
from pl_lint.static.sources import SourceFile
from pl_lint.static.suppressions import Suppressions

MODEL = """
import torch
import torch.nn.functional as F
import pytorch_lightning as pl

class Model(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.huber = torch.nn.HuberLoss()
        self.chosen = torch.nn.MSELoss(reduction=self.hparams.reduction)
        self.kept = []

    def _helped(self, x, y):
        return F.l1_loss(x, y).detach()

    def validation_step(self, batch, batch_idx):
        x, y = batch
        self.kept.append({})
"""


def extent(added: str) -> str:
    text = MODEL.format(added)
    source = SourceFile("model.py", text, ast.parse(text), Suppressions(text))
    (owner,) = gather([source], Config(), frozenset()).classes
    (held,) = owner.held
    return held.extent


@pytest.mark.parametrize(
    ("added", "expected"),
    [
        ("F.cross_entropy(x, y)", "mean"),
        ("F.kl_div(x, y, reduction='batchmean')", "mean"),
        ("self.huber(x, y).item()", "mean"),
        ("self._helped(x, y)", "mean"),
        ("torch.mean(x - y)", "mean"),
        ("(x - y).abs().mean() / 2 + self.huber(x, y)", "mean"),
        ("self.huber(x, y) if self.strict else self._helped(x, y)", "mean"),
        ("(x - y).mean(1)", "other"),
        ("torch.mean(x, dim=1)", "other"),
        ("F.mse_loss(x, y, reduction='none')", "other"),
        ("F.mse_loss(x, y, reduction='sum')", "other"),
        ("(x - y).abs().sum()", "other"),
        ("self.huber(x, y) * len(x)", "other"),
        ("self.chosen(x, y)", ""),
        ("F.mse_loss(x, y, reduce=self.reduces)", ""),
        ("2 / self.huber(x, y)", ""),
        ("self.criterion(x, y)", ""),
    ],
)
def test_by_what_a_value_is_made_of(added: str, expected: str):
    assert extent(added) == expected
