"""What a module adds up while it evaluates: numbers and lists that change with every batch.

They tell two things that logged values alone do not: that batch means were added up without their
weights, and in which precision.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torchmetrics import Metric

from pl_lint.facts.events import Accumulator
from pl_lint.runtime.watching.holding import held

# Sums of one evaluation; a long one says no more than a short one.
MOST_BATCHES = 64


@dataclass
class Accumulators:
    """The numbers and lists of one module after each batch."""

    _numbers: dict[str, list[float]] = field(default_factory=dict)
    _dtypes: dict[str, str] = field(default_factory=dict)
    _lists: dict[str, list[float]] = field(default_factory=dict)
    _batches: int = 0

    def note(self, module: torch.nn.Module) -> None:
        """After a batch. What is first seen now was nothing before."""
        if self._batches >= MOST_BATCHES:
            return
        for name, value in _states(module):
            if isinstance(value, list):
                self._note_list(name, value)
            else:
                number, dtype = _number(value)
                self._dtypes[name] = dtype
                self._numbers.setdefault(name, [0.0] * self._batches).append(number)
        self._batches += 1

    def _note_list(self, name: str, value: list[Any]) -> None:
        """A list that each batch appends one number to, or one dict or tuple of numbers."""
        last = value[-1] if len(value) == self._batches + 1 else None
        for place, item in _parts(last):
            if _is_number(item):
                self._lists.setdefault(f"{name}{place}", []).append(_number(item)[0])

    def found(self) -> tuple[Accumulator, ...]:
        lists = [
            Accumulator(name, "", tuple(values), is_list=True)
            for name, values in self._lists.items()
            if len(values) == self._batches
        ]
        numbers = [
            Accumulator(name, self._dtypes[name], tuple(values))
            for name, values in self._numbers.items()
            if len(values) == self._batches and len(set(values)) > 1
        ]
        return (*lists, *numbers)


def _states(module: torch.nn.Module) -> Iterator[tuple[str, Any]]:
    """Numbers and lists of the module itself, its buffers, and the states of its metrics."""
    for name, value in held(module).items():
        if name.startswith("_"):
            continue
        if isinstance(value, Mapping):
            yield from ((f"{name}.{key}", item) for key, item in value.items() if _is_state(item))
        elif _is_state(value):
            yield name, value
    yield from ((n, b) for n, b in module.named_buffers() if _is_number(b) and "." not in n)
    for prefix, child in module.named_modules():
        if isinstance(child, Metric):
            states = ((key, getattr(child, key)) for key in child._defaults)
            yield from ((f"{prefix}.{key}", s) for key, s in states if _is_number(s))


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    """What a batch appended, by its place in it."""
    if isinstance(value, dict):
        yield from ((f"[{key!r}]", item) for key, item in value.items())
    elif isinstance(value, tuple):
        yield from ((f"[{number}]", item) for number, item in enumerate(value))
    else:
        yield "", value


def _is_state(value: Any) -> bool:
    return isinstance(value, list) or _is_number(value)


def _is_number(value: Any) -> bool:
    if isinstance(value, torch.Tensor):
        return value.numel() == 1
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _number(value: Any) -> tuple[float, str]:
    if isinstance(value, torch.Tensor):
        return float(value), str(value.dtype).removeprefix("torch.")
    return float(value), ""
