"""By what was a logged value divided? Tokens, pixels, summed class weights, or the batch size.

A loss with ``ignore_index`` or class weights, or a mean over tokens, is a ratio inside the batch.
Its epoch mean moves a little when the data are cut otherwise, and this is no batch-averaged metric.
To tell the two apart, the denominators are followed from the operation that divides to
``self.log``; the check then tests whether Σ denominator·value / Σ denominator is the value over all
data.

An F1 is such a ratio too, and averaging it is a mistake. What tells them apart: a loss is divided
by a number that the data alone decide, an F1 by one that depends on what the module predicted. So
it is also followed which tensors were computed from the module's parameters.

A mean that is multiplied by a count is a sum again: a denominator is kept as what is left of it.
For values that are not averaged over batches (``reduce_fx="max"``) it is noted as well which
operation made one number of many: the largest of the largest is one of the data, however they are
cut.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakIdKeyDictionary

from pl_lint.runtime.watching.callsite import caller

_MEANS = (torch.mean, torch.Tensor.mean, torch.nanmean, torch.Tensor.nanmean)
_DIVISIONS = (
    torch.div,
    torch.true_divide,
    torch.Tensor.div,
    torch.Tensor.__truediv__,
    torch.Tensor.true_divide,
)
_CLASS_LOSSES = (F.cross_entropy, F.nll_loss)
_MULTIPLICATIONS = (
    torch.mul,
    torch.multiply,
    torch.Tensor.mul,
    torch.Tensor.multiply,
    torch.Tensor.__mul__,
    torch.Tensor.__rmul__,
)
_ELEMENT_LOSSES = (
    F.mse_loss,
    F.l1_loss,
    F.smooth_l1_loss,
    F.huber_loss,
    F.binary_cross_entropy,
    F.binary_cross_entropy_with_logits,
)
_CURVED = ("sqrt", "rsqrt", "pow", "rpow", "square", "exp", "log", "log2", "log10", "log1p")
_PICKS = ("__getitem__", "select", "index_select", "take", "gather", "masked_select")
_REDUCTIONS = ("sum", "nansum", "count_nonzero", "max", "amax", "min", "amin")


@dataclass(frozen=True)
class Told:
    """What is known of a tensor: by what it was divided, whether the module's parameters decide it,
    and which operations made one number of many on the way to it."""

    denominators: Mapping[str, float] = field(default_factory=dict)
    predicted: bool = False
    reductions: frozenset[str] = frozenset()


NOTHING = Told()


@dataclass(frozen=True)
class Operation:
    """A call of one of torch's functions: the tensors it was given, and what is known of them."""

    func: Any
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    sources: Sequence[torch.Tensor]
    told: Sequence[Told]

    @property
    def is_predicted(self) -> bool:
        return any(told.predicted for told in self.told) or any(
            isinstance(source, torch.nn.Parameter) for source in self.sources
        )


