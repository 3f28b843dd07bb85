"""What a module and its callbacks keep in plain attributes: values that pile up, graphs that stay
alive, parameters that nobody registered."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from pl_lint.facts.training import Kept, Unregistered
from pl_lint.runtime.watching.callsite import of_library
from pl_lint.runtime.watching.holding import held, is_plain_object, names_of_every
from pl_lint.runtime.watching.trained.methods import (
    appending,
    bounding,
    mentioning,
    renewing,
    shortening,
)
from pl_lint.runtime.watching.trained.mode_hooks import own_method

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
    shape: tuple[int, ...] = ()
    numbers: bool = False


_NOTHING = Measure()


def measured(holder: Any) -> dict[str, Measure]:
    """The lists, dicts and tensors that the module and its submodules hold in plain attributes and
    buffers, or those that a callback holds."""
    if not isinstance(holder, torch.nn.Module):
        return {name: each for name, value in held(holder).items() if (each := _items_of(value))}
    values = (*_attributes(holder), *_buffers(holder))
    return {name: each for name, value in values if (each := _measure(value)) is not None}


def _items_of(value: Any) -> Measure | None:
    """Of a callback's list: one that keeps the dict of each epoch has a history."""
    measure = _measure(value)
    return replace(measure, size=len(value)) if measure and measure.container else measure


def own_callbacks(trainer: Any) -> list[Any]:
    """Those of the user's own classes."""
    return [each for each in trainer.callbacks if not of_library(each)]


def kept(
    holder: Any,
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
        if piles or (now.container and now.size > then.size):
            yield _kept(holder, name, (then, now), (before, after))
        elif (axis := _longer_axis(then.shape, now.shape)) is not None:
            lengths = tuple(replace(each, size=each.shape[axis]) for each in (then, now))
            found = replace(_kept(holder, name, lengths, (before, after)), axis=axis)
            appended = _named_by(appending, holder, name)
            bounded = _named_by(bounding, holder, name)
            if appended:
                shortened = tuple(sorted({*found.shortened, *bounded}))
                yield replace(found, appended=appended, shortened=shortened, numbers=now.numbers)


def _kept(holder: Any, name: str, epochs: Sequence[Measure], batches: Sequence[Measure]) -> Kept:
    (then, now), (before, after) = epochs, batches
    mentioned = _named_by(mentioning, holder, name)
    is_module = isinstance(holder, torch.nn.Module)
    places = (own_method(holder, each) for each in mentioned if each != "__init__")
    return Kept(
        attribute=name,
        sizes=(then.size, now.size),
        tensors=now.tensors,
        flat=now.flat,
        graphs=(before.graphs, after.graphs),
        depth=(before.depth, after.depth),
        mentioned=mentioned,
        shortened=_named_by(shortening, holder, name),
        renewed=_named_by(renewing, holder, name),
        owner="" if is_module else type(holder).__name__,
        location=None if is_module else next(places, None),
    )


def _longer_axis(then: tuple[int, ...], now: tuple[int, ...]) -> int | None:
    """The only one in which two shapes differ, if the second is longer in it."""
    if len(then) != len(now):
        return None
    other = [axis for axis, (a, b) in enumerate(zip(then, now, strict=True)) if a != b]
    return other[0] if len(other) == 1 and then[other[0]] < now[other[0]] else None


def _named_by(
    search: Callable[[type, str], Iterator[str]], holder: Any, path: str
) -> tuple[str, ...]:
    """Methods of the module, and of what holds the attribute in it, that do something with it."""
    owners = {type(holder)}
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


def _buffers(module: torch.nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """Those of the user's own classes; torch's and its libraries' are as long as they are."""
    for prefix, child in module.named_modules():
        if not of_library(child):
            path = f"{prefix}." if prefix else ""
            yield from ((path + name, each) for name, each in child.named_buffers(recurse=False))


def _measure(value: Any) -> Measure | None:
    if isinstance(value, torch.nn.Module) or (isinstance(value, deque) and value.maxlen):
        return None  # the first is registered or no value; the second cannot grow for ever
    if isinstance(value, torch.Tensor):
        nodes = _nodes(value)
        return Measure(1, 1, int(nodes > 0), nodes, shape=tuple(value.shape))
    if isinstance(value, np.ndarray):
        return Measure(1, 1, shape=value.shape, numbers=value.ndim == 1)
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
