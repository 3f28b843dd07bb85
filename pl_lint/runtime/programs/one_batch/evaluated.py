"""The modes around the hooks of those stages that a fit does not come to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pl_lint.facts.events import Note, RunError
from pl_lint.facts.training import ModeChange
from pl_lint.runtime.programs.common import Subject, caught, make_trainer
from pl_lint.runtime.programs.fitting.fit import shorten
from pl_lint.runtime.watching.trained.modes import ModeDiary

STAGES = ("test", "predict")
BATCHES = 2
"""What a hook of one batch leaves behind shows in the next one."""


def evaluated_modes(subject: Subject, directory: Path, notes: list[Note]) -> Iterator[ModeChange]:
    """What the hooks of test and prediction leave behind. An error in them is the business of the
    check that tries every stage; here it only ends the look."""
    for stage in STAGES:
        if stage not in subject.stages:
            continue
        errors, diary = list[RunError](), ModeDiary(subject.module)
        shorten(subject, stage, BATCHES)
        quiet = {} if stage == "predict" else {"verbose": False}
        with caught(errors, stage), diary.watching(subject.namespace):
            trainer = make_trainer(
                subject,
                directory,
                limit_test_batches=BATCHES,
                limit_predict_batches=BATCHES,
            )
            getattr(trainer, stage)(subject.module, **subject.supply.arguments(stage), **quiet)
        notes += [Note("modes", str(error)) for error in errors]
        yield from diary.hooks.changes()
