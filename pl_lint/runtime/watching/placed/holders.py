"""Under which name does a module hold a tensor that was not moved with it?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import torch
from torchmetrics import Metric

from pl_lint.facts.devices import BATCH, METRIC, MODULE, PARAMETER, TENSOR
from pl_lint.runtime.watching.callsite import of_library

DEPTH = 4
"""How far a tensor is looked for inside of an attribute: a list of a dict of an object's own."""
REGISTERED = ("_parameters", "_buffers", "_modules")


class Held(NamedTuple):
    """What holds the tensor, and the tensor's or the holder's name."""

    holder: str
    name: str


def held_by(module: torch.nn.Module, tensor: torch.Tensor) -> Held | None:
    """Of all that ``module`` holds, what shares its memory with ``tensor``."""
    for prefix, part in module.named_modules(prefix="self"):
        for name, value in _own(part):
            for held, each in _tensors(f"{prefix}.{name}", value, TENSOR, DEPTH):
                if same_memory(each, tensor):
                    return held
    registered = (*module.named_parameters(prefix="self"), *module.named_buffers(prefix="self"))
    late = (name for name, each in registered if same_memory(each, tensor))
    return next((Held(PARAMETER, name) for name in late), None)


def of_batch(batch: Any) -> Iterator[tuple[Held, torch.Tensor]]:
    """The tensors of a batch, as far as Lightning hands it to a step."""
    return _tensors(BATCH, batch, BATCH, DEPTH)


def _own(part: torch.nn.Module) -> Iterator[tuple[str, Any]]:
    """What a module keeps beside what it registers, without what Lightning and torch keep there."""
    for name, value in vars(part).items():
        if name not in REGISTERED and name not in ("_trainer", "_fabric") and not _hooks(name):
            yield name, value


def _hooks(name: str) -> bool:
    return name.endswith(("_hooks", "_hooks_with_kwargs", "_hooks_always_called"))


def _tensors(name: str, value: Any, holder: str, depth: int) -> Iterator[tuple[Held, torch.Tensor]]:
    if isinstance(value, torch.Tensor):
        yield Held(holder, name), value
    elif isinstance(value, torch.nn.Module):
        kind = METRIC if isinstance(value, Metric) else MODULE
        for tensor in _all_of(value):
            yield Held(kind, name), tensor
    elif depth:
        for part, each in _inside(name, value):
            yield from _tensors(part, each, holder, depth - 1)


def _all_of(module: torch.nn.Module) -> Iterator[torch.Tensor]:
    for part in module.modules():
        states = (value for value in vars(part).values() if isinstance(value, torch.Tensor))
        yield from (*part.parameters(recurse=False), *part.buffers(recurse=False), *states)


def _inside(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        yield from ((f"{name}[{key!r}]", each) for key, each in list(value.items()))
    elif isinstance(value, (list, tuple)):
        yield from ((f"{name}[{number}]", each) for number, each in enumerate(value))
    elif hasattr(value, "__dict__") and not isinstance(value, type) and not of_library(value):
        yield from ((f"{name}.{part}", each) for part, each in list(vars(value).items()))


def same_memory(one: torch.Tensor, other: torch.Tensor) -> bool:
    if one.device != other.device or one.layout is not other.layout is not torch.strided:
        return False
    return one.untyped_storage()._cdata == other.untyped_storage()._cdata
