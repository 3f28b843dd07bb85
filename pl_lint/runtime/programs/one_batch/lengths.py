"""A sample beside others of its own length, and beside a longer one: does padding get into it?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from pl_lint.facts.events import Note, RunError
from pl_lint.facts.training import Company
from pl_lint.runtime.programs.common import STAGE_STEPS, caught
from pl_lint.runtime.programs.one_batch.serving import ONE_LONGER, SHORT, OneBatch
from pl_lint.runtime.watching.trained.mode_hooks import own_method
from pl_lint.runtime.watching.trained.neighbours import Call, apart, is_of_torch, largest

OTHERS = slice(1, None)
# Of torch's layers these carry padding from step to step, or weigh it in; of others (convolutions,
# pools of the largest) it is usual that they see the padding next to them.
_CARRYING = (
    *(nn.RNNBase, nn.MultiheadAttention, nn.TransformerEncoder, nn.TransformerEncoderLayer),
    *(nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d),
)
Tensors = Sequence[torch.Tensor]


def padded_company(batch: OneBatch, notes: list[Note]) -> tuple[Company, ...]:
    """What became of samples when a longer one came into their batch; nothing where all samples
    have one length, or where the collate function makes them so."""
    if not batch.arrangement.varied:
        return ()
    errors, passes = list[RunError](), list[list[Call]]()
    with caught(errors, batch.stage):
        passes += [batch.calls(name) for name in (SHORT, ONE_LONGER, SHORT)]
    if errors:
        notes.append(Note("lengths", str(errors[0])))
        return ()
    one, other, again = passes
    if not [c.module for c in one] == [c.module for c in other] == [c.module for c in again]:
        notes.append(Note("lengths", f"two passes of {batch.stage} do not call the same modules"))
        return ()
    pairs = [_Longer(a, b, c) for a, b, c in zip(one, other, again, strict=True)]
    return tuple(_judged(batch, pairs, notes))


@dataclass(frozen=True)
class _Longer:
    """One call without and with a longer sample, and once more without."""

    call: Call
    longer: Call
    again: Call
    from_end: bool = False

    @property
    def inputs(self) -> float | None:
        return self._apart(self.call.inputs, self.longer.inputs)

    @property
    def outputs(self) -> float | None:
        return self._apart(self.call.outputs, self.longer.outputs)

    def _apart(self, one: Tensors, other: Tensors) -> float | None:
        cut = self.cut(one, other)
        return None if cut is None else apart(*cut, OTHERS)

    def cut(self, one: Tensors, other: Tensors) -> tuple[Tensors, Tensors] | None:
        """Without what is there for the longer sample only."""
        if [each.dim() for each in one] != [each.dim() for each in other] or not one:
            return None
        pairs = list(zip(one, other, strict=True))
        return [self._part(a, b) for a, b in pairs], [self._part(b, a) for a, b in pairs]

    def _part(self, tensor: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        for dim, size in enumerate(other.shape):
            length = min(size, tensor.shape[dim])
            start = tensor.shape[dim] - length if self.from_end else 0
            tensor = tensor.narrow(dim, start, length)
        return tensor

    @property
    def lengths(self) -> tuple[int, int] | None:
        """Of what came in, before and after; nothing where it is the same."""
        sizes = zip(_shapes(self.call.inputs), _shapes(self.longer.inputs), strict=False)
        return next(((a, b) for a, b in sizes if a != b), None)

    @property
    def is_fixed(self) -> bool:
        """Whether what comes out has the same shape, however long the samples are."""
        return _shapes(self.call.outputs) == _shapes(self.longer.outputs)

    @property
    def mixes(self) -> bool:
        before, after = self.inputs, self.outputs
        return before is not None and after is not None and before <= 1 < after


def _shapes(tensors: Tensors) -> list[int]:
    return [size for tensor in tensors for size in tensor.shape]


def _judged(batch: OneBatch, pairs: list[_Longer], notes: list[Note]) -> Iterator[Company]:
    first = next((pair for pair in pairs if pair.call.inputs), None)
    if first is None or first.lengths is None:
        return
    from_end = (first.inputs or 0.0) > 1  # padded in front
    pairs = [_Longer(each.call, each.longer, each.again, from_end) for each in pairs]
    first = next(pair for pair in pairs if pair.call.inputs)
    if first.inputs is None or first.inputs > 1:
        notes.append(Note("lengths", "the collate function changes more than the padding"))
        return
    for pair in _telling(pairs):
        if not pair.call.is_chance(pair.again):
            inner = pairs[: pairs.index(pair) + 1]
            culprit = next((each for each in inner if each.mixes), None)
            yield _told(batch, pair, culprit, first.lengths or (0, 0))


def _telling(pairs: list[_Longer]) -> Iterator[_Longer]:
    """Results of a fixed shape, and the last one: what comes before it may be masked."""
    known = [pair for pair in pairs if pair.call.outermost and pair.outputs is not None]
    yield from (pair for pair in known if pair.is_fixed or pair is known[-1])


def _told(
    batch: OneBatch, pair: _Longer, culprit: _Longer | None, lengths: tuple[int, int]
) -> Company:
    mixed = (pair.outputs or 0.0) > 1
    cut = pair.cut(pair.call.outputs, pair.longer.outputs) or ((), ())
    difference, size = largest(*([each[OTHERS] for each in tensors] for tensors in cut))
    names = {id(child): name for name, child in batch.subject.module.named_modules()}
    guilty = culprit.call.module if culprit else batch.subject.module
    is_prediction = pair.call.module is batch.subject.module and not pair.call.inputs
    own = own_method(guilty, "forward" if culprit else STAGE_STEPS[batch.stage])
    return Company(
        stage=batch.stage,
        call="prediction" if is_prediction else names.get(id(pair.call.module), ""),
        mixed=mixed,
        by=names.get(id(guilty), ""),
        kind=type(guilty).__name__,
        difference=difference,
        size=size,
        by_design=_by_design(guilty) if mixed else "",
        location=own,
        of_torch=is_of_torch(guilty),
        lengths=lengths,
    )


def _by_design(module: nn.Module) -> str:
    if is_of_torch(module) and not isinstance(module, _CARRYING):
        return f"{type(module).__name__} sees the padding that lies next to a sample"
    return ""
