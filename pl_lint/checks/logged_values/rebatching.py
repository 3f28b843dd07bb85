"""The same samples in other batches, and a second time: what is a property of the data stays."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pl_lint.checks.logged_values.cause import Cause, Moved
from pl_lint.checks.logged_values.causes import cause_of_moving, left_in_training
from pl_lint.checks.logged_values.counters import judge_counters, note_half_sums
from pl_lint.checks.logged_values.loaders import judge_loaders
from pl_lint.checks.logged_values.reporting import STAGE_WORDS, note_power, place_of, wrong_value
from pl_lint.checks.logged_values.sums import SPACING
from pl_lint.checks.registry import Gathering
from pl_lint.checks.values.evidence import ONE_PROCESS
from pl_lint.checks.values.numbers import far, same, sizes_in_words
from pl_lint.checks.values.randomness import (
    A_COUNT,
    OTHER_DATA,
    random_part,
    value_tolerance,
    why_tolerance,
)
from pl_lint.facts.events import (
    ALL_BUT_ONE,
    HALF,
    ONES,
    REPEATED,
    SHUFFLED,
    USUAL,
    WHOLE,
    CaseFacts,
    EvaluationPass,
    Note,
)
from pl_lint.facts.records import EvaluationRecord
from pl_lint.findings import Evidence, Finding

# The first is the cut whose numbers are shown: it is closest to how people run.
UNEVEN = (USUAL, ALL_BUT_ONE, ONES, SHUFFLED)
# What a true value under re-batching rules out for its line.
NOT_AVERAGED = ("LTN101", "LTN102", "LTN103", "LTN104", "LTN213", "LTN218")


def judge_rebatching(record: EvaluationRecord, case: CaseFacts) -> Gathering:
    """Every epoch value of one stage, over all the ways in which its samples were cut."""
    into = Gathering()
    _judge_passes(record, case, into)
    return into


def left_over(record: EvaluationRecord, case: CaseFacts) -> set[str]:
    """The values in which an earlier evaluation is still to be found, whatever else is wrong with
    them."""
    passes = {done.batching.label: done for done in record.passes}
    if USUAL not in passes or REPEATED not in passes:
        return set()
    names = passes[USUAL].values if passes[WHOLE].error is None else ()
    judged = (Judged(name, passes[WHOLE], [passes[USUAL]], passes, case) for name in names)
    return {one.name for one in judged if one.name in one.whole.values and one.keeps_earlier}


def _judge_passes(record: EvaluationRecord, case: CaseFacts, into: Gathering) -> None:
    passes = {done.batching.label: done for done in record.passes}
    whole = passes[WHOLE]
    if whole.error is not None:
        into.undecided.append(Note(whole.stage, _unusable(whole)))
        return
    judge_loaders(passes, case, into)
    judge_counters(passes.values(), case, into)
    note_half_sums(passes[USUAL], into)
    cuts = [passes[label] for label in UNEVEN if label in passes and passes[label].error is None]
    if not cuts:
        into.undecided.append(Note(whole.stage, _unusable(passes[USUAL])))
        return
    for name in whole.values:
        known = _defined(name, whole, [cut for cut in cuts if name in cut.values], into)
        Judged(name, whole, known, passes, case).judge(into)


def _defined(
    name: str, whole: EvaluationPass, cuts: list[EvaluationPass], into: Gathering
) -> list[EvaluationPass]:
    """Without the batches of one sample, where only those leave a value undefined."""
    if not math.isfinite(whole.values[name]):
        return cuts
    good = [cut for cut in cuts if math.isfinite(cut.values[name])]
    undefined = [cut for cut in cuts if cut not in good]
    if good and all(cut.batching.label in (ONES, ALL_BUT_ONE) for cut in undefined):
        labels = [sizes_in_words(cut.batching.sizes) for cut in undefined]
        into.notes += [Note(name, f"not a finite number for {label}") for label in labels]
        return good
    return cuts


def _unusable(done: EvaluationPass) -> str:
    error = done.error
    assert error is not None
    if error.is_uncut:
        return f"its data cannot be cut into other batches: {error.message}"
    cut = sizes_in_words(done.batching.sizes) if done.batching.sizes else "the samples cut anew"
    return f"evaluating {cut} raised {error}"


@dataclass(frozen=True)
class Judged:
    """One epoch value: over all samples at once (the truth), and over the other cuts of them."""

    name: str
    whole: EvaluationPass
    cuts: Sequence[EvaluationPass]
    passes: Mapping[str, EvaluationPass]
    case: CaseFacts

    def judge(self, into: Gathering) -> None:
        random = random_part(self.name, self.passes, self.case)
        if self.name in self.case.batch_dependent:
            reason = self.case.batch_dependent[self.name]
            into.notes.append(Note(self.name, f"declared batch-dependent ({reason})"))
        elif not math.isfinite(self.true):
            into.untriggered.append(Note(self.name, "not a finite number for all samples at once"))
        elif not self.cuts:
            into.undecided.append(random or Note(self.name, "logged in one batch only"))
        elif self._holds(self.worst):
            self._judge_repetition(random, into)
        elif self._is_other_data(self.worst, self.whole):
            into.undecided.append(random or Note(self.name, OTHER_DATA))
        elif random and self.worst.training_submodules:
            cause = left_in_training(self.worst.training_submodules)
            into.findings.append(self._finding(cause, self._evidence()))
        elif random:
            into.undecided.append(random)
        else:
            cause = cause_of_moving(self._moved())
            into.findings.append(self._finding(cause, self._evidence()))

    @property
    def true(self) -> float:
        return self.whole.values[self.name]

    @property
    def steps(self) -> list[float]:
        """What was logged per batch, in all cuts."""
        events = (event for cut in self.cuts for event in cut.events if event.name == self.name)
        return [event.value for event in events if event.value is not None]

    @property
    def within(self) -> float:
        """A value in half precision is rounded; a sum in half precision is a mistake."""
        within = value_tolerance(self.case, self.name, self.true, self.steps)
        if any(kept.dtype in SPACING for cut in self.cuts for kept in cut.accumulators):
            return within
        return max(within, self._spacing * max(abs(value) for value in (self.true, *self.steps)))

    @property
    def _spacing(self) -> float:
        """How far apart neighbours are among the numbers that were logged in half precision."""
        events = (event for cut in self.cuts for event in cut.events if event.name == self.name)
        return max((SPACING.get(event.dtype, 0.0) for event in events), default=0.0)

    @property
    def because(self) -> str:
        if self.within > value_tolerance(self.case, self.name, self.true, self.steps):
            return f"{self._spacing:g} of the largest value, one rounding in half precision"
        return why_tolerance(self.case, self.name)

    @property
    def worst(self) -> EvaluationPass:
        """The cut to show: the usual one if it is wrong, else the one that is furthest off."""
        if not self._holds(self.cuts[0]):
            return self.cuts[0]
        return max(self.cuts, key=self._distance)

    def _holds(self, cut: EvaluationPass) -> bool:
        return same(cut.values[self.name], self.true, self.within)

    def _distance(self, cut: EvaluationPass) -> float:
        return 0.0 if self._holds(cut) else abs(cut.values[self.name] - self.true)

    def _judge_repetition(self, random: Note | None, into: Gathering) -> None:
        """A value that no cut moves may still hold what an earlier evaluation left behind."""
        first, second = self._of(USUAL), self._of(REPEATED)
        stays = random or first is None or second is None or self._is_explained(first, second)
        if not stays and first is not None and second is not None:
            self._judge_left_over(first, second, into)
            return
        powerful = self._has_power()
        note_power(powerful, self.name, into)
        if powerful:
            place = place_of(self.worst.events, self.name, self.whole.stage, self.case)
            into.clear(NOT_AVERAGED, place, self._evidence(), self.case.module)

    @property
    def keeps_earlier(self) -> bool:
        first, second = self._of(USUAL), self._of(REPEATED)
        if first is None or second is None or self._is_explained(first, second):
            return False
        other = self._is_other_data(self.passes[USUAL], self.passes[REPEATED])
        counts = other or self._goes_on_counting(first, second)
        return not counts and random_part(self.name, self.passes, self.case) is None

    def _judge_left_over(self, first: float, second: float, into: Gathering) -> None:
        if self._is_other_data(self.passes[USUAL], self.passes[REPEATED]):
            into.undecided.append(Note(self.name, OTHER_DATA))
        elif self._goes_on_counting(first, second):
            into.undecided.append(Note(self.name, A_COUNT))
        else:
            into.findings.append(self._left_over(first, second))

    @staticmethod
    def _is_other_data(one: EvaluationPass, other: EvaluationPass) -> bool:
        return bool(one.seen) and one.seen != other.seen

    def _goes_on_counting(self, first: float, second: float) -> bool:
        """Whole numbers, and the second is the sum of two evaluations: of samples seen so far, say.
        A metric that is never reset is rarely both."""
        before = self._of(HALF)
        counts = all(value is not None and value.is_integer() for value in (before, first, second))
        return counts and second == first + (before or 0.0)

    def _is_explained(self, first: float, second: float) -> bool:
        """Nothing was left over, or a best-so-far value was: that of the evaluation before."""
        before = self._of(HALF)
        is_best = before is not None and same(second, before, self.within)
        return is_best or same(first, second, self.within)

    def _of(self, label: str) -> float | None:
        done = self.passes.get(label)
        return done.values.get(self.name) if done is not None else None

    def _has_power(self) -> bool:
        """Could a mistake have shown? A known formula is far off, or the quantity varies with its
        data."""
        replays = (r for cut in self.cuts for r in cut.replays if r.name == self.name)
        formulas = [value for replay in replays for value in replay.formulas.values()]
        half = self._of(HALF)
        others = [*formulas, *self.steps, *([half] if half is not None else [])]
        return any(far(value, self.true, self.within) for value in others)

    def _moved(self) -> Moved:
        worst, others = self.worst, (self._of(ONES), self._of(ALL_BUT_ONE))
        return Moved(self.name, worst.values[self.name], self.true, worst, self.whole, *others)

    def _evidence(self) -> Evidence:
        cut = self.worst
        order = " in another order" if cut.batching.shuffled else ""
        return Evidence(
            key=self.name,
            logged=cut.values[self.name],
            true=self.true,
            tolerance=self.within,
            world=ONE_PROCESS,
            how=f"{STAGE_WORDS[cut.stage]}: {sizes_in_words(cut.batching.sizes)}{order}; the truth "
            "is all samples in one batch",
            because=self.because,
        )

    def _left_over(self, first: float, second: float) -> Finding:
        """An evaluation after another one logs another value: the first one is still in it."""
        evidence = Evidence(
            key=self.name,
            logged=second,
            true=first,
            tolerance=self.within,
            world=ONE_PROCESS,
            how=f"{STAGE_WORDS[self.whole.stage]} of half of the samples, then of all; the truth "
            "is all of them on a fresh module",
            because=self.because,
        )
        cause = Cause(
            "LTN203",
            "what an earlier evaluation left behind is still in it",
            "reset the metric, clear the list or zero the sums where the value is logged",
        )
        return self._finding(cause, evidence)

    def _finding(self, cause: Cause, evidence: Evidence) -> Finding:
        place = place_of(self.worst.events, self.name, self.whole.stage, self.case)
        return wrong_value(cause, self.name, evidence, place, self.case)
