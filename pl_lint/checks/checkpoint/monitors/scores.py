"""What a checkpoint was chosen for: does it score that when it is loaded again?"""

from __future__ import annotations

from collections.abc import Mapping

from pl_lint.checks.checkpoint.wording import SAVE_STATE
from pl_lint.checks.proving import found
from pl_lint.checks.registry import Gathering, Runs
from pl_lint.checks.values.evidence import compared
from pl_lint.checks.values.numbers import same, shown, tolerance
from pl_lint.facts.events import CaseFacts, sentence
from pl_lint.facts.records import FitRecord
from pl_lint.facts.watchers import CHECKPOINT, Watcher
from pl_lint.findings import Finding

ALREADY = ("LTN306", "LTN310", "LTN311")
"""Mistakes that change what a loaded checkpoint scores."""


def judge_scores(runs: Runs, fit: FitRecord, case: CaseFacts, into: Gathering) -> None:
    """The first epoch's: nothing that a module remembers of earlier epochs is in its values."""
    first = runs.reloaded().first
    logged = _first_validation(fit)
    for watcher in fit.watchers:
        known = watcher.key in logged and watcher.key in first.values and first.error is None
        if watcher.kind == CHECKPOINT and watcher.key is not None and known:
            _judge_score(watcher, watcher.key, logged[watcher.key], runs, case, into)


def _first_validation(fit: FitRecord) -> Mapping[str, float]:
    return next((e.values for e in fit.epochs if (e.stage, e.epoch) == ("validate", 0)), {})


def _judge_score(
    watcher: Watcher, key: str, chosen: float, runs: Runs, case: CaseFacts, into: Gathering
) -> None:
    record = runs.reloaded()
    value = record.first.values[key]
    again, restored = (
        other.values.get(key, value) for other in (record.first_again, record.first_restored)
    )
    if same(chosen, value, tolerance(value)):
        into.passed += 1
    elif not same(value, again, tolerance(value)):
        text = f"{key!r} differs between two validations of one checkpoint"
        into.undecided.append(sentence(text))
    elif same(chosen, restored, tolerance(chosen)):
        text = (
            f"{watcher.name} judges a checkpoint by {key!r} = {shown(chosen)}, the score of "
            "weights that a callback holds and saves as its state; load_from_checkpoint gives "
            f"others, which score {shown(value)}"
        )
        into.notes.append(sentence(text))
    elif not _explained(runs, key, value, into):
        _tell(watcher, chosen, value, runs, case, into)


def _explained(runs: Runs, key: str, value: float, into: Gathering) -> bool:
    """Whether another mistake has been found that changes the value, or the sanity check does."""
    if any(finding.code in ALREADY for finding in into.findings):
        return True
    values = _first_validation(runs.fit_without_sanity_check())
    return same(values.get(key, value), value, tolerance(value))


def _tell(
    watcher: Watcher, chosen: float, value: float, runs: Runs, case: CaseFacts, into: Gathering
) -> None:
    """What the two validations did not have in common, weights or data, as it was seen."""
    fit, record = runs.fit(), runs.reloaded()
    names = set(fit.parameters) & fit.validated.keys() & record.first_digests.keys()
    moved = sorted(n for n in names if fit.validated[n] != record.first_digests[n])
    data = {epoch.seen for epoch in fit.epochs if epoch.stage == "validate"}
    again = {record.first.seen, record.first_again.seen}
    text = (
        f"{watcher.name} judges a checkpoint by {watcher.key!r} = {shown(chosen)}; loaded again, "
        f"it scores {shown(value)}"
    )
    if moved:
        text += f": other weights were validated than were saved ({moved[0]})"
        into.findings.append(_other_score(text, _SAVE_VALIDATED, watcher, chosen, value, case))
    elif "" in data | again or max(len(data), len(again)) > 1:
        into.undecided.append(sentence(f"{text}; its weights are equal, its data not comparable"))
    elif data != again:
        text += ": its weights are equal, and validate is given other data than fit validates on"
        into.findings.append(_other_score(text, _SAME_SETUP, watcher, chosen, value, case))
    else:
        text += ", with equal weights and equal data; what else differs was not seen"
        into.findings.append(_other_score(text, SAVE_STATE, watcher, chosen, value, case))


def _other_score(
    text: str, remedy: str, watcher: Watcher, chosen: float, value: float, case: CaseFacts
) -> Finding:
    evidence = compared(str(watcher.key), chosen, value, how="the first epoch")
    return found(case, "checkpoint", text, remedy, watcher.location, (evidence,))


_SAVE_VALIDATED = (
    "save the weights that are validated (lightning.pytorch.callbacks.WeightAveraging does)"
)
_SAME_SETUP = (
    'let setup("validate") prepare what setup("fit") does: splits, statistics and vocabularies '
    "that only fit makes are missing where a checkpoint is validated or tested by itself"
)
