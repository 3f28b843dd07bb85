"""An epoch's loss that is the last batch's: an attribute keeps it, and the epoch's end logs it."""

from __future__ import annotations

import re

from pl_lint.checks.logged_values.cause import Cause
from pl_lint.checks.logged_values.reporting import wrong_value
from pl_lint.checks.registry import Gathering
from pl_lint.checks.values.evidence import compared
from pl_lint.checks.values.numbers import far, in_batches, shown, weighted_mean
from pl_lint.checks.values.randomness import value_tolerance
from pl_lint.facts.events import Accumulator, CaseFacts, EpochValues, LogEvent
from pl_lint.facts.records import FitRecord
from pl_lint.findings import Finding

_LAST = re.compile(r"last|latest|final|current|batch|step", re.IGNORECASE)
"""Names of keys that say what they hold."""


def judge_last_loss(record: FitRecord, case: CaseFacts, into: Gathering) -> None:
    last = next((each for each in reversed(record.epochs) if each.stage == "train"), None)
    if last is None or not record.last_losses:
        return
    kept = record.last_losses[0]
    for event in record.events:
        at_end = (event.stage, event.epoch) == ("train", last.epoch) and event.batch < 0
        if at_end and event.value == kept.values[-1] and not _LAST.search(event.name):
            into.findings += _told(event, kept, last, case)


def _told(event: LogEvent, kept: Accumulator, last: EpochValues, case: CaseFacts) -> list[Finding]:
    counted = len(last.sizes) == len(kept.values)
    sizes = last.sizes if counted else (1,) * len(kept.values)
    mean = weighted_mean(kept.values, sizes)
    if not far(kept.values[-1], mean, value_tolerance(case, event.name, mean, [*kept.values])):
        return []
    evidence = compared(
        event.name,
        kept.values[-1],
        mean,
        how=f"epoch {last.epoch} of a fit{in_batches(last.sizes if counted else ())}; the truth is "
        f"the mean of its batches, {shown(min(kept.values))} to {shown(max(kept.values))}",
        case=case,
    )
    cause = Cause(
        "LTN112",
        f"self.{kept.name} holds the loss of the last of {len(kept.values)} batches alone",
        "log it in the step, where Lightning averages it: self.log('KEY', ..., on_epoch=True)",
    )
    return [wrong_value(cause, event.name, evidence, event.location, case)]
