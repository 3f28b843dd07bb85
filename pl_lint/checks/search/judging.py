"""What the search of one kind of run says: its smallest lies with their causes, or how much it
saw."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import replace
from math import isfinite

from pl_lint.checks.logged_values.causes import (
    UNKNOWN,
    Cause,
    Moved,
    cause_in_replay,
    cause_of_moving,
)
from pl_lint.checks.logged_values.reporting import place_of, wrong_value
from pl_lint.checks.registry import Gathering
from pl_lint.checks.search.script import TRUE, WITHOUT, script
from pl_lint.checks.search.words import reference_in_words, run_in_words, smallest_in_words
from pl_lint.checks.sync_dist.sharing import truncated
from pl_lint.checks.values.evidence import ONE_PROCESS
from pl_lint.checks.values.lies import is_divided
from pl_lint.checks.values.numbers import far, same, shown, tolerance
from pl_lint.facts.events import CaseFacts, LogEvent, Note, Replay
from pl_lint.facts.searches import (
    ACCUMULATE,
    FIT,
    RETURNED,
    VALIDATE,
    Lie,
    Recipe,
    Searched,
    SmallestRun,
    Spread,
)
from pl_lint.findings import Evidence, Finding

TELLING = 10
"""So many tolerances must lie between two validations: a mistake may show half of it, or less."""
NO_NUMBER = Cause(
    UNKNOWN.code,
    "a batch of so few samples makes no number, and so the epoch has none",
    "leave such a batch out, or give what is divided a least size",
    counts=False,
)
"""Nobody evaluates in batches of one; but a last batch may be as short."""


def judge_searched(
    searched: Searched, recipe: Recipe | None, case: CaseFacts, random: Set[str] = frozenset()
) -> Gathering:
    """``random`` are the keys that chance decides: that one of them did not lie proves nothing."""
    into = Gathering(findings=[_finding(one, recipe, case) for one in searched.smallest])
    lying = into.keys
    told = [one.key for one in searched.spreads if not lying and _is_telling(one)]
    still = _still(searched) - lying
    told = [key for key in told if key not in still]
    if still and not lying:
        into.untriggered.append(Note(", ".join(sorted(still)), _NOT_MOVED))
    chance = random & set(told) | set(searched.unsteady)
    into.passed += sum(key not in chance for key in told)
    into.undecided += [Note(key, "chance decides it") for key in sorted(chance - lying)]
    if searched.set_aside == searched.examples:
        into.undecided.append(Note(searched.program, f"no run could be judged: {searched.reason}"))
    if searched.cut_short:
        into.notes.append(Note(searched.program, f"{searched.examples} runs, then the time was up"))
    return into


def _is_telling(spread: Spread) -> bool:
    """A value that is the same for all samples shows no mistake."""
    return far(spread.least, spread.most, tolerance(spread.most))


_NOT_MOVED = (
    "no fit changed it from one validation to the next, so that what one leaves behind would not "
    "show"
)


def _still(searched: Searched) -> frozenset[str]:
    """The keys of validation that no fit has moved between two validations by enough to show a
    mean of both."""
    if searched.program != FIT:
        return frozenset()
    keys = {one.key for one in searched.spreads if one.stage == VALIDATE}
    moved = {one.key for one in searched.shifts if _is_far_apart(one)}
    return frozenset(keys - moved)


def _is_far_apart(shift: Spread) -> bool:
    return far(shift.least, shift.most, TELLING * tolerance(shift.most))


def _finding(smallest: SmallestRun, recipe: Recipe | None, case: CaseFacts) -> Finding:
    shown_by = smallest.lie
    assert shown_by is not None
    cause = _cause(smallest, shown_by)
    metric = _wrong_metric(smallest, shown_by)
    lie = shown_by if metric is None else replace(shown_by, true=metric.true)
    evidence = Evidence(
        key=lie.key,
        logged=lie.logged,
        true=lie.true,
        tolerance=lie.tolerance,
        world=ONE_PROCESS
        if smallest.run.ranks == 1
        else f"{smallest.run.ranks} gloo ranks, CPU, fp32",
        how=f"{run_in_words(smallest)}; the truth is {_truth_in_words(smallest, metric)}",
    )
    place = place_of(_events(smallest), lie.key, lie.stage, case)
    found = wrong_value(cause, lie.key, evidence, place, case)
    return replace(
        found,
        message=f"{smallest_in_words(replace(smallest, lie=lie))}: {cause.formula}",
        script=_script(recipe, smallest, shown_by, lie.true),
    )


def _script(recipe: Recipe | None, smallest: SmallestRun, lie: Lie, true: float) -> str:
    """The run as a script, where a process shows it by what it logs. Its second fit need not be
    right either."""
    if recipe is None or not _is_told_alone(smallest):
        return ""
    return script(recipe, smallest, lie, TRUE if same(lie.true, true, lie.tolerance) else WITHOUT)


def _wrong_metric(smallest: SmallestRun, lie: Lie) -> Replay | None:
    """What a metric should have been that a fit logged wrong. The fit that shows it may be wrong as
    well: a metric that training shares holds training's batches in both."""
    if smallest.run.program != FIT:
        return None
    replays = [one for one in smallest.replays if (one.name, one.stage) == (lie.key, lie.stage)]
    wrong = (one for one in reversed(replays) if not same(one.logged, one.true, lie.tolerance))
    return next(wrong, None)


