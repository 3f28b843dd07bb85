"""Fixes of log calls: the object in place of its value, and other arguments."""

from __future__ import annotations

from collections.abc import Callable

from pl_lint.facts import torchmetrics
from pl_lint.facts.origins import MetricCompute, MetricForward
from pl_lint.facts.sites import ClassFacts, LogSite, MetricSite, ProjectFacts
from pl_lint.facts.values import Known, must_be
from pl_lint.fixes import Applicability, Argument, DropArgument, Fix, PutObject, SetArgument
from pl_lint.rules.metrics.judging import FILLS, is_single_number
from pl_lint.rules.wording import attribute_text

POSITIONS = {"on_step": 4, "on_epoch": 5, "reduce_fx": 6, "sync_dist": 8}
"""Of ``self.log``; ``self.log_dict`` has one argument less before them."""


def set_flags(log: LogSite, **flags: str) -> tuple[SetArgument, ...]:
    """Flags of a log call, wherever they stand in it."""
    shift = 0 if log.call == "log" else 1
    return tuple(
        SetArgument(log.location, name, text, POSITIONS[name] - shift)
        for name, text in flags.items()
    )


def drop_flags(log: LogSite, *names: str) -> tuple[DropArgument, ...]:
    return tuple(DropArgument(log.location, name) for name in names)


def always(facts: ProjectFacts, log: LogSite, fits: Callable[[LogSite], bool]) -> bool:
    """Whether every way to reach a log call fits: a helper logs for several hooks."""
    return all(
        fits(other)
        for owner in facts.classes
        for other in owner.logs
        if other.location == log.location
    )


# --- the object -----------------------------------------------------------------------------------


def log_object(
    facts: ProjectFacts, owner: ClassFacts, log: LogSite, metric: MetricSite
) -> Fix | None:
    """The metric itself is logged, where Lightning then computes and resets what the code meant.

    The text decides what is replaced: a call of this very object, or a name that stands for one.
    """
    method = "compute" if isinstance(log.origin, MetricCompute) else ""
    if not isinstance(log.origin, (MetricCompute, MetricForward)) or (log.via and metric.container):
        return None
    if owner.kind != "module":
        return None  # Lightning looks for the metric among the attributes of the module
    if not _can_be_logged(owner, log, metric):
        return None
    target = attribute_text(metric.path)
    value = _logged_value(log, metric)
    if value is None:
        return None
    kind = Applicability.SAFE if _is_plain(facts, owner, log, metric) else Applicability.UNSAFE
    return Fix(f"log {target} itself", (PutObject(value, target, method),), kind)


def _logged_value(log: LogSite, metric: MetricSite) -> Argument | None:
    if log.call == "log":
        return Argument(log.location, "value", 1)
    if torchmetrics.is_collection(metric.name):
        return Argument(log.location, "dictionary", 0)
    key = log.key.value if isinstance(log.key, Known) else None
    return Argument(log.location, "dictionary", 0, key) if isinstance(key, str) else None


def _can_be_logged(owner: ClassFacts, log: LogSite, metric: MetricSite) -> bool:
    """Whether Lightning finds the metric, and nothing else empties or fills it meanwhile."""
    library = torchmetrics.is_metric_class(metric.name) or torchmetrics.is_collection(metric.name)
    if metric.hook != "__init__" or metric.path.startswith("<") or not library:
        return False
    head = metric.path.partition("[")[0]
    if any(held.attribute == head and not held.maker for held in owner.containers):
        return False  # LTN202 speaks of that
    uses = owner.uses_of(metric.path)
    emptied = any(use.use == "reset" and not use.hook.endswith("_start") for use in uses)
    shared = is_filled_by_several(owner, metric.path)  # LTN201 speaks of that
    no_value = has_no_step_value(owner, log, metric.path)  # LTN132 would
    if False in _single_numbers(owner, metric):
        return False  # LTN124 would speak of it
    hook = next((one for one in owner.own_methods if one.name == log.hook), None)
    several = hook is not None and "dataloader_idx" in hook.parameters
    return not (emptied or shared or no_value or several) and must_be(log.rank_zero_only, False)


def is_filled_by_several(owner: ClassFacts, path: str) -> bool:
    """Whether training and another stage fill one metric: the object would count both together."""
    fills = (use for use in owner.uses_of(path) if use.use in FILLS)
    stages = {use.stage for use in fills if use.stage}
    return "train" in stages and len(stages) > 1


def has_no_step_value(owner: ClassFacts, log: LogSite, path: str) -> bool:
    """Whether the object is to be logged for each step, and nothing computes its value there."""
    ways = {use.use for use in owner.uses_of(path) if use.use in FILLS}
    return ways == {"update"} and not must_be(log.on_step, False)


def _single_numbers(owner: ClassFacts, metric: MetricSite) -> list[bool | None]:
    """Whether the value, or each that a collection holds, is one number."""
    known = [is_single_number(one) for one in held_by(owner, metric)]
    return known if metric.whole else [*known, None]


def held_by(owner: ClassFacts, metric: MetricSite) -> list[MetricSite]:
    """The metrics in a collection, as far as they are seen; else the metric itself."""
    if not torchmetrics.is_collection(metric.name):
        return [metric]
    held = (owner.metric(path) for path in metric.members)
    return [one for one in held if one is not None]


def _is_plain(facts: ProjectFacts, owner: ClassFacts, log: LogSite, metric: MetricSite) -> bool:
    """Whether no condition and no other class decides what is logged there, and all of it is single
    numbers."""
    if not all(_single_numbers(owner, metric)):
        return False
    filled = any(use.use in FILLS for use in owner.uses_of(metric.path))
    same = always(facts, log, lambda other: other.origin == log.origin or other.key != log.key)
    return filled and same and not log.guards and not log.via and not owner.open
