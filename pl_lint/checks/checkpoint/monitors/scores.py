"""What a checkpoint was chosen for: does it score that when it is loaded again?"""

from __future__ import annotations

from collections.abc import Mapping

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
        into.findings.append(_other_score(watcher, chosen, value, case))


def _explained(runs: Runs, key: str, value: float, into: Gathering) -> bool:
    """Whether another mistake has been found that changes the value, or the sanity check does."""
    if any(finding.code in ALREADY for finding in into.findings):
        return True
    values = _first_validation(runs.fit_without_sanity_check())
    return same(values.get(key, value), value, tolerance(value))


def _other_score(watcher: Watcher, chosen: float, value: float, case: CaseFacts) -> Finding:
    text = (
        f"{watcher.name} judges a checkpoint by {watcher.key!r} = {shown(chosen)}; loaded again, "
        f"it scores {shown(value)}: other weights were validated than were saved"
    )
    evidence = compared(str(watcher.key), chosen, value, how="the first epoch")
    remedy = (
        "save the weights that are validated (lightning.pytorch.callbacks.WeightAveraging does)"
    )
    return found(case, "checkpoint", text, remedy, watcher.location, (evidence,))
