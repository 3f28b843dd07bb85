"""What a metric-backed value should have been, and what each known mistake would have logged.

Computed in the child, from the inputs that the tap recorded, because it takes the user's own metric
objects. Codes are those of the catalogue; the formulas stand beside them.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torchmetrics import Metric

from pl_lint.facts.events import LogEvent, Replay
from pl_lint.facts.torchmetrics import is_tracker
from pl_lint.runtime.watching.callsite import Way
from pl_lint.runtime.watching.logged.metrics import (
    History,
    MetricTap,
    Moment,
    Update,
    replay,
    scalar,
)

# Prefix sums of a long epoch cost the square of its batches; the formulas need a few batches only.
MOST_BATCHES_FOR_FORMULAS = 16


@dataclass(frozen=True)
class Logged:
    """A logged epoch value, the metric that made it, and the collection that it was logged
    through."""

    event: LogEvent
    metric: Metric | None
    via: int | None = None


def replays_of(
    tap: MetricTap,
    over: Moment,
    values: Mapping[str, float],
    logged: Sequence[Logged],
) -> Iterator[Replay]:
    """One replay for each epoch value that a metric made and that one number can say. ``over`` is
    the end of that epoch."""
    made_by = {each.event.name: each for each in logged if each.metric is not None}
    with tap.paused(), torch.random.fork_rng():
        for name, each in made_by.items():
            if name not in values:
                continue
            assert each.metric is not None
            history = tap.recorded(each.metric)
            found = history and _replay(history, each, over, values[name])
            if found:
                yield found


def _replay(history: History, logged: Logged, over: Moment, value: float) -> Replay | None:
    event = logged.event
    tracker = is_tracker(type(history.metric).__name__)
    belongs = _since_training_began if tracker else _of_this_epoch
    given = [update for update in history.updates if belongs(update, event, over)]
    updates = _counted_once(_through(given, logged.via))
    true = replay(history.metric, updates) if updates else _of_nothing(history)
    if true is None:
        return None
    averaging = {} if tracker else {**_averaging(history, updates), **_unweighted(history, updates)}
    operation, _, attribute = event.origin.partition(":")
    return Replay(
        name=event.name,
        stage=over.stage,
        epoch=over.epoch,
        metric=attribute,
        metric_class=type(history.metric).__name__,
        origin=operation,
        logged=value,
        true=true,
        formulas={
            **averaging,
            **_never_reset(history, updates, over),
            **_state(history, updates, over.stage),
            **({} if updates else {"LTN133": value}),
        },
        finite_inputs=all(map(_is_finite, updates)),
        mixed_scores=_has_mixed_scores(history.metric, updates, true),
        left_over=_planted_best(history, true),
        sizes=tuple(update.moment.samples for update in updates if update.moment.samples),
    )


def _through(updates: Sequence[Update], via: int | None) -> list[Update]:
    """What one collection gave to a metric that another one gives batches to as well."""
    mine = [update for update in updates if update.via == via]
    return mine if mine else list(updates)


def _counted_once(updates: Sequence[Update]) -> list[Update]:
    """Without the second ``update`` of a batch that is counted already: by ``forward``, or by
    another line that gives the same."""
    once: list[Update] = []
    for update in updates:
        if not any(map(update.repeats, once[-2:])):
            once.append(update)
    return _of_lines_that_differ(once)


def _of_lines_that_differ(updates: Sequence[Update]) -> list[Update]:
    """Without the calls that give in every batch what another one gave before."""
    by_way: dict[Way, list[Update]] = {}
    for update in updates:
        by_way.setdefault(update.way, []).append(update)
    kept: list[list[Update]] = []
    for given in by_way.values():
        if not any(_gives_again(given, earlier) for earlier in kept):
            kept.append(given)
    known = {id(update) for given in kept for update in given}
    return [update for update in updates if id(update) in known]


def _gives_again(given: Sequence[Update], earlier: Sequence[Update]) -> bool:
    """Whether one call gives nothing but what another one gave in the same batch, and by no chance:
    two heads that are right of the same samples give the same hits."""
    found = ((one, next(filter(one.is_like, earlier), None)) for one in given)
    pairs = [(one, other) for one, other in found if other is not None]
    anew = [one.anew(other) for one, other in pairs]
    if len(anew) < len(given) or all(t.numel() <= 1 for tensors in anew for t in tensors):
        return False
    columns = zip(*anew, strict=False)
    return all(len(torch.cat([t.flatten() for t in column]).unique()) > 2 for column in columns)


def _planted_best(history: History, true: float) -> float | None:
    """What a tracker would say, had the sanity check scored better than all that came after it;
    None where it does not hold the sanity check's score any more. How good an untrained module is
    on two batches is chance, and that its score is kept is none."""
    sign = {"MaxMetric": 1, "MinMetric": -1}.get(type(history.metric).__name__, 0)
    _, held = history.at_compute[-1] if history.at_compute else (None, ())
    if not sign or not math.isfinite(true) or not any(each.moment.sanity for each in held):
        return None
    best = torch.tensor(true + sign * (0.1 * abs(true) + 0.01))
    planted = [Update(u.moment, (best,), {}) if u.moment.sanity else u for u in held]
    return _value_held(history, planted)


def _of_nothing(history: History) -> float | None:
    """NaN, the metric of no data at all, where a metric was computed and never given anything."""
    own_state = bool(history.metric._defaults) and not list(history.metric.children())
    used = not history.updates and bool(history.at_compute)
    return math.nan if used and own_state else None


def _is_finite(update: Update) -> bool:
    given = (*update.arguments, *update.keywords.values())
    numbers = (each for each in given if isinstance(each, (float, torch.Tensor)))
    return all(bool(torch.isfinite(torch.as_tensor(each)).all()) for each in numbers)


_NORMALISED: Mapping[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "Binary": torch.sigmoid,
    "Multilabel": torch.sigmoid,
    "Multiclass": functools.partial(torch.softmax, dim=1),
}
"""What metrics of a kind make of the scores of a batch in which any is beyond [0, 1]: these are
taken for logits (``normalize_logits_if_needed`` in torchmetrics' ``utilities/compute.py``)."""


def _has_mixed_scores(metric: Metric, updates: Sequence[Update], true: float) -> bool:
    """Whether some batches were taken for logits and others for probabilities, and the metric says
    something else where all of them are taken for logits. Many do not: the largest logit of a
    sample is its largest probability."""
    kinds = (made for kind, made in _NORMALISED.items() if type(metric).__name__.startswith(kind))
    normalised = next(kinds, None)
    if normalised is None:
        return False
    given = [update for update in updates if _is_score(_scores(update))]
    inside = [bool(((_scores(u) >= 0) & (_scores(u) <= 1)).all()) for u in given]
    if len(given) < len(updates) or all(inside) or not any(inside):
        return False
    alike = [
        _with_scores(update, normalised(_scores(update))) if probable else update
        for update, probable in zip(given, inside, strict=True)
    ]
    value = _value_of(metric, alike)
    return value is not None and not math.isclose(value, true, rel_tol=1e-6, abs_tol=1e-7)


def _scores(update: Update) -> Any:
    return update.arguments[0] if update.arguments else update.keywords.get("preds")


def _with_scores(update: Update, scores: torch.Tensor) -> Update:
    if update.arguments:
        return replace(update, arguments=(scores, *update.arguments[1:]))
    return replace(update, keywords={**update.keywords, "preds": scores})


def _is_score(value: object) -> bool:
    return isinstance(value, torch.Tensor) and value.is_floating_point() and value.numel() > 0


def _since_training_began(update: Update, event: LogEvent, over: Moment) -> bool:
    """What a best-so-far tracker should have seen: all epochs of the stage, not the sanity
    check."""
    moment = update.moment
    return moment.stage == over.stage and moment.turn <= over.turn and not moment.sanity


def _of_this_epoch(update: Update, event: LogEvent, over: Moment) -> bool:
    moment = update.moment
    right_loader = "/dataloader_idx_" not in event.name or moment.dataloader == event.dataloader
    return moment.same_epoch(over) and right_loader


def _averaging(history: History, updates: Sequence[Update]) -> dict[str, float]:
    """What averaging the metric over batches would log.

    LTN101: Σ bᵢ·compute(batches 1…i) / Σ bᵢ, with whatever else the metric held when it was really
    computed.  LTN102: Σ bᵢ·metric(batch i) / Σ bᵢ.
    """
    weights = [update.moment.samples for update in updates]
    if not updates or len(updates) > MOST_BATCHES_FOR_FORMULAS or None in weights:
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
    if not numbers or len(numbers) != len(updates) or None in numbers:
        return {}
    return {"LTN218": sum(number or 0.0 for number in numbers) / len(numbers)}


def _is_one_number(update: Update) -> bool:
    return len(update.arguments) == 1 and not update.keywords


def _never_reset(history: History, updates: Sequence[Update], over: Moment) -> dict[str, float]:
    """LTN203: the metric of all epochs of its stage up to this one."""
    mine = [update for update in history.updates if update.moment.stage == over.stage]
    earlier = [update for update in mine if update.moment.turn < over.turn]
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
    return _value_of(history.metric, held)


def _value_of(metric: Metric, held: Sequence[Update]) -> float | None:
    """The metric of what it held; some metrics of nothing raise instead of giving a number."""
    try:
        return replay(metric, list(held))
    except (RuntimeError, ValueError, ZeroDivisionError):
        return None


def _why_different(
    history: History, held: Sequence[Update], updates: Sequence[Update], stage: str
) -> str:
    """The code of the mistake that left these inputs in the metric.

    LTN201: another stage's batches are in it (or its reset took ours away). LTN203: an earlier
    pass's. LTN212: those of another collection. LTN116: another dataloader's. LTN135: the same ones
    twice. LTN204: the sanity check's only. LTN134: some of ours were taken away too early.
    """
    foreign = [update for update in held if update not in updates]
    if any(update.moment.stage != stage for update in foreign):
        return "LTN201"
    if not foreign:
        shared = any(update.moment.stage != stage for update in history.updates)
        return "LTN201" if shared else "LTN134"
    unasked = [update for update in foreign if not update.moment.sanity]
    if not unasked:
        return "LTN204"
    turns = {update.moment.turn for update in updates}
    if any(update.moment.turn not in turns for update in unasked):
        return "LTN203"
    if any(update.via != updates[0].via for update in unasked if updates):
        return "LTN212"
    twice = all(any(u.repeats(one) or u.is_like(one) for one in updates) for u in unasked)
    return "LTN135" if twice else "LTN116"
