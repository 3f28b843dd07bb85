"""What Lightning is spared in runs changes nothing of what it logs."""

from __future__ import annotations

import pytest
import torch
from lightning.pytorch.trainer.connectors.logger_connector import result
from torchmetrics import MeanMetric, Metric

from pl_lint.runtime.programs.external import without_needless_work


def logged(*values: torch.Tensor | Metric) -> result._ResultMetric:
    """What Lightning holds of a key to which these were logged."""
    results = result._ResultCollection(training=False)
    with without_needless_work():
        for value in values:
            results.log("validation_step", "loss", value, on_epoch=True, batch_size=2)
    return results["validation_step.loss"]


def test_what_is_where_it_has_to_be_is_not_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    moved: list[str] = []
    original = result.move_data_to_device
    monkeypatch.setattr(
        result, "move_data_to_device", lambda *to: moved.append("once more") or original(*to)
    )
    held = logged(torch.tensor(1.0), torch.tensor(3.0))
    assert not moved
    assert held.value / held.cumulated_batch_size == 2.0


def test_what_is_elsewhere_is_moved() -> None:
    held = logged(torch.tensor(1.0), torch.tensor(3.0, device="meta"))
    assert (held.value.device.type, held.cumulated_batch_size.device.type) == ("meta", "meta")


def test_a_metric_one_of_whose_states_is_elsewhere_is_moved() -> None:
    metric = MeanMetric()
    metric.update(1.0)
    metric.mean_value = metric.mean_value.to("meta")
    with pytest.raises(NotImplementedError, match="meta tensor"):  # nobody can bring it back
        logged(metric, metric)
