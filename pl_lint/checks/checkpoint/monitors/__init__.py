"""What watches a key: does it find it, and does it keep what is best by it?"""

from __future__ import annotations

from pl_lint.checks.checkpoint.monitors.files import judge_file_names, judge_files, judge_kept_best
from pl_lint.checks.checkpoint.monitors.keys import judge_key
from pl_lint.checks.checkpoint.monitors.modes import wrong_direction
from pl_lint.checks.checkpoint.monitors.planted import offered
from pl_lint.checks.checkpoint.monitors.scores import judge_scores
from pl_lint.checks.registry import Gathering, Runs
from pl_lint.facts.events import CaseFacts, Note, sentence
from pl_lint.facts.records import FitRecord
from pl_lint.facts.watchers import CHECKPOINT, PlantedKeeper


def judge_monitors(runs: Runs, case: CaseFacts, into: Gathering) -> None:
    fit = runs.fit()
    if not fit.watchers:
        return
    for watcher in fit.watchers:
        judge_key(watcher, fit, case, into)
        if not watcher.missing and watcher.kind != CHECKPOINT:
            into.findings += wrong_direction(watcher, fit, None, case)
    if any(watcher.kind == CHECKPOINT for watcher in fit.watchers):
        _judge_keepers(runs, fit, case, into)
    judge_scores(runs, fit, case, into)
    _note_weights(fit, into)


def _judge_keepers(runs: Runs, fit: FitRecord, case: CaseFacts, into: Gathering) -> None:
    record = runs.planted()
    if record.error is not None:
        into.undecided.append(Note("checkpoint callbacks under planted scores", str(record.error)))
        return
    missing = {watcher.key for watcher in fit.watchers if watcher.missing}
    into.findings += judge_kept_best(record, case)
    for keeper in record.keepers:
        into.findings += judge_file_names(keeper, fit.watchers[0].available, case)
        if keeper.watcher.key is not None and keeper.watcher.key not in missing:
            _judge_choice(keeper, fit, case, into)


def _judge_choice(keeper: PlantedKeeper, fit: FitRecord, case: CaseFacts, into: Gathering) -> None:
    """What one callback took for the best of different scores."""
    if len(set(offered(keeper))) < 2 or keeper.best is None:
        text = f"{keeper.watcher.name} saved nothing under planted scores"
        into.untriggered.append(sentence(text))
        return
    into.passed += 1
    into.findings += wrong_direction(keeper.watcher, fit, keeper, case)
    into.findings += judge_files(keeper, fit, case)


def _note_weights(fit: FitRecord, into: Gathering) -> None:
    keepers = [watcher for watcher in fit.watchers if watcher.kind == CHECKPOINT]
    if keepers and all(watcher.weights_only for watcher in keepers):
        text = "every checkpoint is saved with save_weights_only=True: none of them can be resumed"
        into.notes.append(sentence(text))