class FollowNormalisers(TorchFunctionMode):
    """While active, remembers for every scalar tensor the denominators that went into it.

    Beside the tensors, not in them: a tensor's attributes would go into the user's checkpoints.
    All in one place: to find a tensor in a weak dictionary takes longer than to add two of them.
    """

    def __init__(self) -> None:
        super().__init__()
        self._told: WeakIdKeyDictionary = WeakIdKeyDictionary()
        self._taken_out: dict[float, Mapping[str, float]] = {}
        self._reduced_numbers: dict[float, frozenset[str]] = {}

    def of(self, value: Any) -> Mapping[str, float]:
        """Of a tensor, or of the number that ``item()`` took out of one."""
        if isinstance(value, float):
            return self._taken_out.get(value, {})
        return self._known(value).denominators if isinstance(value, torch.Tensor) else {}

    def reductions_of(self, value: Any) -> tuple[str, ...]:
        """Which operations made one number of many on the way to this one: ``sum``, ``max``;
        ``other`` for one that is not known."""
        if isinstance(value, torch.Tensor):
            return tuple(sorted(self._known(value).reductions))
        return tuple(sorted(self._reduced_numbers.get(value, ()))) if _is_number(value) else ()

    def _known(self, tensor: torch.Tensor) -> Told:
        told: Told = self._told.get(tensor, NOTHING)
        return told

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Most of what is asked of tensors are shapes and the like, which nobody divides by."""
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        made = list(_tensors((result,)))
        if made or _is_number(result):
            sources = list(_tensors((*args, *kwargs.values())))
            told = [self._known(source) for source in sources]
            if _is_number(result):
                self._note_number(result, told)
            for tensor in made:
                self._note(tensor, Operation(func, args, kwargs, sources, told), tensor is result)
        return result

    def _note_number(self, number: float, told: Sequence[Told]) -> None:
        """``item()`` and the like: numbers that no tensor is asked for come from nowhere."""
        if told and isinstance(number, float):
            self._taken_out[number] = told[0].denominators
        if told:
            self._reduced_numbers[number] = _united(told)

    def _note(self, made: torch.Tensor, by: Operation, alone: bool) -> None:
        """Of a result that is one of several, only whether it is predicted."""
        before = self._known(made)
        predicted = before.predicted or by.is_predicted
        denominators = self._denominators(made, by) if alone and made.numel() == 1 else {}
        reductions = _reductions(made, by) if alone else frozenset()
        told = Told(denominators or before.denominators, predicted, reductions or before.reductions)
        if told != NOTHING:
            self._told[made] = told

    def _denominators(self, made: torch.Tensor, by: Operation) -> dict[str, float]:
        found = self._left_of(by)
        divisor = None if self._divides_by_prediction(by) else _divisor(by.func, by.args, by.kwargs)
        if divisor is not None:
            place = caller()
            found[f"{getattr(by.func, '__name__', 'op')}@{place.line}:{place.column}"] = divisor
        return found

    def _left_of(self, by: Operation) -> dict[str, float]:
        """The denominators that went into one number, less what it is multiplied by."""
        if by.func not in _MULTIPLICATIONS or len(by.args) < 2:
            return {k: v for told in by.told for k, v in told.denominators.items()}
        one, other = by.args[:2]
        found: dict[str, float] = {}
        for mine, factor in ((one, other), (other, one)):
            known = None if self._is_learned(factor) else _one_number(factor)
            found |= {k: v / (abs(known or 1.0)) for k, v in self.of(mine).items()}
        return found

    def _is_learned(self, factor: Any) -> bool:
        return isinstance(factor, torch.Tensor) and self._is_predicted(factor)

    def _is_predicted(self, tensor: torch.Tensor) -> bool:
        return isinstance(tensor, torch.nn.Parameter) or self._known(tensor).predicted

    def _divides_by_prediction(self, by: Operation) -> bool:
        divisor = by.args[1] if by.func in _DIVISIONS and len(by.args) > 1 else None
        return isinstance(divisor, torch.Tensor) and self._is_predicted(divisor)


def _reductions(made: torch.Tensor, by: Operation) -> frozenset[str]:
    """A mean over the first dimension is one over the batch, whatever is made of it."""
    before = _united(by.told)
    if made.numel() == 1 and any(source.numel() > 1 for source in by.sources):
        return before | _reduction(by.func, by.kwargs)
    if _bends(made, by) or _averages_batch(made, by.func, by.sources):
        return before | {"other"}
    return before


def _bends(made: torch.Tensor, by: Operation) -> bool:
    """The root of a mean, the product or ratio of two, and what is made of a mean and many
    numbers, as a variance is: none of them is a mean over the samples."""
    reduced = [source for source, told in zip(by.sources, by.told, strict=True) if told.reductions]
    if not reduced or made.numel() > 1:
        return any(source.numel() == 1 for source in reduced)
    name = str(getattr(by.func, "__name__", "")).strip("_")
    return name in _CURVED or (len(reduced) > 1 and by.func in (*_DIVISIONS, *_MULTIPLICATIONS))


def _united(told: Sequence[Told]) -> frozenset[str]:
    return frozenset().union(*(each.reductions for each in told))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _tensors(args: tuple[Any, ...]) -> Iterator[torch.Tensor]:
    for arg in args:
        if isinstance(arg, torch.Tensor):
            yield arg
        elif isinstance(arg, (list, tuple)):
            yield from (item for item in arg if isinstance(item, torch.Tensor))


def _averages_batch(result: torch.Tensor, func: Any, sources: Sequence[torch.Tensor]) -> bool:
    return func in _MEANS and result.shape[:1] != sources[0].shape[:1]


def _reduction(func: Any, kwargs: Mapping[str, Any]) -> set[str]:
    """One of many elements is picked, as a label of a data set is; losses are asked for a sum by
    name."""
    name = str(getattr(func, "__name__", ""))
    if name in _PICKS:
        return set()
    if name in _REDUCTIONS:
        return {name}
    losses = func in (*_ELEMENT_LOSSES, *_CLASS_LOSSES)
    if func in _MEANS or (losses and kwargs.get("reduction", "mean") == "mean"):
        return {"mean"}
    return {"sum" if kwargs.get("reduction") == "sum" else "other"}


def _divisor(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> float | None:
    """The number that this operation divides by, if it is a mean or a division by one number."""
    if func in _MEANS and args:
        return float(args[0].numel())
    if func in _ELEMENT_LOSSES and kwargs.get("reduction", "mean") == "mean" and args:
        return float(args[0].numel())
    if func in _DIVISIONS and len(args) > 1:
        return _one_number(args[1])
    if func in _CLASS_LOSSES and kwargs.get("reduction", "mean") == "mean":
        return _class_loss_divisor(args, kwargs)
    return None


def _one_number(value: Any) -> float | None:
    if isinstance(value, torch.Tensor):
        return float(value) if value.numel() == 1 else None
    return float(value) if isinstance(value, (int, float)) else None


def _class_loss_divisor(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> float | None:
    """The weights of the targets that count, summed (torch.nn.CrossEntropyLoss, 'mean')."""
    target = args[1] if len(args) > 1 else kwargs.get("target")
    weight = args[2] if len(args) > 2 else kwargs.get("weight")
    if not isinstance(target, torch.Tensor) or target.is_floating_point():
        return None
    counted = target[target != kwargs.get("ignore_index", -100)]
    return float(counted.numel() if weight is None else weight[counted].sum())
