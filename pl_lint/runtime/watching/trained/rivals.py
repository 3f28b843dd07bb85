"""Several optimizers of one module: who moves what in one batch, and whose backward pass filled the
gradients that somebody else steps with.

Nothing is watched while there is only one optimizer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import torch
from torch.nn.parameter import is_lazy

from pl_lint.facts.training import Overlap, Tainted

# Operations between a weight and the layer that uses it, by the beginning of a node's name.
_RESHAPING = (
    *("TBackward", "Transpose", "Permute", "View", "Expand", "Unsqueeze", "Squeeze", "ToCopy"),
    *("Reshape", "UnsafeView", "AsStrided", "Clone"),
)
_MOST_NODES = 20_000
"""The graph of a backward pass with more of them is not looked at."""
Held = Mapping[int, frozenset[int]]
"""By the id of an optimizer, the ids of its parameters."""


@dataclass
class _Graph:
    """Which leaves a backward pass reaches, and over how many ways; and which optimizer's layers
    work on the output of which other one's: pairs of (downstream, upstream)."""

    leaves: set[int] = field(default_factory=set)
    uses: dict[int, int] = field(default_factory=dict)
    behind: set[tuple[int, int]] = field(default_factory=set)


@dataclass
class _Taint:
    """A step of ``optimizer`` with gradients in it that ``by`` had stepped with before. ``judges``
    says that its own loss has nothing to do with that one's layers, and uses its own more often: a
    discriminator that looks at true samples beside made ones."""

    optimizer: int
    by: int
    own: tuple[int, ...]
    parameters: frozenset[int]
    judges: bool


@dataclass
class RivalDiary:
    """The optimizers of one module beside each other. ``batch`` says which training batch it is,
    -1 outside of all."""

    module: torch.nn.Module
    batch: Callable[[], int] = lambda: -1
    optimizers: dict[int, torch.optim.Optimizer] = field(default_factory=dict)
    _filled: dict[int, list[int]] = field(default_factory=dict)
    _graphs: list[_Graph] = field(default_factory=list)
    _owner: dict[int, int] = field(default_factory=dict)
    _used: dict[int, set[int]] = field(default_factory=dict)
    _taints: list[_Taint] = field(default_factory=list)
    _movers: dict[tuple[int, int], set[int]] = field(default_factory=dict)
    _running: list[int] = field(default_factory=list)
    _before: list[tuple[torch.Tensor, torch.Tensor]] = field(default_factory=list)

    def meet(self, optimizer: torch.optim.Optimizer) -> None:
        self.optimizers[id(optimizer)] = optimizer

    def held(self) -> dict[int, frozenset[int]]:
        return {key: frozenset(map(id, _of(each))) for key, each in self.optimizers.items()}

    @property
    def _several(self) -> bool:
        return len(self.optimizers) > 1

    # --- gradients --------------------------------------------------------------------------------

    def before_backward(self, tensors: Any, inputs: Any) -> None:
        """Learn what a backward pass is about to fill, while its graph is there."""
        if not self._several:
            return
        self.look_for_zeroed()
        graph = _explored(tensors, self.held())
        if inputs is not None:
            given = [inputs] if isinstance(inputs, torch.Tensor) else inputs
            graph.leaves &= set(map(id, given))
        self._graphs.append(graph)
        for leaf in graph.leaves:
            self._filled.setdefault(leaf, []).append(len(self._graphs) - 1)

    def look_for_zeroed(self) -> None:
        for optimizer in self.optimizers.values() if self._filled else ():
            for parameter in _of(optimizer):
                if id(parameter) in self._filled and not _is_filled(parameter):
                    del self._filled[id(parameter)]

    def before_step(self, optimizer: torch.optim.Optimizer) -> None:
        self.meet(optimizer)
        self._running.append(id(optimizer))
        if not self._several or len(self._running) > 1:  # an optimizer may wrap another one
            return
        self.look_for_zeroed()
        self._look_for_taint(id(optimizer))
        self._before = [(p, p.detach().clone()) for p in self._shared(id(optimizer))]

    def _look_for_taint(self, key: int) -> None:
        held = self.held()
        taints: dict[tuple[int, tuple[int, ...]], set[int]] = {}
        passes: set[int] = set()
        for parameter in held[key]:
            filled = self._filled.get(parameter, [])
            passes.update(filled)
            own = tuple(n for n in filled if self._owner.get(n, key) == key)
            others = {self._owner[n] for n in filled if n not in own and self._only_through(n, key)}
            for other in others if own else ():
                if not held[key] & held.get(other, frozenset()):
                    taints.setdefault((other, own), set()).add(parameter)
        for (other, own), parameters in taints.items():
            judges = self._is_judge(key, other, own, parameters)
            self._taints.append(_Taint(key, other, own, frozenset(parameters), judges))
        for number in passes:
            self._owner.setdefault(number, key)
            self._used.setdefault(number, set()).add(key)

    def _is_judge(self, key: int, other: int, own: tuple[int, ...], parameters: set[int]) -> bool:
        """Whether its own passes leave the other one's parameters out, and come through these more
        often than those that are left over."""
        held = self.held()[other]
        return not any(self._graphs[number].leaves & held for number in own) and all(
            self._uses(own, each) > self._uses(set(self._filled[each]) - set(own), each)
            for each in parameters
        )

    def _uses(self, passes: Iterable[int], parameter: int) -> int:
        return sum(self._graphs[number].uses.get(parameter, 0) for number in passes)

    def _only_through(self, number: int, key: int) -> bool:
        """Whether a pass came through the layers of this optimizer on its way to those of the one
        that it was made for: a discriminator that a generator's loss is measured with. Encoders lie
        the other way round; there gradients of several losses are meant to add up."""
        other, behind = self._owner[number], self._graphs[number].behind
        return (key, other) in behind and (other, key) not in behind

    # --- moves ------------------------------------------------------------------------------------

    def _shared(self, key: int) -> Iterator[torch.Tensor]:
        held = self.held()
        others = frozenset().union(*(ids for other, ids in held.items() if other != key))
        for parameter in _of(self.optimizers[key]):
            if id(parameter) in others and not is_lazy(parameter):
                yield parameter

    def after_step(self, optimizer: torch.optim.Optimizer) -> None:
        if self._running:
            self._running.pop()
        if self._running or self.batch() < 0:
            return
        for parameter, before in self._before:
            if not torch.equal(parameter.detach(), before):
                self._movers.setdefault((self.batch(), id(parameter)), set()).add(id(optimizer))
        self._before = []

    # --- what came of it --------------------------------------------------------------------------

    def overlaps(self) -> tuple[Overlap, ...]:
        held, keys = self.held(), list(self.optimizers)
        every = frozenset().union(*held.values()) if held else frozenset()
        pairs = [
            (one, other)
            for one, other in combinations(keys, 2)
            if held[one] & held[other]
            and self.optimizers[one].param_groups is not self.optimizers[other].param_groups
        ]
        return tuple(
            Overlap(
                first=keys.index(one),
                second=keys.index(other),
                parameters=self._names(held[one] & held[other]),
                batches=len(self._moved_together(one, other)),
                whole=held[one] != held[other] and every in (held[one], held[other]),
            )
            for one, other in pairs
        )

    def _moved_together(self, one: int, other: int) -> set[int]:
        return {batch for (batch, _), movers in self._movers.items() if {one, other} <= movers}

    def tainted(self) -> tuple[Tainted, ...]:
        """By pairs of optimizers; a pass that the other one steps with later was for both."""
        keys, found = list(self.optimizers), dict[tuple[int, int], list[_Taint]]()
        for taint in self._taints:
            if not any(taint.by in self._used.get(number, ()) for number in taint.own):
                found.setdefault((taint.optimizer, taint.by), []).append(taint)
        return tuple(
            Tainted(
                optimizer=keys.index(key),
                by=keys.index(other),
                steps=len(taints),
                judging=sum(each.judges for each in taints),
                parameters=self._names(frozenset().union(*(each.parameters for each in taints))),
            )
            for (key, other), taints in found.items()
        )

    def _names(self, ids: Iterable[int]) -> tuple[str, ...]:
        wanted = set(ids)
        return tuple(name for name, p in self.module.named_parameters() if id(p) in wanted)


