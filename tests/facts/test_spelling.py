"""Which logged key was meant."""

from __future__ import annotations

import pytest

from pl_lint.facts.spelling import nearest_key


@pytest.mark.parametrize(
    ("key", "logged", "meant"),
    [
        ("val_loss", ["train_loss", "val/loss"], "val/loss"),
        ("val_acc", ["val_accuracy", "val_loss"], "val_accuracy"),
        ("val_loss", ["valid_loss", "valid_f1"], "valid_loss"),
        ("val_lss", ["val_loss"], "val_loss"),
        ("valid_auc", ["val_auroc"], "val_auroc"),
        ("valid_loss", ["valid_coef", "valid_f1"], None),
        ("val_mse", ["val_mae"], None),
        ("val_loss", [], None),
    ],
)
def test_a_key_is_near_that_measures_the_same(
    key: str, logged: list[str], meant: str | None
) -> None:
    assert nearest_key(key, logged) == meant
