"""One batch learnt by heart; samples that should not see each other; hooks that nobody calls."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from pl_lint.facts.events import Note, RunError
from pl_lint.facts.records import TrainingRecord
from pl_lint.facts.training import HookLike
from pl_lint.runtime.programs.common import Subject, caught, fresh
from pl_lint.runtime.programs.one_batch.evaluated import evaluated_modes
from pl_lint.runtime.programs.one_batch.neighbours import company
from pl_lint.runtime.programs.one_batch.overfitting import overfit
from pl_lint.runtime.programs.smoke import METHODS, tried
from pl_lint.runtime.specs import RunSpec
from pl_lint.runtime.watching.saved.construction import (
    Construction,
    watched_construction,
    watched_loading,
)
from pl_lint.runtime.watching.trained.hook_likes import candidates, counted, installed_version
from pl_lint.runtime.watching.trained.mode_hooks import own_method


def run(spec: RunSpec, directory: Path, rank: int) -> TrainingRecord:
    subject = fresh(spec)
    facts, notes = subject.facts(), list[Note]()
    with watched_construction(type(subject.module)) as built, watched_loading() as loaded:
        other = fresh(spec)
    given = tuple(_given(built, loaded, other.module))
    overfitting, cuts = overfit(subject, directory, notes)
    return TrainingRecord(
        rank=rank,
        case=facts,
        step_place=own_method(subject.module, "training_step"),
        overfitting=overfitting,
        cuts=cuts,
        company=company(other, directory, notes),
        hook_likes=_hook_likes(spec, subject, directory, notes),
        mode_changes=tuple(evaluated_modes(subject, directory, notes)),
        given=given,
        notes=tuple(notes),
    )


def _given(built: Construction, loaded: set[int], module: torch.nn.Module) -> Iterator[str]:
    """Submodules that were arguments or were loaded with weights: they have been trained before."""
    known = loaded | {id(each) for each in built.arguments.values()}
    return (name for name, child in module.named_modules() if id(child) in known)


def _hook_likes(
    spec: RunSpec, subject: Subject, directory: Path, notes: list[Note]
) -> tuple[HookLike, ...]:
    """Methods named nearly as hooks, counted over one batch of every stage that there is."""
    found = candidates(_objects(subject), _version(subject), subject.stages)
    errors: list[RunError] = []
    with counted(found):
        for stage in subject.stages if found else ():
            with caught(errors, METHODS[stage]):
                tried(fresh(spec), METHODS[stage], directory)
    notes += [Note("hooks", str(error)) for error in errors]
    return () if errors else tuple(each.told() for each in found)


def _objects(subject: Subject) -> Iterator[Any]:
    yield subject.module
    if subject.supply.owner is not subject.module:
        yield subject.supply.owner
    yield from subject.callbacks


def _version(subject: Subject) -> tuple[int, int]:
    package = importlib.import_module(subject.namespace.name.split(".")[0])
    return installed_version(str(package.__version__))
