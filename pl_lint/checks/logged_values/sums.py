"""Values that a module adds up itself, in lists, numbers or metrics, and how they went wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from pl_lint.checks.logged_values.cause import DECLARE, Cause, Moved
from pl_lint.checks.values.numbers import same, shown, weighted_mean
from pl_lint.facts.events import Accumulator

# The relative distance between a number and its neighbour.
SPACING: Mapping[str, float] = {"bfloat16": 2.0**-7, "float16": 2.0**-10}


def added_up(moved: Moved) -> Iterator[Cause]:
    """What each batch gave to a sum or a list tells how the logged value was made of it."""
    sizes = moved.cut.batching.sizes
    for kept in sorted(moved.cut.accumulators, key=lambda kept: not _is_named_like(kept, moved)):
        complete = len(kept.values) == len(sizes) > 1 and kept.dtype not in SPACING
        if complete and not _is_of_another(kept, moved):
            yield from _mean_of(kept, moved)
    yield from _rounded(moved)


def last_batch(moved: Moved) -> Iterator[Cause]:
    """What each batch overwrites, and the end of the epoch logs: the last batch's alone.

    Two things tell it from a sum or a running mean. What the attribute held after each batch gives
    the truth if all of it counts; or the last sample makes the same number after all the others in
    one batch as after each of them in one of its own.
    """
    alone = moved.ones is not None and moved.but_one is not None
    steady = alone and same(moved.ones or 0.0, moved.but_one or 0.0, moved.close)
    told = steady and not same(moved.ones or 0.0, moved.true, moved.close)
    sizes = moved.cut.batching.sizes
    for kept in sorted(moved.cut.accumulators, key=lambda kept: not _is_named_like(kept, moved)):
        if kept.is_list or len(kept.values) != len(sizes) or len(sizes) < 2:
            continue
        mean = weighted_mean(kept.values, sizes)
        if same(kept.values[-1], moved.logged, moved.close) and (
            told or same(mean, moved.true, moved.close)
        ):
            yield Cause(
                "LTN112",
                f"self.{kept.name} holds the value of the last of {len(sizes)} batches alone, "
                f"{shown(moved.logged)}",
                "log it in the step, where Lightning averages it: self.log('KEY', ..., "
                "on_epoch=True)",
            )


def _is_of_another(kept: Accumulator, moved: Moved) -> bool:
    """Whether it is the state of an object (``accuracy.tp``) that is not the one which is logged:
    small counts make many a number by chance."""
    owner, dot, _ = kept.name.rpartition(".")
    logged = {event.origin.rpartition(":")[2] for event in moved.events}
    return bool(dot) and owner not in logged and not _is_named_like(kept, moved)


def _is_named_like(kept: Accumulator, moved: Moved) -> bool:
    """Of two lists with equal numbers, the one of ``val_loss`` is the one with 'loss' in it."""
    return any(word in kept.name for word in re.split(r"[/_]", moved.name)[1:])


def _mean_of(kept: Accumulator, moved: Moved) -> Iterator[Cause]:
    sizes, given = moved.cut.batching.sizes, kept.given
    plain, weighted = sum(given) / len(given), weighted_mean(given, sizes)
    where = f"{len(given)} batch values in self.{kept.name}"
    if same(plain, moved.logged, moved.close) and same(weighted, moved.true, moved.close):
        yield Cause(
            "LTN218",
            f"the plain mean of {where}, in which a short batch counts as a full one, is "
            f"{shown(plain)}; weighted by samples it is {shown(weighted)}",
            "weight each batch by its number of samples, or collect samples instead of batch means",
        )
    averages = (plain, weighted, sum(given) / sum(sizes))
    if any(same(average, moved.logged, moved.close) for average in averages):
        yield Cause(
            "LTN103",
            f"the mean of {where} is {shown(moved.logged)}; weighted by samples it is "
            f"{shown(weighted)}, which is not the truth either",
            "collect predictions and targets, or update a torchmetrics object, and compute once; "
            "of a mean over something else (tokens, say) weight each batch by how many it has; "
            f"if it is meant to compare the samples of a batch, declare it: {DECLARE}",
        )


def half_sums(moved: Moved) -> list[Accumulator]:
    """What is added up in half precision."""
    return [kept for kept in moved.cut.accumulators if kept.dtype in SPACING]


def _rounded(moved: Moved) -> Iterator[Cause]:
    """A sum in half precision loses a part of each batch that is added to it."""
    for kept in half_sums(moved):
        lost = len(kept.values) * SPACING[kept.dtype] * max(abs(moved.true), abs(moved.logged))
        if abs(moved.logged - moved.true) <= lost:
            in_metric = "." in kept.name
            yield Cause(
                "LTN209" if in_metric else "LTN210",
                f"self.{kept.name} adds {len(kept.values)} batches up in {kept.dtype}, which may "
                f"lose {shown(lost)}",
                "keep sums and counts in float32 or int64, whatever the precision of the model",
            )