def _truth_in_words(smallest: SmallestRun, metric: Replay | None) -> str:
    if metric is None:
        return reference_in_words(smallest)
    return f"a fresh {metric.metric_class} given the same batches once"


def _is_told_alone(smallest: SmallestRun) -> bool:
    """Whether a process shows it by what it logs."""
    return smallest.run.ranks == 1 and smallest.key != RETURNED


def _events(smallest: SmallestRun) -> Sequence[LogEvent]:
    if smallest.by_rank:
        return smallest.by_rank[0]
    return smallest.cut.events if smallest.cut is not None else smallest.events


def is_cut_off(smallest: SmallestRun) -> bool:
    """Whether Lightning's own mean of whole numbers explains a lie on ranks."""
    lie = smallest.lie
    assert lie is not None
    cut = truncated(lie.key, smallest.by_rank)
    return cut is not None and not smallest.apart and same(lie.logged, cut[0], lie.tolerance)


def _cause(smallest: SmallestRun, lie: Lie) -> Cause:
    if not isfinite(lie.logged):
        return NO_NUMBER
    if smallest.run.ranks > 1:
        return _cause_on_ranks(smallest)
    if smallest.run.program == FIT:
        return _cause_in_fit(smallest, lie)
    if smallest.run.program == ACCUMULATE:
        return _cause_of_accumulation(smallest, lie)
    assert smallest.cut is not None and smallest.whole is not None
    moved = Moved(lie.key, lie.logged, lie.true, smallest.cut, smallest.whole, smallest.ones)
    return cause_of_moving(moved)


def _cause_on_ranks(smallest: SmallestRun) -> Cause:
    if smallest.apart:
        return Cause(
            "LTN106",
            "each rank logs what its own samples say",
            "log a torchmetrics object; for a mean over samples sync_dist=True is enough",
        )
    return Cause(
        "LTN109",
        "the ranks agree on a number that is not that of all samples",
        "log a torchmetrics object, or gather what it is computed from: self.all_gather(...)",
    )


def _cause_in_fit(smallest: SmallestRun, lie: Lie) -> Cause:
    """What was in it before: another validation's batches, or those of the sanity check."""
    metric = _wrong_metric(smallest, lie)
    if metric is not None:
        return cause_in_replay(metric)
    run = smallest.run
    if run.validations == 1 and run.epochs == 1:
        return Cause(
            "LTN204",
            "the batches of the sanity check are still in it",
            "add nothing to it while self.trainer.sanity_checking, or clear it in on_train_start",
        )
    if lie.stage == "validate":
        return Cause(
            "LTN203",
            "what an earlier validation left behind is still in it",
            "clear what validation collects in on_validation_epoch_start, or after it is logged",
        )
    return UNKNOWN


def _cause_of_accumulation(smallest: SmallestRun, lie: Lie) -> Cause:
    count = smallest.run.accumulate
    if lie.key == RETURNED:
        return Cause(
            "LTN724",
            f"training_step divides it by the {count} batches that are accumulated, and Lightning "
            "does so once more: gradients are that much too small",
            "return the loss as it is",
        )
    if is_divided(lie, smallest.run):
        return Cause(
            "LTN724",
            f"the value divided by the {count} batches that are accumulated is {shown(lie.logged)}",
            "log or collect the loss in training_step: Lightning divides it for the optimizer, and "
            "gives on_train_batch_end what it has divided",
        )
    return Cause(
        UNKNOWN.code,
        "with accumulate_grad_batches only some of the batches are in it",
        "log every batch; Lightning averages over the epoch by batch_size",
    )
