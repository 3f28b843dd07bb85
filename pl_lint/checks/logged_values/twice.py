"""One key at two places of one step: Lightning keeps one value, without a word."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from pl_lint.checks.logged_values.cause import Cause
from pl_lint.checks.logged_values.reporting import STAGE_WORDS, wrong_value
from pl_lint.checks.registry import Gathering
from pl_lint.checks.values.evidence import compared
from pl_lint.checks.values.numbers import far, shown, tolerance, weighted_mean
from pl_lint.facts.events import CaseFacts, LogEvent
from pl_lint.findings import Finding


def judge_twice(events: Iterable[LogEvent], case: CaseFacts, into: Gathering) -> None:
    """Two lines of one hook that log different numbers for the same batch. One line that logs
    several times (a critic's steps) means their mean."""
    found: dict[tuple[str, str], Finding] = {}
    for calls in _of_one_batch(events):
        first, last = calls[0], calls[-1]
        values = [call.value or 0.0 for call in (first, last)]
        if first.location != last.location and far(*values, tolerance(values[0])):
            found.setdefault((first.stage, first.name), _finding(first, last, case))
    into.findings += found.values()


def _of_one_batch(events: Iterable[LogEvent]) -> Iterator[Sequence[LogEvent]]:
    own = [e for e in events if e.value is not None and e.batch >= 0 and not e.sanity]
    for _, calls in groupby(sorted(own, key=_moment), key=_moment):
        listed = list(calls)
        if len(listed) > 1:
            yield listed


def _moment(event: LogEvent) -> tuple[str, int, int, int, str, str]:
    where = (event.stage, event.epoch, event.batch, event.dataloader)
    return (*where, event.hook, event.name)


def _finding(first: LogEvent, last: LogEvent, case: CaseFacts) -> Finding:
    one, other = first.value or 0.0, last.value or 0.0
    weights = [first.weight or 1.0, last.weight or 1.0]
    kept = weighted_mean([one, other], weights) if last.on_epoch else other
    what = "the mean of both is" if last.on_epoch else "the second is"
    evidence = compared(
        first.name,
        kept,
        one,
        how=f"batch {first.batch} of epoch {first.epoch}, {STAGE_WORDS[first.stage]}; the truth is "
        f"what {first.location} logged",
    )
    cause = Cause(
        "LTN114",
        f"the key is logged as {shown(one)} and, at {last.location}, as {shown(other)} for the "
        f"same batch, and {what} kept",
        "give each value a key of its own",
    )
    return wrong_value(cause, first.name, evidence, last.location, case)
