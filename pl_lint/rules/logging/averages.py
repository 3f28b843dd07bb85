"""What is averaged over the batches of an epoch."""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.facts.origins import (
    NO_ORIGIN,
    Derived,
    Either,
    ListOfSteps,
    MetricCompute,
    MetricObject,
    Number,
    Origin,
    parts,
)
from pl_lint.facts.sites import ClassFacts, HeldSite, LogSite, MetricSite, MetricUse
from pl_lint.facts.values import must_be
from pl_lint.rules.judging import averaged
from pl_lint.rules.metrics.judging import FILLS


def averaged_value(owner: ClassFacts, log: LogSite) -> Origin:
    """The batch's value of which an epoch's mean is logged: by Lightning, or by the end of the
    epoch from what the steps have left, or by a MeanMetric. Nothing where no mean is seen."""
    metric = _mean_that_is_logged(owner, log)
    if metric is not None:
        return _any_of(tuple(_what_fills(owner, metric)))
    if averaged(log):
        return log.origin
    held = mean_of_list(log.origin) if log.hook.endswith("_epoch_end") else None
    left = what_steps_left(owner, log, held) if held is not None else []
    looped = any(one.looped for one in left)
    return NO_ORIGIN if looped else _any_of(tuple(one.origin for one in left))


def _any_of(values: tuple[Origin, ...]) -> Origin:
    distinct = tuple(dict.fromkeys(values)) or (NO_ORIGIN,)
    return distinct[0] if len(distinct) == 1 else Either(distinct)


def _mean_that_is_logged(owner: ClassFacts, log: LogSite) -> MetricSite | None:
    """The MeanMetric whose value over an epoch is logged: as an object, or computed at its end."""
    match log.origin:
        case MetricObject(path) if must_be(log.on_epoch, True):
            metric = owner.metric(path)
        case MetricCompute(path) if log.hook.endswith("_epoch_end"):
            metric = owner.metric(path)
        case _:
            return None
    return metric if metric is not None and metric.class_name == "MeanMetric" else None


def _what_fills(owner: ClassFacts, metric: MetricSite) -> Iterator[Origin]:
    """What the steps give a MeanMetric, if each gives it one value of its batch, and none empties
    it for its own."""
    uses = owner.uses_of(metric.path)
    filling = [one for one in uses if one.use in FILLS]
    emptied = {one.hook for one in uses if one.use == "reset"}
    single = all(one.hook.endswith("_step") and one.certain and not one.looped for one in filling)
    if single and emptied.isdisjoint(one.hook for one in filling):
        yield from (one.given[0][2] for one in filling if one.given and not _may_be_of_each(one))


def _may_be_of_each(use: MetricUse) -> bool:
    """Whether a MeanMetric may be given one value for each sample: a list, or the distances that a
    root makes of a tensor."""
    made = [one for one in parts(use.given[0][2]) if isinstance(one, Derived)]
    return any(one.operation in ("sequence", "sqrt", "exp") for one in made)


def mean_of_list(origin: Origin) -> ListOfSteps | None:
    """The list, or the items of its dicts, that a value is the plain mean of; not where it is the
    mean of all that ``torch.cat`` makes of it, in which each sample has the same weight."""
    if isinstance(origin, Either):  # ``mean(scores) if scores else 0``
        means = [one for one in origin.options if not isinstance(one, Number)]
        return mean_of_list(means[0]) if len(means) == 1 else None
    if not isinstance(origin, Derived) or origin.operation != "mean":
        return None
    if any(isinstance(part, Derived) and part.operation == "joined" for part in parts(origin)):
        return None
    lists = {part for part in parts(origin) if isinstance(part, ListOfSteps)}
    return lists.pop() if len(lists) == 1 else None


def what_steps_left(owner: ClassFacts, log: LogSite, held: ListOfSteps) -> list[HeldSite]:
    """What was appended to the list; Lightning 1 hands what a step returned to the end of its
    epoch."""
    appended = [one for one in owner.held if one.attribute == held.attribute]
    if not appended and not log.hook.startswith("on_"):
        step = log.hook.removesuffix("_epoch_end") + "_step"
        appended = [one for one in owner.held if not one.attribute and one.hook == step]
    return [one for one in appended if one.key == held.key]
