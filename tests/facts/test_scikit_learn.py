"""Which functions of scikit-learn may be averaged over batches.

The rows are measured where scikit-learn is installed, as in `make bench`: with it comes scipy,
which torchmetrics then loads, and all other tests would pay for that a hundred times.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import metric_measure as data
import pytest
import torch
from metric_measure import EXACT, Maker, Value

from pl_lint.facts import torchmetrics as facts
from pl_lint.facts.linear_table import SKLEARN_LINEAR, SKLEARN_UNLINEAR


@pytest.mark.parametrize(
    ("name", "arguments", "verdict"),
    [
        ("accuracy_score", {}, True),
        ("accuracy_score", {"normalize": False}, False),
        ("accuracy_score", {"sample_weight": [1.0, 2.0]}, None),
        ("f1_score", {}, False),
        ("f1_score", {"average": "macro"}, False),
        ("f1_score", {"average": "micro"}, None),
        ("roc_auc_score", {}, False),
        ("mean_squared_error", {"squared": False}, False),
        ("silhouette_score", {}, None),
    ],
)
def test_verdicts(name: str, arguments: dict[str, object], verdict: bool | None) -> None:
    assert facts.functional_linearity(f"sklearn.metrics.{name}", arguments) is verdict


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [*SKLEARN_LINEAR, *SKLEARN_UNLINEAR])
def test_rows_hold_for_the_installed_release(name: str) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    function = getattr(metrics, name)
    verdict = facts.functional_linearity(f"sklearn.metrics.{name}", {})
    found = list(
        data.gaps(_sklearn_value(name, function), SKLEARN_DATA.get(name, data.regression), 6)
    )
    finite = [gap for gap in found if not math.isnan(gap)]
    assert finite
    assert (max(finite) < EXACT) is verdict


SEVERAL = "precision_recall_fscore_support"
"""Gives precision, recall, F and counts at once; each of the three will do."""
_LABELLED = (
    *("accuracy_score", "zero_one_loss", "log_loss", "hamming_loss", "brier_score_loss"),
    *("top_k_accuracy_score", "f1_score", "precision_score", "recall_score", "jaccard_score"),
    *("balanced_accuracy_score", "roc_auc_score", "average_precision_score"),
    *("matthews_corrcoef", "cohen_kappa_score", SEVERAL),
)
SKLEARN_DATA: Mapping[str, Maker] = dict.fromkeys(_LABELLED, data.binary)
_SCORED = ("log_loss", "brier_score_loss", "roc_auc_score", "average_precision_score")


def _sklearn_value(name: str, function: Any) -> Value:
    def value(columns: Sequence[Any]) -> torch.Tensor:
        preds, target = (column.numpy() for column in columns)
        if SKLEARN_DATA.get(name) and name not in (*_SCORED, "top_k_accuracy_score"):
            preds = preds > 0.5
        labels = {"labels": [0, 1]} if name in ("log_loss", "top_k_accuracy_score") else {}
        extra = {"k": 1} if name == "top_k_accuracy_score" else {}
        if name == SEVERAL:
            return torch.tensor(float(function(target, preds, average="binary")[2]))
        return torch.tensor(float(function(target, preds, **labels, **extra)))

    return data.nan_if_impossible(value)
