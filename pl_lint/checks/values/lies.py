"""When does a drawn run lie? A pure function over epoch values, called in the child that searches.

It is stricter than the other oracles about what counts as a difference (``far``): numbers over two
or three samples have fewer digits than those over forty-seven.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from math import isnan

from pl_lint.checks.values.numbers import far, same
from pl_lint.checks.values.randomness import value_tolerance
from pl_lint.facts.events import CaseFacts, EpochValues
from pl_lint.facts.searches import ACCUMULATE, FIT, RETURNED, DrawnRun, Lie, Observation

NAME = f"{__name__}:lies"
"""How a search asks for it. It stands beside the numbers, because each child that searches imports
it, and with a check come all that it needs."""
ROUNDINGS = 4
"""By so many units in the last place may a mean of values in half precision be off."""


def lies(run: DrawnRun, logged: Observation, true: Observation, case: CaseFacts) -> tuple[Lie, ...]:
    """The keys that a run logged otherwise than its reference."""
    found = _differing(logged, true, case)
    if run.program == FIT:
        return tuple(_of_fit(found, run, logged.epochs))
    if run.program == ACCUMULATE:
        return tuple(lie for lie in found if _is_of_accumulation(lie, run, logged, true))
    return tuple(found)


def _differing(logged: Observation, true: Observation, case: CaseFacts) -> Iterator[Lie]:
    """The last epoch of each stage against that of the reference."""
    truths = {epoch.stage: epoch.values for epoch in true.epochs}
    for stage, values in {epoch.stage: epoch.values for epoch in logged.epochs}.items():
        for key, value in values.items():
            right = truths.get(stage, {}).get(key)
            if right is None or isnan(right) or key in case.batch_dependent:
                continue  # NaN is no truth to hold a number against
            within = value_tolerance(case, key, right)
            rounded = ROUNDINGS * logged.spacing.get(key, 0.0) * abs(right)
            if far(value, right, within) and not same(value, right, rounded):
                yield Lie(stage, key, value, right, max(within, rounded))


def _of_fit(found: Iterable[Lie], run: DrawnRun, epochs: Sequence[EpochValues]) -> Iterator[Lie]:
    """Training is held against an epoch that is validated at its end, as people do; the reference
    of several epochs leaves all validations out but the last."""
    for lie in found:
        if lie.stage != "train":
            yield replace(lie, carried=_is_carried_over(lie, epochs))
        elif run.epochs == 1:
            yield lie


def _is_carried_over(lie: Lie, epochs: Sequence[EpochValues]) -> bool:
    """The best value so far is what an earlier validation logged, rightly: of values that have
    never grown in this epoch if the truth is larger now, or never shrunk if it is smaller."""
    mine = [each for each in epochs if each.stage == lie.stage and lie.key in each.values]
    if len(mine) < 2 or mine[-2].values[lie.key] != lie.logged:
        return False
    best = min if lie.true > lie.logged else max
    values = [each.values[lie.key] for each in mine if each.epoch == mine[-1].epoch]
    return all(best(pair) == pair[1] for pair in pairwise(values))


def _is_of_accumulation(lie: Lie, run: DrawnRun, logged: Observation, true: Observation) -> bool:
    """Whether accumulation itself made the difference.

    A loss may depend on ``global_step`` (a weight that is annealed), which rightly counts optimizer
    steps. Then the values of the batches differ, too, and not by the number of batches that are
    accumulated.
    """
    if lie.stage != "train":
        return False
    batches, others = logged.steps.get(lie.key, ()), true.steps.get(lie.key, ())
    if lie.key == RETURNED:
        return is_divided(lie, run)
    same_steps = len(batches) == len(others) and all(
        same(one, other, lie.tolerance) for one, other in zip(batches, others, strict=True)
    )
    return same_steps or is_divided(lie, run) or len(batches) < len(others)


def is_divided(lie: Lie, run: DrawnRun) -> bool:
    return same(lie.logged * run.accumulate, lie.true, lie.tolerance * run.accumulate)
