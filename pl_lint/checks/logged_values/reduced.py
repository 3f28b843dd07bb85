"""Training values that Lightning does not average: a sum, a minimum or a maximum over batches.

Training cannot be cut into other batches, for it would be another training. So it is followed how
each batch's value was made (``runtime/watching/logged/normalisers.py``): what was divided by the
samples of its batch is a batch mean, and the largest of those depends on how the data are cut; a
sum of sums and the largest of the largest do not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pl_lint.checks.logged_values.causes import REDUCTIONS, summed_means
from pl_lint.checks.logged_values.reporting import note_power, place_of, wrong_value
from pl_lint.checks.registry import Gathering, Runs
from pl_lint.checks.values.evidence import ONE_PROCESS
from pl_lint.checks.values.lines import deciding
from pl_lint.checks.values.numbers import far, same, shown, sizes_in_words, weighted_mean
from pl_lint.checks.values.randomness import value_tolerance
from pl_lint.facts.events import CaseFacts, LogEvent, Note
from pl_lint.findings import Evidence, Finding, Location

_ALIKE: Mapping[str, frozenset[str]] = {
    "sum": frozenset({"sum", "nansum", "count_nonzero"}),
    "min": frozenset({"min", "amin"}),
    "max": frozenset({"max", "amax"}),
}
"""What a batch's value may be made by, so that no cut moves the sum, minimum or maximum of all."""


@dataclass(frozen=True)
class Reduced:
    """What the values of one training epoch's batches were put together to, under one key."""

    name: str
    logged: float
    events: Sequence[LogEvent]
    case: CaseFacts

    @property
    def reduction(self) -> str:
        return self.events[0].reduce_fx

    @property
    def values(self) -> list[float]:
        return [event.value or 0.0 for event in self.events]

    @property
    def sizes(self) -> list[int]:
        return [event.samples or 0 for event in self.events]

    @property
    def mean(self) -> float:
        """Over all samples: the one number that no other cut moves, whatever the batches are."""
        return weighted_mean(self.values, self.sizes)

    @property
    def within(self) -> float:
        return value_tolerance(self.case, self.name, self.mean, self.values)

    @property
    def place(self) -> Location:
        return place_of(tuple(self.events), self.name, "train", self.case)

    @property
    def is_known(self) -> bool:
        """Whether the reduction is one of those that are known, and gives what was logged."""
        reduce = REDUCTIONS.get(self.reduction)
        return reduce is not None and same(reduce(self.values), self.logged, self.within)

    def evidence(self, true: float, how: str) -> Evidence:
        return Evidence(self.name, self.logged, true, self.within, ONE_PROCESS, how)

    def note(self, text: str) -> Note:
        return Note(self.name, text)


def judge_reduced(one: Reduced, runs: Runs, into: Gathering) -> None:
    """LTN121 in training: what the values of the batches were, before they were put together."""
    declared = one.case.batch_dependent.get(one.name)
    if declared is not None:
        into.notes.append(one.note(f"declared batch-dependent ({declared})"))
    elif not one.is_known:
        into.undecided.append(
            one.note(f"its batches are put together by reduce_fx={one.reduction}")
        )
    elif same(one.logged, one.mean, one.within):
        note_power(False, one.name, into)
    else:
        _judge_moved(one, _followed(one, runs), into)


def _judge_moved(one: Reduced, followed: Sequence[LogEvent], into: Gathering) -> None:
    """Of a value that is no mean over the samples: would another cut of the data move it?"""
    if _are_means(followed):
        into.findings.append(_of_means(one))
    elif _is_of_samples(one.reduction, followed):
        _clear(one, into)
    else:
        into.undecided.append(
            one.note(
                f"whether another cut of the data would move {shown(one.logged)}, the "
                f"{one.reduction} over {len(one.values)} training batches, does not show in how "
                "they were made"
            )
        )


def _of_means(one: Reduced) -> Finding:
    how = (
        f"training: {sizes_in_words(one.sizes)}; the truth is the mean over their samples, which "
        "no other cut moves"
    )
    cause, evidence = summed_means(one.reduction, one.values), one.evidence(one.mean, how)
    return wrong_value(cause, one.name, evidence, one.place, one.case)


def _clear(one: Reduced, into: Gathering) -> None:
    """It is right as it is, and no mean."""
    note_power(far(one.logged, one.mean, one.within), one.name, into)
    right = one.evidence(one.logged, "training: made of samples, not of means")
    into.clear(("LTN121",), one.place, right, one.case.module)


def _followed(one: Reduced, runs: Runs) -> Sequence[LogEvent]:
    """The same values of the fit that follows how they are made; none if they are others."""
    mine = [e for e in deciding(runs.fit_followed().events, one.name) if e.stage == "train"]
    mine = [event for event in mine if event.epoch == one.events[0].epoch and event.samples]
    return mine if [e.value for e in mine] == [e.value for e in one.events] else ()


def _are_means(events: Sequence[LogEvent]) -> bool:
    """Each was divided by the samples of its batch, or by a multiple of them."""
    places = set.intersection(*(set(event.normalisers) for event in events)) if events else set()
    return any(_counts_samples(place, events) for place in places)


def _counts_samples(place: str, events: Sequence[LogEvent]) -> bool:
    """Of batches of one size only a loss says so: a mean of as many weights is a mean, too."""
    sizes = [event.samples or 0 for event in events]
    ratios = [event.normalisers[place] / size for event, size in zip(events, sizes, strict=True)]
    loss = any(word in place.partition("@")[0] for word in ("loss", "entropy"))
    telling = len(set(sizes)) > 1 or (loss and ratios[0] >= 1 and ratios[0].is_integer())
    return telling and ratios[0] > 0 and all(same(r, ratios[0], 1e-6 * ratios[0]) for r in ratios)


def _is_of_samples(reduction: str, events: Sequence[LogEvent]) -> bool:
    """A sum of sums or of counts, the largest of the largest."""
    made = {name for event in events for name in event.reductions}
    whole = bool(events) and all(event.reductions for event in events)
    if whole and made <= _ALIKE[reduction]:
        return True
    values = [(event.value or 0.0, event.samples or 1) for event in events]
    ratios = {round(value / samples, 6) for value, samples in values}
    uneven = len({samples for _, samples in values}) > 1
    return reduction == "sum" and uneven and len(ratios) == 1 and ratios != {0.0}