def _of(optimizer: torch.optim.Optimizer) -> Iterator[torch.Tensor]:
    for group in optimizer.param_groups:
        yield from group["params"]


def _is_filled(parameter: torch.Tensor) -> bool:
    gradient = parameter.grad
    return gradient is not None and (gradient.is_sparse or bool(gradient.any()))


@dataclass
class _Node:
    """What lies below a node of the graph: whose parameters, and whether it is nothing but one of
    them in another shape."""

    owners: frozenset[int]
    parameter: bool


def _explored(tensors: Any, held: Held) -> _Graph:
    """Walk the graph of a backward pass from its end to its leaves."""
    graph, known = _Graph(), dict[Any, _Node]()
    roots = [tensors] if isinstance(tensors, torch.Tensor) else list(tensors)
    waiting = [tensor.grad_fn for tensor in roots if tensor.grad_fn is not None]
    while waiting and len(known) < _MOST_NODES:
        node = waiting[-1]
        below = [each for each, _ in node.next_functions if each is not None]
        open_ones = [each for each in below if each not in known]
        if node not in known and open_ones:
            waiting += open_ones
            continue
        waiting.pop()
        if node not in known:
            for each in below:
                variable = getattr(each, "variable", None)
                if variable is not None:
                    graph.uses[id(variable)] = graph.uses.get(id(variable), 0) + 1
            known[node] = _described(node, [known[each] for each in below], held, graph)
    return _Graph() if waiting else graph


def _described(node: Any, below: list[_Node], held: Held, graph: _Graph) -> _Node:
    variable = getattr(node, "variable", None)
    if variable is not None:
        graph.leaves.add(id(variable))
        owners = frozenset(key for key, ids in held.items() if id(variable) in ids)
        return _Node(owners, parameter=bool(owners))
    weights = [each for each in below if each.parameter]
    others = frozenset().union(*(each.owners for each in below if not each.parameter))
    for weight in weights:
        graph.behind |= {(own, other) for own in weight.owners for other in others - weight.owners}
    owners = others.union(*(each.owners for each in weights))
    reshaped = len(below) == 1 and bool(weights) and node.name().startswith(_RESHAPING)
    return _Node(owners, parameter=reshaped)
