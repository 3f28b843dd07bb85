"""fast_dev_run of every stage that the module has, each on a fresh module and fresh data."""

from __future__ import annotations

from pathlib import Path

from pl_lint.facts.codec import to_json
from pl_lint.facts.events import RunError
from pl_lint.facts.records import SmokeRecord
from pl_lint.runtime.isolation.wire import write_atomically
from pl_lint.runtime.programs.common import Subject, caught, fresh, make_trainer
from pl_lint.runtime.specs import CASE_FILE, RunSpec

METHODS = {"train": "fit", "validate": "validate", "test": "test", "predict": "predict"}


def run(spec: RunSpec, directory: Path, rank: int) -> SmokeRecord:
    subject = fresh(spec)
    facts, stages = subject.facts(), subject.stages
    write_atomically(directory / CASE_FILE, to_json(facts))
    failures: dict[str, RunError] = {}
    for stage in stages:
        errors: list[RunError] = []
        with caught(errors, METHODS[stage]):
            tried(fresh(spec), METHODS[stage], directory)
        failures.update(dict.fromkeys([METHODS[stage]], *errors) if errors else {})
    ran = tuple(METHODS[stage] for stage in stages)
    return SmokeRecord(rank=rank, case=facts, ran=ran, errors=failures)


def tried(subject: Subject, method: str, directory: Path) -> None:
    """One batch of a Trainer method, hooks and all."""
    trainer = make_trainer(subject, directory, fast_dev_run=1)
    quiet = {} if method in ("fit", "predict") else {"verbose": False}
    getattr(trainer, method)(subject.module, **subject.supply.arguments(method), **quiet)
