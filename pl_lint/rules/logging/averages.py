"""What is averaged over the batches of an epoch."""

from __future__ import annotations

from pl_lint.facts.origins import NO_ORIGIN, Derived, Either, ListOfSteps, Number, Origin, parts
from pl_lint.facts.sites import ClassFacts, HeldSite, LogSite
from pl_lint.rules.judging import averaged


def averaged_value(owner: ClassFacts, log: LogSite) -> Origin:
    """The batch's value of which an epoch's mean is logged: by Lightning, or by the end of the
    epoch from what the steps have left. Nothing where no mean is seen."""
    if averaged(log):
        return log.origin
    held = mean_of_list(log.origin) if log.hook.endswith("_epoch_end") else None
    left = what_steps_left(owner, log, held) if held is not None else []
    values = tuple(dict.fromkeys(one.origin for one in left))
    if not values or any(one.looped for one in left):
        return NO_ORIGIN
    return values[0] if len(values) == 1 else Either(values)


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
