"""What a metric-backed value should have been, and what each known mistake would have logged.

Computed in the child, from the inputs that the tap recorded, because it takes the user's own metric
objects. Codes are those of the catalogue; the formulas stand beside them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import torch
from torchmetrics import Metric

from pl_lint.facts.events import LogEvent, Replay
from pl_lint.facts.torchmetrics import is_tracker
from pl_lint.runtime.watching.metrics import History, MetricTap, Update, replay, scalar

# Prefix sums of a long epoch cost the square of its batches; the formulas need a few batches only.
MOST_BATCHES_FOR_FORMULAS = 16


def replays_of(
    tap: MetricTap,
    stage: str,
    epoch: int,
    values: Mapping[str, float],
    events: Sequence[tuple[LogEvent, Metric | None]],
) -> Iterator[Replay]:
    """One replay for each epoch value that a metric made and that one number can say."""
    made_by = {event.name: (event, metric) for event, metric in events if metric is not None}
    with tap.paused(), torch.random.fork_rng():
        for name, (event, metric) in made_by.items():
            if name not in values:
                continue
            found = _replay(tap.history(metric), event, stage, epoch, values[name])
            if found is not None:
                yield found


def _replay(
    history: History, event: LogEvent, stage: str, epoch: int, logged: float
) -> Replay | None:
    tracker = is_tracker(type(history.metric).__name__)
    belongs = _since_training_began if tracker else _of_this_epoch
    updates = [update for update in history.updates if belongs(update, event, stage, epoch)]
    true = replay(history.metric, updates) if updates else None
    if true is None:
        return None
    averaging = {} if tracker else {**_averaging(history, updates), **_unweighted(history, updates)}
    operation, _, attribute = event.origin.partition(":")
    return Replay(
        name=event.name,
        stage=stage,
        epoch=epoch,
        metric=attribute,
        metric_class=type(history.metric).__name__,
        origin=operation,
        logged=logged,
        true=true,
        formulas={
            **averaging,
            **_never_reset(history, updates, stage, epoch),
            **_state(history, updates, stage),
        },
    )


def _since_training_began(update: Update, event: LogEvent, stage: str, epoch: int) -> bool:
    """What a best-so-far tracker should have seen: all epochs of the stage, not the sanity
    check."""
    moment = update.moment
    return moment.stage == stage and moment.epoch <= epoch and not moment.sanity


def _of_this_epoch(update: Update, event: LogEvent, stage: str, epoch: int) -> bool:
    moment = update.moment
    right_loader = "/dataloader_idx_" not in event.name or moment.dataloader == event.dataloader
    return (moment.stage, moment.epoch, moment.sanity) == (stage, epoch, False) and right_loader


def _averaging(history: History, updates: Sequence[Update]) -> dict[str, float]:
    """What averaging the metric over batches would log.

    LTN101: Σ bᵢ·compute(batches 1…i) / Σ bᵢ, with whatever else the metric held when it was really
    computed.  LTN102: Σ bᵢ·metric(batch i) / Σ bᵢ.
    """
    weights = [update.moment.samples for update in updates]
    if len(updates) > MOST_BATCHES_FOR_FORMULAS or None in weights:
        return {}
    held = dict(history.at_compute)
    running = [
        replay(history.metric, held.get(update.moment, updates[: i + 1]))
        for i, update in enumerate(updates)
    ]
    single = [replay(history.metric, [update]) for update in updates]
    return {"LTN101": _mean(running, weights), "LTN102": _mean(single, weights)}


def _unweighted(history: History, updates: Sequence[Update]) -> dict[str, float]:
    """LTN218: what a MeanMetric says that was given one number for each batch and no weight."""
    if type(history.metric).__name__ != "MeanMetric":
        return {}
    numbers = [scalar(update.arguments[0]) for update in updates if _is_one_number(update)]
    if len(numbers) != len(updates) or None in numbers:
        return {}
    return {"LTN218": sum(number or 0.0 for number in numbers) / len(numbers)}


def _is_one_number(update: Update) -> bool:
    return len(update.arguments) == 1 and not update.keywords


def _never_reset(
    history: History, updates: Sequence[Update], stage: str, epoch: int
) -> dict[str, float]:
    """LTN203: the metric of all epochs of its stage up to this one."""
    earlier = [u for u in history.updates if u.moment.stage == stage and u.moment.epoch < epoch]
    value = _value_held(history, [*earlier, *updates]) if earlier else None
    return {} if value is None else {"LTN203": value}


def _mean(values: Iterable[float | None], weights: Sequence[int | None]) -> float:
    pairs = [(v, w) for v, w in zip(values, weights, strict=True) if v is not None and w]
    return sum(v * w for v, w in pairs) / sum(w for _, w in pairs)


def _state(history: History, updates: Sequence[Update], stage: str) -> dict[str, float]:
    """What the metric says of the inputs that it really held when it was last computed."""
    if not history.at_compute:
        return {}
    _, held = history.at_compute[-1]
    if list(held) == list(updates):
        return {}
    value = _value_held(history, held)
    code = _why_different(history, held, updates, stage)
    return {} if value is None or not code else {code: value}


def _value_held(history: History, held: Sequence[Update]) -> float | None:
    """The metric of what it held; some metrics of nothing raise instead of giving a number."""
    try:
        return replay(history.metric, held)
    except (RuntimeError, ValueError, ZeroDivisionError):
        return None


def _why_different(
    history: History, held: Sequence[Update], updates: Sequence[Update], stage: str
) -> str:
    """The code of the mistake that left these inputs in the metric.

    LTN201: another stage's batches are in it (or its reset took ours away). LTN203: an earlier
    pass's. LTN116: another dataloader's. LTN204: the sanity check's only.
    """
    foreign = [update for update in held if update not in updates]
    if any(update.moment.stage != stage for update in foreign):
        return "LTN201"
    if not foreign:  # ours were taken away: by another stage's reset, or by a reset of our own
        shared = any(update.moment.stage != stage for update in history.updates)
        return "LTN201" if shared else ""
    epochs = {update.moment.epoch for update in updates}
    unasked = [update for update in foreign if not update.moment.sanity]
    if any(update.moment.epoch not in epochs for update in unasked):
        return "LTN203"
    return "LTN116" if unasked else "LTN204"
