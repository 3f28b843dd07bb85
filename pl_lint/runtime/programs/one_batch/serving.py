"""One batch of a stage, served to the module again and again with other samples in it."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch.utils.data import Dataset

from pl_lint.runtime.data import Cut, NotRebuilt, as_list, cut_loader, like, samples_of
from pl_lint.runtime.programs.common import Subject, make_trainer, seed_all
from pl_lint.runtime.watching.trained.neighbours import Call, CallDiary, of_batch
from pl_lint.runtime.watching.trained.over_batch import FollowDimensions

SAMPLES = 7
"""In one batch: prime, and hardly ever the size of anything else."""
CHANGED, INTO = 0, 3
AS_THEY_ARE, ONE_CHANGED = "as they are", "one changed"
SHORT, ONE_LONGER = "short", "one longer"
"""The shortest sample alone, seven times, and with the longest one in the first place, where those
who pack sequences want it."""


@dataclass
class Arrangement:
    """Which samples the batch is made of, and whether any loader has samples of several lengths."""

    name: str = AS_THEY_ARE
    varied: bool = False


class _Samples(Dataset):
    def __init__(self, samples: Sequence[Any], arrangement: Arrangement) -> None:
        self.samples, self.arrangement = samples, arrangement
        self.short, self.longer = _shortest_and_longest(samples)
        arrangement.varied |= self.short is not None

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Any:
        name = self.arrangement.name
        if name in (SHORT, ONE_LONGER) and self.short is not None:
            longer = name == ONE_LONGER and index == CHANGED
            return copy.deepcopy(self.longer if longer else self.short)
        return self.samples[INTO if name == ONE_CHANGED and index == CHANGED else index]


def _shortest_and_longest(samples: Sequence[Any]) -> tuple[Any, Any]:
    """As they come out once: augmentation would make another sample of one each time."""
    known = sorted((samples[index] for index in range(len(samples))), key=_length)
    if _length(known[0]) == _length(known[-1]):
        return None, None
    return known[0], known[-1]


def _length(sample: Any) -> int:
    """How much a sample holds: elements, characters, words."""
    return sum(_lengths(sample))


def _lengths(value: Any) -> Iterator[int]:
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple):  # a torch.Size is one
        yield math.prod(shape)
    elif isinstance(value, (str, bytes)):
        yield len(value)
    elif isinstance(value, dict):
        yield from _lengths(list(value.values()))
    elif isinstance(value, (list, tuple)):
        yield from (each for item in value for each in _lengths(item))
    else:
        yield 1


@dataclass
class OneBatch:
    """Evaluates one batch of a stage, and keeps every call that is made for it."""

    subject: Subject
    stage: str
    directory: Path
    follow: FollowDimensions = field(default_factory=lambda: FollowDimensions(SAMPLES))
    arrangement: Arrangement = field(default_factory=Arrangement)

    def __post_init__(self) -> None:
        def change(loaders: Any) -> Any:
            return like(loaders, [self._cut(loader) for loader in as_list(loaders)])

        self.subject.supply.change(self.stage, change)

    def _cut(self, loader: Any) -> Any:
        samples = samples_of(loader, SAMPLES)
        if len(samples) < SAMPLES:
            raise NotRebuilt(f"a loader has {len(samples)} samples, {SAMPLES} are needed")
        return cut_loader(loader, _Samples(samples, self.arrangement), Cut("one batch", None))

    def calls(self, name: str) -> list[Call]:
        """Those of submodules, inner before outer, and at the end what a prediction returned."""
        self.arrangement.name = name
        subject, diary = self.subject, CallDiary(SAMPLES, self.follow.running)
        trainer = make_trainer(subject, self.directory, max_epochs=1)
        quiet = {} if self.stage == "predict" else {"verbose": False}
        seed_all(subject.spec.seed)
        evaluate = getattr(trainer, self.stage)
        with diary.watching(), self.follow:
            result = evaluate(subject.module, **subject.supply.arguments(self.stage), **quiet)
        predicted = list(of_batch(result, SAMPLES)) if self.stage == "predict" else []
        return [*diary.calls, Call(subject.module, True, [], predicted)]
