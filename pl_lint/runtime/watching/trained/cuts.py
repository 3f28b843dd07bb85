"""Where a graph ends: calls whose result no longer leads back to the parameters that made it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from pl_lint.facts.training import CutGraph
from pl_lint.findings import Location
from pl_lint.runtime.watching.arguments import tensors
from pl_lint.runtime.watching.callsite import caller

NO_GRAD = "torch.no_grad"
# Numbers for Python; other properties of a tensor (its shape, its device) are no result.
_LEAVING = ("item", "tolist", "numpy", "__float__", "__int__", "__bool__", "__array__")
_MOST = 200
"""Calls kept at most: a training step that loops over pixels has nothing new to say after that."""


class FollowCuts(TorchFunctionMode):
    """While active, notes every call that has an input with a graph and no output with one.

    Whether that is a fault is not decided here: most such calls count right answers.
    """

    def __init__(self, module: torch.nn.Module) -> None:
        super().__init__()
        self._names = {id(p): name for name, p in module.named_parameters() if p.requires_grad}
        self._found: dict[tuple[str, Location], set[str]] = {}

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        if len(self._found) < _MOST and _ends_here(func, result):
            inputs = [tensor for tensor in tensors((args, kwargs)) if _has_graph(tensor)]
            if inputs:
                self._note(func, inputs)
        return result

    def _note(self, func: Any, inputs: list[torch.Tensor]) -> None:
        name = NO_GRAD if not torch.is_grad_enabled() else _readable(func)
        reached = {n for tensor in inputs for n in self._behind(tensor)}
        if reached:
            self._found.setdefault((name, caller()), set()).update(reached)

    def _behind(self, tensor: torch.Tensor) -> Iterator[str]:
        """The parameters that a tensor was made from."""
        if id(tensor) in self._names:
            yield self._names[id(tensor)]
        seen, waiting = set(), [tensor.grad_fn]
        while waiting:
            node = waiting.pop()
            if node is None or node in seen:
                continue
            seen.add(node)
            variable = getattr(node, "variable", None)
            if variable is not None and id(variable) in self._names:
                yield self._names[id(variable)]
            waiting += [following for following, _ in node.next_functions]

    def found(self) -> tuple[CutGraph, ...]:
        return tuple(
            CutGraph(name, location, tuple(sorted(reached)))
            for (name, location), reached in self._found.items()
        )


def _ends_here(func: Any, result: Any) -> bool:
    made = list(tensors(result))
    if made:
        return not any(tensor.requires_grad for tensor in made)
    return getattr(func, "__name__", "") in _LEAVING


def _has_graph(tensor: torch.Tensor) -> bool:
    return tensor.requires_grad


def _readable(func: Any) -> str:
    """``Tensor.data.__get__`` is what people write as ``.data``."""
    name = getattr(func, "__name__", str(func))
    if name == "__get__":
        owner = getattr(func, "__self__", None)
        name = getattr(owner, "__name__", name)
    return str(name)
