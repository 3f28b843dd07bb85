"""Gradients over a fit: which parameters they reach, who steps with them, and whether they are
zeroed.

Everything is seen at two places that all training passes through, whoever calls them:
``torch.autograd.backward`` and the step of an optimizer. Nothing is attached to the user's tensors.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import torch
from torch.nn.parameter import is_lazy
from torch.optim.optimizer import (
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)

from pl_lint.facts.training import (
    GRADIENT,
    NO_GRADIENT,
    ZERO_GRADIENT,
    OptimizerStory,
    ParameterStory,
)
from pl_lint.runtime.watching.trained.rivals import RivalDiary

_ENOUGH = 100.0
"""A push of so many roundings moves a parameter whatever the optimizer makes of it; more need not
be measured."""


@dataclass
class _Seen:
    """What was seen of one parameter so far."""

    gradient: str = NO_GRADIENT
    at_step: bool = False
    rate: float = 0.0
    push: float = 0.0


@dataclass
class _Stepped:
    """One optimizer under way. ``zeroed`` says whether its gradients were gone at any time since
    its last step."""

    optimizer: torch.optim.Optimizer
    steps: int = 0
    nested: int = 0
    unzeroed: int = 0
    repeated: int = 0
    depth: int = 0
    zeroed: bool = True
    backwards: int = 0
    rates: list[float] = field(default_factory=list)

    def parameters(self) -> Iterator[tuple[torch.Tensor, float]]:
        for group in self.optimizer.param_groups:
            yield from ((parameter, float(group.get("lr", 0.0))) for parameter in group["params"])


@dataclass
class GradientDiary:
    """The gradients and the optimizers of one module while it is trained."""

    module: torch.nn.Module
    backwards: int = 0
    seen: dict[str, _Seen] = field(default_factory=dict)
    stepped: dict[int, _Stepped] = field(default_factory=dict)
    active: bool = False
    in_training_step: Callable[[], bool] = lambda: False
    rivals: RivalDiary = field(init=False)
    _before: dict[str, torch.Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rivals = RivalDiary(self.module)

    @contextmanager
    def watching(self) -> Iterator[None]:
        before = register_optimizer_step_pre_hook(self._before_step)
        after = register_optimizer_step_post_hook(self._after_step)
        with ExitStack() as stack:
            stack.callback(before.remove)
            stack.callback(after.remove)
            for owner, name, watched in (
                (torch.autograd, "backward", self._watched_backward),
                (torch.optim.Optimizer, "zero_grad", self._watched_zeroing),
                (torch.nn.Module, "zero_grad", self._watched_zeroing),
            ):
                stack.enter_context(patch.object(owner, name, watched(getattr(owner, name))))
            yield

    def begin(self) -> None:
        self.active = True
        named = self.module.named_parameters()
        self._before = {name: p.detach().clone() for name, p in named if not is_lazy(p)}

    def meet(self, optimizers: Iterable[torch.optim.Optimizer]) -> None:
        """Learn of the optimizers that ``configure_optimizers`` returned."""
        for optimizer in optimizers:
            self._of(optimizer)

    def _of(self, optimizer: torch.optim.Optimizer) -> _Stepped:
        # It is kept alive here, so that its id stays its own.
        self.rivals.meet(optimizer)
        return self.stepped.setdefault(id(optimizer), _Stepped(optimizer))

    def _watched_backward(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def backward(*args: Any, **kwargs: Any) -> Any:
            if not self.active:
                return original(*args, **kwargs)
            self._look_for_zeroed()
            tensors = args[0] if args else kwargs.get("tensors", ())
            self.rivals.before_backward(tensors, kwargs.get("inputs"))
            answer = original(*args, **kwargs)
            self.backwards += 1
            for each in self.stepped.values():
                each.backwards += 1
            self._look_at_gradients()
            return answer

        return backward

    def _watched_zeroing(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def zero_grad(*args: Any, **kwargs: Any) -> Any:
            answer = original(*args, **kwargs)
            if self.active:
                self._look_for_zeroed()
                self.rivals.look_for_zeroed()
            return answer

        return zero_grad

    def _look_for_zeroed(self) -> None:
        for each in self.stepped.values():
            if not each.zeroed:
                each.zeroed = not any(_has_gradient(p) for p, _ in each.parameters())

    def _look_at_gradients(self) -> None:
        for name, parameter in self.module.named_parameters():
            if not parameter.requires_grad:
                continue
            seen = self.seen.setdefault(name, _Seen())
            if seen.gradient != GRADIENT and parameter.grad is not None:
                seen.gradient = GRADIENT if _has_gradient(parameter) else ZERO_GRADIENT

    def _before_step(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        if self.active:
            each = self._of(optimizer)
            # An optimizer's own step may call that of its base class; inside training_step nobody
            # but the user's code does.
            each.nested += each.depth > 0 and self.in_training_step()
            each.depth += 1
            self.rivals.before_step(optimizer)

    def _after_step(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        if not self.active:
            return
        self.rivals.after_step(optimizer)
        each = self._of(optimizer)
        each.depth -= 1
        used = each.steps > 0 and not each.zeroed
        each.unzeroed += used and each.backwards > 0
        each.repeated += used and each.backwards == 0
        each.zeroed, each.backwards = False, 0
        each.steps += 1
        # No group at all: what Lightning takes where configure_optimizers returns None.
        each.rates += [float(group.get("lr", 0.0)) for group in optimizer.param_groups[:1]]
        names = {id(parameter): name for name, parameter in self.module.named_parameters()}
        for parameter, rate in each.parameters():
            name = names.get(id(parameter))
            if name is not None and parameter.requires_grad:
                self._note_step(self.seen.setdefault(name, _Seen()), parameter, rate)

    def _note_step(self, seen: _Seen, parameter: torch.Tensor, rate: float) -> None:
        if seen.push >= _ENOUGH or not _has_gradient(parameter):
            return
        seen.at_step, seen.gradient = True, GRADIENT
        seen.rate = max(seen.rate, rate)
        seen.push = max(seen.push, rate * _in_roundings(parameter))

    # --- what came of it --------------------------------------------------------------------------

    def parameters(self) -> tuple[ParameterStory, ...]:
        holders = [{id(p) for p, _ in each.parameters()} for each in self.stepped.values()]
        stories = []
        for name, parameter in self.module.named_parameters():
            seen = self.seen.get(name)
            if seen is None and not parameter.requires_grad:
                continue
            count = sum(id(parameter) in held for held in holders)
            stories.append(
                ParameterStory(
                    name=name,
                    part=name.rpartition(".")[0],
                    optimizers=count,
                    moved=self._has_moved(name, parameter),
                    shape=tuple(parameter.shape),
                    **vars(seen or _Seen()),
                )
            )
        return tuple(stories)

    def _has_moved(self, name: str, parameter: torch.Tensor) -> bool:
        before = self._before.get(name)
        return before is None or not torch.equal(before, parameter.detach())

    def optimizers(self) -> tuple[OptimizerStory, ...]:
        own = {id(parameter): name for name, parameter in self.module.named_parameters()}
        return tuple(_story(each, own) for each in self.stepped.values())


def _story(each: _Stepped, own: dict[int, str]) -> OptimizerStory:
    held = [parameter for parameter, _ in each.parameters()]
    names = [own[id(parameter)] for parameter in held if id(parameter) in own]
    return OptimizerStory(
        name=type(each.optimizer).__name__,
        steps=each.steps,
        nested=each.nested,
        unzeroed=each.unzeroed,
        repeated=each.repeated,
        rates=tuple(each.rates),
        strangers=sum(id(parameter) not in own for parameter in held),
        held=len(held),
        maximize=any(bool(group.get("maximize")) for group in each.optimizer.param_groups),
        parts=tuple(dict.fromkeys(name.partition(".")[0] for name in names)),
    )


def _has_gradient(parameter: torch.Tensor) -> bool:
    """Whether a gradient is there and not zero all over. NaN is no zero."""
    gradient = parameter.grad
    if gradient is None:
        return False
    dense = gradient.coalesce().values() if gradient.is_sparse else gradient
    return bool(dense.any())


def _in_roundings(parameter: torch.Tensor) -> float:
    """The largest element of the gradient, in units of the rounding of the largest weight."""
    gradient = parameter.grad
    assert gradient is not None
    dense = gradient.coalesce().values() if gradient.is_sparse else gradient
    rounding = torch.finfo(parameter.dtype).eps * float(parameter.detach().abs().max())
    return float(dense.abs().max()) / max(rounding, 1e-30)
