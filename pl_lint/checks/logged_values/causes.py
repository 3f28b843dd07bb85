"""Why is a logged value not the truth? Each cause is a formula that reproduces the wrong number.

A cause is only named if its formula gives what was logged; that also tells two causes on one key
apart. The codes are those of the catalogue, and a page for each stands in ``docs/rules``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from pl_lint.checks.logged_values.cause import DECLARE, Cause, Moved
from pl_lint.checks.logged_values.sums import added_up, last_batch
from pl_lint.checks.values.numbers import same, shown, tolerance, weighted_mean
from pl_lint.facts.events import LogEvent, Replay
from pl_lint.facts.words import names_a_ratio

UNKNOWN = Cause(
    "LTN100",
    "no known mistake reproduces this number",
    "make it a property of the data set: accumulate sums over the epoch and divide once, or log a "
    "torchmetrics object; if it is meant to depend on the batch (a contrastive loss), declare it: "
    f"{DECLARE}",
)


def cause_of_moving(moved: Moved) -> Cause:
    """The first cause, from the most specific to the least, whose formula gives the logged
    value."""
    return next(_causes(moved), UNKNOWN)


def _causes(moved: Moved) -> Iterator[Cause]:
    operation, _, metric = (moved.events[0].origin if moved.events else "").partition(":")
    if moved.replay is not None and moved.replay.mixed_scores:
        yield from _mixed_scores(moved.replay, moved)
    if operation == "object":
        yield from _object_causes(moved, metric)
    if moved.steps:
        yield from _arithmetic_causes(moved)
        yield from _averaged_metric(moved, operation, metric)
    if moved.cut.training_submodules:
        yield left_in_training(moved.cut.training_submodules)
    if not moved.steps and moved.replay is None:
        yield from last_batch(moved)
    yield from added_up(moved)
    if moved.steps:
        yield from _averaged_values(moved)
    elif moved.ones is not None and same(moved.ones, moved.true, moved.close):
        yield _unweighted_mean()


def left_in_training(names: Sequence[str]) -> Cause:
    """Layers that make a value depend on chance or on the batch."""
    first = ", ".join(names[:3])
    return Cause(
        "LTN715",
        f"{len(names)} layers are in training mode while evaluating ({first})",
        "do not call self.train() in hooks; Lightning sets the mode",
    )


def _object_causes(moved: Moved, metric: str) -> Iterator[Cause]:
    unweighted = moved.replay.formulas.get("LTN218") if moved.replay is not None else None
    if unweighted is not None and same(unweighted, moved.logged, moved.close):
        yield from added_up(moved)  # if weighting by samples would not make it right
        yield Cause(
            "LTN218",
            "the unweighted mean of the batch means, in which a short batch counts as a full one, "
            f"is {shown(unweighted)}",
            f"give each batch its weight: self.{metric}.update(value, weight=batch_size)",
        )


def _mixed_scores(replay: Replay, moved: Moved) -> Iterator[Cause]:
    """The metric of all inputs, which took the scores of each batch for what they looked like."""
    if not same(replay.true, moved.logged, moved.close):
        return
    multiclass = replay.metric_class.startswith("Multiclass")
    probabilities = "torch.softmax(logits, 1)" if multiclass else "torch.sigmoid(logits)"
    yield Cause(
        "LTN205",
        "some batches hold scores between 0 and 1 only and are taken for probabilities, others are "
        "taken for logits",
        f"give the metric probabilities: {probabilities}",
    )


def _unweighted_mean() -> Cause:
    return Cause(
        "LTN218",
        "equal batches give the true value and uneven ones do not: the mean of batch means",
        "weight each batch by its number of samples, or collect samples instead of batch means",
    )


REDUCTIONS: Mapping[str, Callable[[list[float]], float]] = {"sum": sum, "min": min, "max": max}


def summed_means(reduction: str, values: list[float]) -> Cause:
    """The sum, minimum or maximum of what batches say on the average."""
    return Cause(
        "LTN121",
        f"the {reduction} of {len(values)} batch means is {shown(REDUCTIONS[reduction](values))}",
        "log sums and counts, or use the default reduce_fx='mean' with the right batch_size",
    )


def _arithmetic_causes(moved: Moved) -> Iterator[Cause]:
    """Mistakes in how the values of the batches were put together."""
    counted, used = moved.means()
    reduction = moved.events[0].reduce_fx
    reduced = REDUCTIONS.get(reduction)
    values = [event.value or 0.0 for event in moved.steps]
    if reduced is not None and same(reduced(values), moved.logged, moved.close):
        yield summed_means(reduction, values)
    if same(counted, moved.true, moved.close) and same(used, moved.logged, moved.close):
        yield _wrong_weight(moved)


def _averaged_values(moved: Moved) -> Iterator[Cause]:
    """Values of batches that are right by themselves and may not be averaged."""
    used, count = moved.means()[1], len(moved.steps)
    if not same(used, moved.logged, moved.close):
        return
    yield from _divided_again(moved)
    yield from _nothing_counted(moved)
    place = _normaliser(moved)
    if place and names_a_ratio(moved.name):
        yield Cause(
            "LTN103",
            f"a ratio inside each batch (divided at {place}), averaged over {count} batches",
            "log a torchmetrics object, or add up what is divided over the epoch and divide once",
        )
    if place:
        yield Cause(
            "LTN105",
            f"a ratio inside each batch (divided at {place}), averaged by the number of samples",
            "to be exact, log it with batch_size= set to what it is divided by",
            counts=False,
        )
    if same(sum(event.value or 0.0 for event in moved.steps), moved.true, moved.close):
        yield Cause(
            "LTN103",
            f"a sum over the samples of each batch, averaged over {count} batches",
            "log the mean over the samples of the batch",
        )
    if all(map(_is_mean, moved.steps)):
        yield _of_means(count)
    yield Cause(
        "LTN103",
        f"the mean of {count} per-batch values, weighted by batch size, is {shown(used)}",
        "log a torchmetrics object, or accumulate over the epoch and compute once at its end; if "
        f"it is meant to compare the samples of a batch (contrastive), declare it: {DECLARE}",
    )


DIVIDED = "is divided by the size of the batch"
"""A mistake that is surely one, whatever else moves the value a little."""


def _divided_again(moved: Moved) -> Iterator[Cause]:
    """A mean over the batch that is divided by its size once more: times its size it is the same in
    every cut. Outputs that depend a little on their batch hide less than a hundredth of that."""
    count = sum(moved.whole.batching.sizes)
    if len(moved.whole.batching.sizes) != 1 or len(moved.cut.batching.sizes) < 2:
        return
    values = [(event.value or 0.0) * (event.samples or 0) for event in moved.steps]
    mean = weighted_mean(values, [event.samples or 0 for event in moved.steps])
    close = count * max(abs(moved.logged - moved.true) / 100, tolerance(moved.true))
    alone = mean if moved.ones is None else moved.ones
    if all(same(value, moved.true * count, close) for value in (mean, alone)):
        yield Cause(
            "LTN103",
            f"the value of each batch {DIVIDED}: times its size it is {shown(mean)} on the "
            f"average, and {shown(moved.true * count)} for all {count} samples in one batch",
            "leave the division out where the loss is a mean already (reduction='mean'), or divide "
            "a sum over the samples once",
        )


def _is_mean(event: LogEvent) -> bool:
    """Of a single sample each operation gives one number, not only a mean."""
    return event.reductions == ("mean",) or (event.samples == 1 and "mean" in event.reductions)


def _of_means(count: int) -> Cause:
    """Means may be averaged: no function that is none has been computed here."""
    return Cause(
        UNKNOWN.code,
        f"it is the mean of the means that {count} batches log, and what goes into those is other "
        "in other batches",
        "let each sample be judged by itself: no operation over dimension 0, nothing that is kept "
        "from batch to batch, padding masked; if it is meant to compare the samples of a batch "
        f"(contrastive), declare it: {DECLARE}",
    )


def _nothing_counted(moved: Moved) -> Iterator[Cause]:
    """Batches in which a mask leaves nothing, logged as 0 instead of not at all."""
    counting = [event for event in moved.steps if event.value != 0.0]
    empty = len(moved.steps) - len(counting)
    values = [event.value or 0.0 for event in counting]
    weights = [event.weight or 0.0 for event in counting]
    if empty and same(weighted_mean(values, weights), moved.true, moved.close):
        yield Cause(
            "LTN105",
            f"{empty} batches in which nothing was counted are in the mean, as 0",
            "do not log a batch in which nothing is counted",
            counts=False,
        )


def _wrong_weight(moved: Moved) -> Cause:
    used = [f"{event.weight:g}" for event in moved.steps[-3:]]
    counted = [str(event.samples) for event in moved.steps[-3:]]
    return Cause(
        "LTN104",
        f"the last batches have {', '.join(counted)} samples, and Lightning gave them the weights "
        f"{', '.join(used)}",
        "pass batch_size= to self.log: the number of samples in this batch",
    )


def _averaged_metric(moved: Moved, operation: str, metric: str) -> Iterator[Cause]:
    if not same(moved.means()[1], moved.logged, moved.close):
        return
    count, value = len(moved.steps), shown(moved.means()[1])
    remedy = f"log the metric object: self.log({moved.name!r}, self.{metric})"
    if operation.startswith("compute"):
        formula = (
            f"the mean of {count} running compute() values, weighted by batch size, is {value}"
        )
        yield Cause("LTN101", formula, remedy)
    if operation.startswith("forward"):
        code = "LTN213" if operation == "forward-dict" else "LTN102"
        formula = f"the mean of {count} single-batch metrics, weighted by batch size, is {value}"
        yield Cause(code, formula, remedy)


def _normaliser(moved: Moved) -> str:
    """The place that divides, if weighting by what it divides by gives the true value."""
    places = set.intersection(*(set(event.normalisers) for event in moved.steps))
    for place in sorted(places):
        divisors = [event.normalisers[place] for event in moved.steps]
        values = [event.value or 0.0 for event in moved.steps]
        if same(weighted_mean(values, divisors), moved.true, moved.close):
            return place
    return ""


def cause_in_replay(replay: Replay) -> Cause:
    """Why a metric's logged value is not the metric of its own epoch's inputs."""
    if "LTN133" in replay.formulas:
        return _NEVER_GIVEN
    close = min(tolerance(replay.true) * 5, abs(replay.logged - replay.true) / 10)
    for code, (formula, remedy) in _REPLAY_CAUSES.items():
        value = replay.formulas.get(code)
        if value is not None and same(value, replay.logged, close):
            member = code == "LTN102" and replay.origin == "forward-dict"
            return Cause(
                "LTN213" if member else code,
                f"{formula} gives {shown(value)}",
                remedy.format(metric=replay.metric, name=replay.name),
            )
    return UNKNOWN


_NEVER_GIVEN = Cause(
    "LTN133",
    "the metric object was logged and never given a batch",
    "call its update in the step: self.log does not do it",
)

_REPLAY_CAUSES = {
    "LTN201": (
        "the metric with another stage's batches in it (or its own taken away by their reset)",
        "give each stage its own metric object",
    ),
    "LTN204": (
        "the metric with the batches of the sanity check still in it",
        "call self.{metric}.reset() in on_train_start",
    ),
    "LTN116": (
        "the metric with the batches of another dataloader in it",
        "keep one metric object for each dataloader",
    ),
    "LTN212": (
        "the metric with the batches of another collection in it, which holds the same object,",
        "build each collection from metrics of its own: collection.clone(prefix=...)",
    ),
    "LTN135": (
        "the metric with its batches counted twice",
        "give self.{metric} each batch once: self.{metric}(...) or self.{metric}.update(...), in "
        "one place and by one name",
    ),
    "LTN134": (
        "the metric with a part of its batches only, because it was reset before it was read,",
        "leave the reset to Lightning where the object is logged, or call it right after compute()",
    ),
    "LTN203": (
        "the metric with the batches of earlier epochs still in it",
        "call self.{metric}.reset() after compute(), or log the object and let Lightning reset it",
    ),
    "LTN101": (
        "the mean of the running compute() values, weighted by batch size,",
        "log the metric object: self.log({name!r}, self.{metric})",
    ),
    "LTN102": (
        "the mean of the single-batch metrics, weighted by batch size,",
        "log the metric object: self.log({name!r}, self.{metric})",
    ),
}
