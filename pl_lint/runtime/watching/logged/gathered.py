"""What a metric says of the inputs of all ranks together.

A metric object that synchronises as it should logs on every rank what one process would log that
had seen all batches. The inputs are tensors, so it is computed here, among the ranks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import distributed
from torchmetrics import Metric

from pl_lint.facts.events import EpochValues, LogEvent
from pl_lint.facts.ranks import Gathered
from pl_lint.facts.torchmetrics import is_tracker
from pl_lint.runtime.watching.logged.metrics import MetricTap, Update, replay
from pl_lint.runtime.watching.logged.recorder import Recorder

LARGEST = 16 * 2**20
"""Bytes of inputs that are worth sending around."""
STAGE = "train"
"""Values of evaluation are held against one process."""

Key = tuple[str, str, int]
"""Of a logged value: its name, stage and epoch."""


@dataclass
class RankRecorder(Recorder):
    """A recorder that keeps the metrics behind epoch values, to be asked when all is over.

    What one rank's inputs say is no truth here, so nothing is replayed meanwhile.
    """

    metrics: dict[Key, tuple[LogEvent, Metric]] = field(default_factory=dict)

    def close_epoch(self, stage: str, epoch: int, values: Mapping[str, Any], sanity: bool) -> None:
        mine = [each for each in self._epoch_events if each.event.stage == stage]
        self._epoch_events = [replace(each, metric=None) for each in self._epoch_events]
        super().close_epoch(stage, epoch, values, sanity)
        if stage == STAGE:
            self.metrics |= {
                (each.event.name, stage, epoch): (each.event, each.metric)
                for each in mine
                if each.metric is not None
                and _says_the_epoch(each.event)
                and not is_tracker(type(each.metric).__name__)
            }


def _says_the_epoch(event: LogEvent) -> bool:
    """Whether a value is meant to be the metric of all inputs: a result of ``compute`` that is
    averaged over batches never is."""
    operation = event.origin.partition(":")[0]
    return operation == "object" or (operation == "compute" and event.batch < 0)


def gathered(recorder: RankRecorder, tap: MetricTap) -> tuple[Gathered, ...]:
    """Every logged metric, replayed over the inputs of all ranks. All ranks must call this."""
    mine = {key: _inputs(tap, *pair, key) for key, pair in recorder.metrics.items()}
    offers: list[Any] = [None] * distributed.get_world_size()
    distributed.all_gather_object(offers, mine)
    found = []
    with tap.paused(), torch.random.fork_rng():
        for key, (_, metric) in recorder.metrics.items():
            inputs = [offer.get(key) for offer in offers]
            if all(inputs):
                found.append(_replayed(metric, key, inputs, recorder.epochs))
    return tuple(one for one in found if one is not None)


def _inputs(tap: MetricTap, event: LogEvent, metric: Metric, key: Key) -> list[Any] | None:
    """The updates of one epoch; None where they are too large, or of another loader."""
    _, stage, epoch = key
    updates = [
        (update.arguments, dict(update.keywords))
        for update in tap.history(metric).updates
        if (update.moment.stage, update.moment.epoch, update.moment.sanity) == (stage, epoch, False)
    ]
    several = "/dataloader_idx_" in event.name
    return None if several or _size(updates) > LARGEST else updates


def _size(value: Any) -> int:
    if isinstance(value, torch.Tensor):
        return value.numel() * value.element_size()
    if isinstance(value, dict):
        return _size(list(value.values()))
    return sum(map(_size, value)) if isinstance(value, (list, tuple)) else 8


def _replayed(
    metric: Metric, key: Key, inputs: Sequence[Any], epochs: Sequence[EpochValues]
) -> Gathered | None:
    name, stage, epoch = key
    seen = [one.values for one in epochs if (one.stage, one.epoch) == (stage, epoch)]
    if not seen or name not in seen[-1]:
        return None
    true = _value(metric, [update for rank in inputs for update in rank])
    parts = [_value(metric, rank) for rank in inputs]
    if true is None or None in parts:
        return None
    kind = type(metric).__name__
    known = tuple(part for part in parts if part is not None)
    return Gathered(name, stage, epoch, kind, seen[-1][name], true, known)


def _value(metric: Metric, inputs: Sequence[Any]) -> float | None:
    updates = [Update(None, arguments, keywords) for arguments, keywords in inputs]  # type: ignore[arg-type]
    return replay(metric, updates)
