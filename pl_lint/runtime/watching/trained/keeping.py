"""What a module keeps in plain attributes: values that pile up, graphs that stay alive, parameters
that nobody registered."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from pl_lint.facts.training import Kept, Unregistered
from pl_lint.runtime.watching.callsite import of_library
from pl_lint.runtime.watching.holding import held, is_plain_object, names_of_every
from pl_lint.runtime.watching.trained.methods import mentioning, renewing, shortening

_DEPTH = 3
"""Lists in lists are followed so far."""
_MOST_NODES = 3000
_SAMPLE = 3
"""So many of the newest tensors of a list are asked for their graphs' size."""


@dataclass(frozen=True)
class Measure:
    """What one attribute holds now."""

    size: int = 0
    tensors: int = 0
    graphs: int = 0
    depth: int = 0
    container: bool = False
    flat: bool = True


_NOTHING = Measure()


def measured(module: torch.nn.Module) -> dict[str, Measure]:
    """The lists, dicts and tensors that the module and its submodules hold in plain attributes."""
    return {
        name: measure
        for name, value in _attributes(module)
        if (measure := _measure(value)) is not None
    }


def kept(
    module: torch.nn.Module,
    batches: Sequence[dict[str, Measure]],
    epochs: Sequence[dict[str, Measure]],
) -> Iterator[Kept]:
    """What grew between two ends of epochs, and tensors whose graphs piled up over two batches."""
    early, late = _two(batches)
    first, last = _two(epochs)
    for name in {**late, **last}:
        then, now = first.get(name, _NOTHING), last.get(name, _NOTHING)
        before, after = early.get(name, _NOTHING), late.get(name, _NOTHING)
        piles = after.graphs and (after.graphs > before.graphs or after.depth > before.depth)
        if not piles and not (now.container and now.size > then.size):
            continue
        yield Kept(
            attribute=name,
            sizes=(then.size, now.size),
            tensors=now.tensors,
            flat=now.flat,
            graphs=(before.graphs, after.graphs),
            depth=(before.depth, after.depth),
            mentioned=_named_by(mentioning, module, name),
            shortened=_named_by(shortening, module, name),
            renewed=_named_by(renewing, module, name),
        )


def _named_by(
    search: Callable[[type, str], Iterator[str]], module: torch.nn.Module, path: str
) -> tuple[str, ...]:
    """Methods of the module, and of what holds the attribute in it, that do something with it."""
    owners, holder = {type(module)}, module
    *parts, name = path.split(".")
    for part in parts:
        holder = getattr(holder, part, holder)
        owners.add(type(holder))
    return tuple(sorted({method for owner in owners for method in search(owner, name)}))


def _two(measures: Sequence[dict[str, Measure]]) -> tuple[dict[str, Measure], dict[str, Measure]]:
    """The first and the second, where both were made."""
    return (measures[0], measures[1]) if len(measures) > 1 else ({}, {})


def unregistered(module: torch.nn.Module, optimized: Collection[int]) -> Iterator[Unregistered]:
    """Trainable parameters that a plain attribute holds and ``parameters()`` does not name."""
    registered = {id(parameter) for parameter in module.parameters()}
    for name, value in _attributes(module):
        lost = {id(p): p for p in _parameters(value) if p.requires_grad and id(p) not in registered}
        if lost:
            trained = sum(p.grad is not None and bool(p.grad.any()) for p in lost.values())
            yield Unregistered(name, len(lost), bool(trained), any(i in optimized for i in lost))


def _attributes(module: torch.nn.Module) -> Iterator[tuple[str, Any]]:
    """Plain attributes of all that the user's own classes are, by dotted name."""
    house = names_of_every(module)
    for prefix, child in module.named_modules():
        if of_library(child):
            continue
        for name, value in held(child).items():
            if name in house:
                continue
            path = f"{prefix}.{name}" if prefix else name
            yield path, value
            if is_plain_object(value):
                yield from ((f"{path}.{n}", v) for n, v in held(value).items())


def _measure(value: Any) -> Measure | None:
    if isinstance(value, torch.nn.Module) or (isinstance(value, deque) and value.maxlen):
        return None  # the first is registered or no value; the second cannot grow for ever
    if isinstance(value, torch.Tensor):
        nodes = _nodes(value)
        return Measure(1, 1, int(nodes > 0), nodes) if nodes else None
    if not isinstance(value, (list, dict, set, deque)):
        return None
    leaves = list(_leaves(value, _DEPTH))
    tensors = [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]
    graphs = [tensor for tensor in tensors if tensor.grad_fn is not None]
    depth = max((_nodes(tensor) for tensor in graphs[-_SAMPLE:]), default=0)
    flat = not any(isinstance(item, (list, tuple, dict)) for item in _items(value))
    return Measure(len(leaves), len(tensors), len(graphs), depth, container=True, flat=flat)


def _leaves(value: Any, depth: int) -> Iterator[Any]:
    for item in _items(value):
        if depth and isinstance(item, (list, tuple, dict, set, deque)):
            yield from _leaves(item, depth - 1)
        else:
            yield item


def _items(value: Any) -> list[Any]:
    inner: Iterable[Any] = value.values() if isinstance(value, dict) else value
    return list(inner)


def _nodes(tensor: torch.Tensor) -> int:
    """How many operations a tensor's graph remembers; 0 where it has none."""
    seen, waiting = set(), [tensor.grad_fn]
    while waiting and len(seen) < _MOST_NODES:
        node = waiting.pop()
        if node is not None and node not in seen:
            seen.add(node)
            waiting += [following for following, _ in node.next_functions]
    return len(seen)


def _parameters(value: Any, depth: int = _DEPTH) -> Iterator[torch.nn.Parameter]:
    if isinstance(value, torch.nn.Module):
        yield from value.parameters()
    elif isinstance(value, torch.nn.Parameter):
        yield value
    elif depth and isinstance(value, (list, tuple, dict, set)):
        for item in _items(value):
            yield from _parameters(item, depth - 1)
