"""Evaluate one batch twice, with another first sample the second time: what else changes?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from pl_lint.facts.events import Note, RunError
from pl_lint.facts.training import Company
from pl_lint.runtime.programs.common import Subject, caught
from pl_lint.runtime.programs.one_batch.lengths import padded_company
from pl_lint.runtime.programs.one_batch.serving import AS_THEY_ARE, ONE_CHANGED, OneBatch
from pl_lint.runtime.watching.trained.mode_hooks import own_method
from pl_lint.runtime.watching.trained.neighbours import Call, apart, is_of_torch, largest
from pl_lint.runtime.watching.trained.over_batch import FollowDimensions

OTHERS, ITSELF = slice(1, None), slice(0, 1)
STAGES = ("predict", "validate", "test")


def company(subject: Subject, directory: Path, notes: list[Note]) -> tuple[Company, ...]:
    """What each outermost call of a submodule, and each prediction, made of the other samples; of
    samples of another length, too, where there are some."""
    stage = next((each for each in STAGES if each in subject.stages), None)
    if stage is None:
        return ()
    batch = OneBatch(subject, stage, directory)
    errors, passes = list[RunError](), list[list[Call]]()
    with caught(errors, stage):
        passes += [batch.calls(name) for name in (AS_THEY_ARE, ONE_CHANGED)]
        if _mixed(*passes):  # was it chance?
            passes.append(batch.calls(AS_THEY_ARE))
    if errors:
        notes.append(Note("samples", str(errors[0])))
        return ()
    padded = padded_company(batch, notes)
    one, other, again = (*passes, passes[0])[:3]
    if not _same_calls(one, other) or not _same_calls(one, again):
        notes.append(Note("samples", f"two passes of {stage} do not call the same modules"))
        return padded
    names = {id(child): name for name, child in subject.module.named_modules()}
    return (*_compared(_Telling(stage, names, batch.follow), one, other, again), *padded)


def _mixed(one: list[Call], other: list[Call]) -> bool:
    return any(
        (apart(call.outputs, changed.outputs, OTHERS) or 0.0) > 1
        for call, changed in zip(one, other, strict=False)
        if call.outermost
    )


def _same_calls(one: list[Call], other: list[Call]) -> bool:
    return [call.module for call in one] == [call.module for call in other]


@dataclass(frozen=True)
class _Pair:
    """One call without and with the change."""

    call: Call
    changed: Call

    def inputs(self, rows: slice) -> float | None:
        return apart(self.call.inputs, self.changed.inputs, rows)

    def outputs(self, rows: slice) -> float | None:
        return apart(self.call.outputs, self.changed.outputs, rows)

    @property
    def is_prediction(self) -> bool:
        """What ``predict_step`` returned is no call of a submodule."""
        return not self.call.inputs

    @property
    def tells(self) -> bool:
        """Its first sample went out changed and the others came in as before: it could have mixed
        them up."""
        itself, before = self.outputs(ITSELF), self.inputs(OTHERS)
        came_alike = self.is_prediction or (before is not None and before <= 1)
        return came_alike and itself is not None and itself > 1

    @property
    def mixes(self) -> bool:
        """Its other samples came in as before and went out changed."""
        before, after = self.inputs(OTHERS), self.outputs(OTHERS)
        return before is not None and after is not None and before <= 1 < after


@dataclass(frozen=True)
class _Telling:
    """What all that is told of one evaluation needs."""

    stage: str
    names: dict[int, str]
    follow: FollowDimensions


def _compared(
    telling: _Telling, one: list[Call], other: list[Call], again: list[Call]
) -> Iterator[Company]:
    pairs = [_Pair(call, changed) for call, changed in zip(one, other, strict=True)]
    begun = 0
    for index, pair in enumerate(pairs):
        if not pair.call.outermost:
            continue
        inside, begun = pairs[begun : index + 1], index + 1
        if pair.is_prediction:  # made of all calls before it
            inside = pairs
        if pair.tells and not pair.call.is_chance(again[index]):
            yield _told(telling, pair, next((p for p in inside if p.mixes), pair))


def _told(telling: _Telling, pair: _Pair, culprit: _Pair) -> Company:
    mixed = (pair.outputs(OTHERS) or 0.0) > 1
    rows = [[each[OTHERS] for each in call.outputs] for call in (pair.call, pair.changed)]
    difference, size = largest(*rows)
    guilty, names = culprit.call.module, telling.names
    return Company(
        stage=telling.stage,
        call="prediction" if pair.is_prediction else names.get(id(pair.call.module), ""),
        mixed=mixed,
        by=names.get(id(guilty), ""),
        kind=type(guilty).__name__,
        difference=difference,
        size=size,
        by_design=_by_design(guilty) if mixed else "",
        location=own_method(guilty, "predict_step" if pair.is_prediction else "forward"),
        of_torch=is_of_torch(guilty),
        over_batch=telling.follow.by(guilty),
    )


def _by_design(module: torch.nn.Module) -> str:
    """A layer that is made to look at the whole batch, by the user's own choice."""
    if not isinstance(module, torch.nn.modules.batchnorm._NormBase):
        return ""
    if module.training:
        return "batch norm is in training mode"
    return "" if module.track_running_stats else "batch norm without running statistics"
