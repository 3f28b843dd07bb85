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

from collections.abc import Iterator
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


class FollowNormalisers(TorchFunctionMode):
    """While active, remembers for every scalar tensor the denominators that went into it.

    Beside the tensors, not in them: a tensor's attributes would go into the user's checkpoints.
    """

    def __init__(self) -> None:
        super().__init__()
        self._found: WeakIdKeyDictionary = WeakIdKeyDictionary()
        self._predicted: WeakIdKeyDictionary = WeakIdKeyDictionary()
        self._taken_out: dict[float, dict[str, float]] = {}
        self._reduced: WeakIdKeyDictionary = WeakIdKeyDictionary()
        self._reduced_numbers: dict[float, set[str]] = {}

    def of(self, value: Any) -> dict[str, float]:
        """Of a tensor, or of the number that ``item()`` took out of one."""
        if isinstance(value, float):
            return self._taken_out.get(value, {})
        return self._found.get(value, {}) if isinstance(value, torch.Tensor) else {}

    def reductions_of(self, value: Any) -> tuple[str, ...]:
        """Which operations made one number of many on the way to this one: ``sum``, ``max``;
        ``other`` for one that is not known."""
        if isinstance(value, torch.Tensor):
            return tuple(sorted(self._reduced.get(value, ())))
        plain = isinstance(value, (int, float)) and not isinstance(value, bool)
        return tuple(sorted(self._reduced_numbers.get(value, ()))) if plain else ()

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        sources = list(_tensors((*args, *kwargs.values())))
        if any(map(self._is_predicted, sources)):
            for made in _tensors((result,)):
                self._predicted[made] = True
        if isinstance(result, torch.Tensor) and result.numel() == 1:
            found = self._left_of(func, sources, args)
            divisor = (
                None if self._divides_by_prediction(func, args) else _divisor(func, args, kwargs)
            )
            if divisor is not None:
                place = caller()
                found[f"{getattr(func, '__name__', 'op')}@{place.line}:{place.column}"] = divisor
            if found:
                self._found[result] = found
        elif isinstance(result, float) and sources:
            self._taken_out[result] = self.of(sources[0])
        self._note_reduction(result, func, sources, kwargs)
        return result

    def _note_reduction(
        self, result: Any, func: Any, sources: list[torch.Tensor], kwargs: dict[str, Any]
    ) -> None:
        """A mean over the first dimension is one over the batch, whatever is made of it."""
        made = {name for source in sources for name in self._reduced.get(source, ())}
        if isinstance(result, torch.Tensor):
            if result.numel() == 1 and any(source.numel() > 1 for source in sources):
                made |= _reduction(func, kwargs)
            elif self._bends(result, func, sources) or _averages_batch(result, func, sources):
                made.add("other")
            if made:
                self._reduced[result] = made
        elif isinstance(result, (int, float)) and not isinstance(result, bool) and sources:
            self._reduced_numbers[result] = made

    def _bends(self, result: torch.Tensor, func: Any, sources: list[torch.Tensor]) -> bool:
        """The root of a mean, the product or ratio of two, and what is made of a mean and many
        numbers, as a variance is: none of them is a mean over the samples."""
        made = [source for source in sources if self._reduced.get(source)]
        if not made or result.numel() > 1:
            return any(source.numel() == 1 for source in made)
        name = str(getattr(func, "__name__", "")).strip("_")
        return name in _CURVED or (len(made) > 1 and func in (*_DIVISIONS, *_MULTIPLICATIONS))

    def _left_of(
        self, func: Any, sources: list[torch.Tensor], args: tuple[Any, ...]
    ) -> dict[str, float]:
        """The denominators that went into one number, less what it is multiplied by."""
        if func not in _MULTIPLICATIONS or len(args) < 2:
            return {k: v for source in sources for k, v in self.of(source).items()}
        one, other = args[:2]
        found: dict[str, float] = {}
        for mine, factor in ((one, other), (other, one)):
            known = None if self._is_learned(factor) else _one_number(factor)
            found |= {k: v / (abs(known or 1.0)) for k, v in self.of(mine).items()}
        return found

    def _is_learned(self, factor: Any) -> bool:
        return isinstance(factor, torch.Tensor) and self._is_predicted(factor)

    def _is_predicted(self, tensor: torch.Tensor) -> bool:
        return isinstance(tensor, torch.nn.Parameter) or tensor in self._predicted

    def _divides_by_prediction(self, func: Any, args: tuple[Any, ...]) -> bool:
        divisor = args[1] if func in _DIVISIONS and len(args) > 1 else None
        return isinstance(divisor, torch.Tensor) and self._is_predicted(divisor)


def _tensors(args: tuple[Any, ...]) -> Iterator[torch.Tensor]:
    for arg in args:
        if isinstance(arg, torch.Tensor):
            yield arg
        elif isinstance(arg, (list, tuple)):
            yield from (item for item in arg if isinstance(item, torch.Tensor))


def _averages_batch(result: torch.Tensor, func: Any, sources: list[torch.Tensor]) -> bool:
    return func in _MEANS and result.shape[:1] != sources[0].shape[:1]


def _reduction(func: Any, kwargs: dict[str, Any]) -> set[str]:
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


def _divisor(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> float | None:
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


def _class_loss_divisor(args: tuple[Any, ...], kwargs: dict[str, Any]) -> float | None:
    """The weights of the targets that count, summed (torch.nn.CrossEntropyLoss, 'mean')."""
    target = args[1] if len(args) > 1 else kwargs.get("target")
    weight = args[2] if len(args) > 2 else kwargs.get("weight")
    if not isinstance(target, torch.Tensor) or target.is_floating_point():
        return None
    counted = target[target != kwargs.get("ignore_index", -100)]
    return float(counted.numel() if weight is None else weight[counted].sum())
