"""Values that a fit logged: metrics replayed, training means counted, the sanity check left out."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

from pl_lint.checks.logged_values.cause import Cause, Moved
from pl_lint.checks.logged_values.causes import cause_in_replay, cause_of_moving
from pl_lint.checks.logged_values.reduced import Reduced, judge_reduced
from pl_lint.checks.logged_values.reporting import STAGE_WORDS, note_power, place_of, wrong_value
from pl_lint.checks.proving import found
from pl_lint.checks.registry import Gathering, Runs
from pl_lint.checks.values.evidence import ONE_PROCESS, compared
from pl_lint.checks.values.lines import deciding
from pl_lint.checks.values.numbers import (
    far,
    in_batches,
    same,
    shown,
    sizes_in_words,
    weighted_mean,
)
from pl_lint.checks.values.randomness import A_COUNT, OTHER_DATA, value_tolerance, why_tolerance
from pl_lint.facts.events import (
    USUAL,
    Batching,
    CaseFacts,
    EpochValues,
    EvaluationPass,
    LogEvent,
    Note,
    Replay,
    sentence,
)
from pl_lint.facts.records import EvaluationRecord, FitRecord
from pl_lint.findings import Evidence, Finding, Location

# --- replayed metrics -----------------------------------------------------------------------------


def most_telling(record: FitRecord, case: CaseFacts) -> Iterator[Replay]:
    """One replay of each key: the last wrong one (what earlier epochs left behind shows in the
    last, what the sanity check left may show in the first only), else the last."""
    chosen: dict[tuple[str, str], Replay] = {}
    for replay in record.replays:
        key = (replay.stage, replay.name)
        if key not in chosen or not _is_true(replay, case) or _is_true(chosen[key], case):
            chosen[key] = replay
    yield from chosen.values()


def _is_true(replay: Replay, case: CaseFacts) -> bool:
    if "LTN133" in replay.formulas:
        return False  # a metric of nothing is NaN, and no number is right for it
    return same(replay.logged, replay.true, value_tolerance(case, replay.name, replay.true))


def judge_evaluated(record: EvaluationRecord, case: CaseFacts, into: Gathering) -> None:
    """Metrics of an evaluation: what a fit shows, for a stage that it does not run."""
    for done in record.passes:
        if done.batching.label == USUAL and done.error is None:
            for replay in done.replays:
                if not _is_true(replay, case):
                    judge_replay(replay, done.events, case, into)


def judge_replay(
    replay: Replay, events: tuple[LogEvent, ...], case: CaseFacts, into: Gathering
) -> None:
    within = value_tolerance(case, replay.name, replay.true)
    location = place_of(events, replay.name, replay.stage, case)
    evidence = Evidence(
        key=replay.name,
        logged=replay.logged,
        true=replay.true,
        tolerance=within,
        world=ONE_PROCESS,
        how=f"epoch {replay.epoch}, {STAGE_WORDS[replay.stage]}{in_batches(replay.sizes)}; the "
        f"truth is a fresh {replay.metric_class} given the same batches once",
        because=why_tolerance(case, replay.name),
    )
    if _is_true(replay, case) and replay.left_over not in (None, replay.true):
        into.findings.append(_kept_score(replay, replay.left_over, location, case))
        return
    if _is_true(replay, case):
        shows = [code for code, value in replay.formulas.items() if far(value, replay.true, within)]
        note_power(bool(shows), replay.name, into)
        into.clear(tuple(shows), location, evidence, case.module)
        return
    cause = cause_in_replay(replay)
    into.findings.append(wrong_value(cause, replay.name, evidence, location, case))


def _kept_score(replay: Replay, planted: float, location: Location, case: CaseFacts) -> Finding:
    """A best-so-far tracker that was not reset after the sanity check, whose score was not the best
    this time."""
    text = (
        f"{replay.name!r}: self.{replay.metric} still holds the score of the sanity check, that of "
        f"two batches before training; had it been {shown(planted)}, this would be logged for "
        f"epoch {replay.epoch}, and not {shown(replay.true)}"
    )
    remedy = f"call self.{replay.metric}.reset() in on_train_start"
    how = f"epoch {replay.epoch}, a better score of the sanity check being planted"
    cause = "the sanity check's score is still in it"
    evidence = compared(replay.name, planted, replay.true, how, cause, case)
    return found(case, "LTN204", text, remedy, location, (evidence,))


# --- training means -------------------------------------------------------------------------------


def judge_training_means(runs: Runs, case: CaseFacts, into: Gathering) -> None:
    """A plain value averaged over the training epoch: Σ samples·value / Σ samples, counted; and
    what is no mean over its batches."""
    record = runs.fit()
    last = next((each for each in reversed(record.epochs) if each.stage == "train"), None)
    if last is None:
        return
    for name, logged in last.values.items():
        events = [e for e in deciding(record.events, name) if e.epoch == last.epoch]
        events = [e for e in events if e.stage == "train" and e.value is not None and e.samples]
        if not events or any(e.origin for e in events):
            continue
        if any(e.reduce_fx != "mean" for e in events):
            judge_reduced(Reduced(name, logged, events, case), runs, into)
            continue
        values = [event.value or 0.0 for event in events]
        true = weighted_mean(values, [event.samples or 0 for event in events])
        _judge_training_mean(name, logged, true, events, runs, case, into)


def _weighted_by_divisor(name: str, epoch: int, runs: Runs) -> bool:
    """Whether each batch was weighted by what its value had been divided by: a mean over tokens,
    logged with their number as ``batch_size``. It takes a second fit, which follows divisions."""
    events = [e for e in deciding(runs.fit_followed().events, name) if e.stage == "train"]
    mine = [event for event in events if event.epoch == epoch]
    places = set.intersection(*(set(e.normalisers) for e in mine)) if mine else set()
    return any(_is_one_ratio([(e.weight or 0.0, e.normalisers[p]) for e in mine]) for p in places)


def _is_one_ratio(pairs: list[tuple[float, float]]) -> bool:
    """A constant factor (padding, the width of what is averaged) changes no weight."""
    if not all(divisor for _, divisor in pairs):
        return False
    ratios = [weight / divisor for weight, divisor in pairs]
    return all(ratio > 0 and same(ratio, ratios[0], 1e-6 * ratios[0]) for ratio in ratios)


def _judge_training_mean(
    name: str,
    logged: float,
    true: float,
    events: list[LogEvent],
    runs: Runs,
    case: CaseFacts,
    into: Gathering,
) -> None:
    within = value_tolerance(case, name, true, [event.value or 0.0 for event in events])
    unweighted = sum(event.value or 0.0 for event in events) / len(events)
    if same(logged, true, within):
        note_power(far(unweighted, true, within), name, into)
        return
    if _weighted_by_divisor(name, events[0].epoch, runs):
        note_power(far(unweighted, logged, within), name, into)
        return
    sizes = tuple(event.samples or 0 for event in events)
    cut = EvaluationPass("train", Batching(USUAL, sizes), {name: logged}, tuple(events))
    cause = cause_of_moving(Moved(name, logged, true, cut, cut, None))
    how = f"training: {sizes_in_words(sizes)}; the truth weights each batch by its samples"
    evidence = Evidence(name, logged, true, within, ONE_PROCESS, how)
    location = place_of(runs.fit().events, name, "train", case)
    into.findings.append(wrong_value(cause, name, evidence, location, case))


# --- the sanity check -----------------------------------------------------------------------------


def judge_sanity_check(runs: Runs, case: CaseFacts, into: Gathering) -> None:
    """Whatever it is kept in, what the sanity check leaves behind changes what fit logs: Lightning
    restores the random state after it, so the same fit without it logs the same values."""
    fit, without = runs.fit(), runs.fit_without_sanity_check()
    if any(fit.digests[name] != without.digests[name] for name in fit.parameters):
        into.undecided.append(
            sentence("without the sanity check the training itself is another one")
        )
        return
    clean = dict(_numbered(without))
    for place, epoch in _numbered(fit):
        for name, logged in epoch.values.items():
            true = clean[place].values.get(name, logged) if place in clean else logged
            within = value_tolerance(case, name, true)
            if same(logged, true, within) or _is_python_number(name, fit):
                continue
            again = dict(_numbered(runs.fit_again())).get(place)
            if again is None or not same(logged, again.values.get(name, math.nan), within):
                into.undecided.append(Note(name, "differs between two equal fits"))
            elif epoch.seen != clean[place].seen:
                into.undecided.append(Note(name, OTHER_DATA))
            elif _goes_on_counting(name, fit, without):
                into.undecided.append(Note(name, A_COUNT))
            else:
                into.findings.append(_contaminated(name, logged, true, epoch, fit, case))


def _goes_on_counting(name: str, fit: FitRecord, without: FitRecord) -> bool:
    """Whole numbers that grow by as much in each epoch, with and without the sanity check."""
    one, other = ([e.values[name] for e in r.epochs if name in e.values] for r in (fit, without))
    steps = [[after - before for before, after in pairwise(values)] for values in (one, other)]
    grows = bool(steps[0]) and min(steps[0]) > 0 and steps[0] == steps[1]
    return grows and all(value.is_integer() for value in (*one, *other))


def _numbered(record: FitRecord) -> Iterator[tuple[tuple[str, int], EpochValues]]:
    """The epochs of each stage, counted: one of training may have several validations."""
    counted: Counter[str] = Counter()
    for epoch in record.epochs:
        yield (epoch.stage, counted[epoch.stage]), epoch
        counted[epoch.stage] += 1


def _is_python_number(name: str, record: FitRecord) -> bool:
    return any(event.python_number for event in record.events if event.name == name)


def _contaminated(
    name: str, logged: float, true: float, epoch: EpochValues, record: FitRecord, case: CaseFacts
) -> Finding:
    evidence = compared(
        name,
        logged,
        true,
        how=f"epoch {epoch.epoch} of a fit, {STAGE_WORDS[epoch.stage]}{in_batches(epoch.sizes)}; "
        "the truth is the same fit without the sanity check",
        case=case,
    )
    cause = Cause(
        "LTN204",
        "the batches of the sanity check are still in it",
        "clear what validation collects in on_train_start, or leave it alone while "
        "self.trainer.sanity_checking",
    )
    return wrong_value(
        cause, name, evidence, place_of(record.events, name, epoch.stage, case), case
    )
