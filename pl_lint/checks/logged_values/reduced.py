"""Training values that Lightning does not average: a sum, a minimum or a maximum over batches.

Training cannot be cut into other batches, for it would be another training. So it is followed how
each batch's value was made (``runtime/watching/logged/normalisers.py``): what was divided by the
samples of its batch is a batch mean, and the largest of those depends on how the data are cut; a
sum of sums and the largest of the largest do not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from pl_lint.checks.logged_values.causes import REDUCTIONS, summed_means
from pl_lint.checks.logged_values.reporting import note_power, place_of, wrong_value
from pl_lint.checks.registry import Gathering, Runs
from pl_lint.checks.values.evidence import ONE_PROCESS
from pl_lint.checks.values.lines import deciding
from pl_lint.checks.values.numbers import far, same, shown, sizes_in_words, weighted_mean
from pl_lint.checks.values.randomness import value_tolerance
from pl_lint.facts.events import CaseFacts, LogEvent, Note
from pl_lint.findings import Evidence, Location

_ALIKE: Mapping[str, frozenset[str]] = {
    "sum": frozenset({"sum", "nansum", "count_nonzero"}),
    "min": frozenset({"min", "amin"}),
    "max": frozenset({"max", "amax"}),
}
"""What a batch's value may be made by, so that no cut moves the sum, minimum or maximum of all."""


def judge_reduced(
    name: str,
    logged: float,
    events: Sequence[LogEvent],
    runs: Runs,
    case: CaseFacts,
    into: Gathering,
) -> None:
    """LTN121 in training: what the values of the batches were, before they were put together."""
    if name in case.batch_dependent:
        into.notes.append(Note(name, f"declared batch-dependent ({case.batch_dependent[name]})"))
        return
    values = [event.value or 0.0 for event in events]
    sizes = [event.samples or 0 for event in events]
    reduction, true = events[0].reduce_fx, weighted_mean(values, sizes)
    within = value_tolerance(case, name, true, values)
    reduced = REDUCTIONS.get(reduction)
    if reduced is None or not same(reduced(values), logged, within):
        into.undecided.append(Note(name, f"its batches are put together by reduce_fx={reduction}"))
        return
    place = place_of(tuple(events), name, "train", case)
    evidence = Evidence(
        key=name,
        logged=logged,
        true=true,
        tolerance=within,
        world=ONE_PROCESS,
        how=f"training: {sizes_in_words(sizes)}; the truth is the mean over their samples, which "
        "no other cut moves",
    )
    followed = _followed(name, events, runs)
    if same(logged, true, within):
        note_power(False, name, into)
    elif _are_means(followed):
        cause = summed_means(reduction, values)
        into.findings.append(wrong_value(cause, name, evidence, place, case))
    elif _is_of_samples(reduction, followed):
        _clear(evidence, place, case, into)
    else:
        into.undecided.append(
            Note(
                name,
                f"whether another cut of the data would move {shown(logged)}, the {reduction} "
                f"over {len(values)} training batches, does not show in how they were made",
            )
        )


def _clear(evidence: Evidence, place: Location, case: CaseFacts, into: Gathering) -> None:
    """It is right as it is, and no mean."""
    note_power(far(evidence.logged, evidence.true, evidence.tolerance), evidence.key, into)
    right = replace(evidence, true=evidence.logged, how="training: made of samples, not of means")
    into.clear(("LTN121",), place, right, case.module)


def _followed(name: str, events: Sequence[LogEvent], runs: Runs) -> Sequence[LogEvent]:
    """The same values of the fit that follows how they are made; none if they are others."""
    mine = [e for e in deciding(runs.fit_followed().events, name) if e.stage == "train"]
    mine = [event for event in mine if event.epoch == events[0].epoch and event.samples]
    return mine if [e.value for e in mine] == [e.value for e in events] else ()


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
