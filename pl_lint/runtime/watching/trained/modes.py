"""Training and evaluation mode of every submodule: in which one it is run, and who changed it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

from pl_lint.facts.training import Part
from pl_lint.runtime.namespace import Namespace
from pl_lint.runtime.watching.callsite import is_library
from pl_lint.runtime.watching.trained.mode_hooks import ModeHooks, own_method

_WITHOUT_WEIGHTS = ("torch", "torchmetrics", "lightning", "pytorch_lightning")


@dataclass
class _Calls:
    """How one submodule was called in training so far."""

    first: set[str] = field(default_factory=set)
    last: set[str] = field(default_factory=set)
    modes: set[str] = field(default_factory=set)
    batches: tuple[int, int] = (-1, -1)
    with_grad: bool = False

    def add(self, batch: int, mode: str) -> None:
        start, end = self.batches
        if start in (-1, batch):
            start = batch
            self.first.add(mode)
        if end != batch:
            self.last.clear()
        self.last.add(mode)
        self.modes.add(mode)
        self.batches = start, batch
        self.with_grad |= torch.is_grad_enabled()


@dataclass
class ModeDiary:
    """Who is run in which mode while a module is trained. ``batch`` is -1 outside of training
    steps."""

    module: torch.nn.Module
    batch: int = -1
    counted: int = 0
    hooks: ModeHooks = field(init=False)
    _calls: dict[int, _Calls] = field(default_factory=dict)
    _in_eval: frozenset[str] = frozenset()
    _names: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.hooks = ModeHooks(self.module)

    def enter_batch(self) -> None:
        self.batch = self.counted
        self.counted += 1

    def leave_batch(self) -> None:
        self.batch = -1
        named = self.module.named_modules()
        self._in_eval = frozenset(name for name, child in named if not child.training)

    @contextmanager
    def watching(self, namespace: Namespace) -> Iterator[None]:
        called = torch.nn.modules.module.register_module_forward_hook(self._after_forward)
        try:
            with self.hooks.watching(namespace):
                yield
        finally:
            called.remove()

    def _after_forward(self, module: torch.nn.Module, *_: Any) -> None:
        if self.batch >= 0:
            calls = self._calls.setdefault(id(module), _Calls())
            calls.add(self.batch, "train" if module.training else "eval")
        if self.hooks.is_waiting:
            name = self._name(module)
            if name is not None:
                self.hooks.ran(name, module, _depends_on_mode(module))

    def _name(self, module: torch.nn.Module) -> str | None:
        if id(module) not in self._names:
            self._names = {id(child): name for name, child in self.module.named_modules()}
        return self._names.get(id(module))

    def parts(self) -> tuple[Part, ...]:
        named = list(self.module.named_modules())
        return tuple(self._part(name, child) for name, child in named)

    def _part(self, name: str, child: torch.nn.Module) -> Part:
        calls = self._calls.get(id(child), _Calls())
        return Part(
            name=name,
            kind=type(child).__name__,
            foreign=_is_foreign(type(child)),
            ran=bool(calls.modes),
            with_grad=calls.with_grad,
            first=tuple(sorted(calls.first)),
            last=tuple(sorted(calls.last)),
            modes=tuple(sorted(calls.modes)),
            in_eval=name in self._in_eval,
            sensitive=_depends_on_mode(child),
            chosen_mode=own_method(child, "train") is not None,
        )


def _depends_on_mode(module: torch.nn.Module) -> bool:
    """Whether training mode makes another function of this very layer."""
    if isinstance(module, torch.nn.modules.dropout._DropoutNd):
        return module.p > 0
    if isinstance(module, torch.nn.modules.batchnorm._NormBase):
        return bool(module.track_running_stats)
    if isinstance(module, torch.nn.RNNBase):
        return module.dropout > 0 and module.num_layers > 1
    return isinstance(module, torch.nn.MultiheadAttention) and module.dropout > 0


def _is_foreign(kind: type) -> bool:
    """Whether a class comes with weights, as those of torchvision and transformers may: from an
    installed package that is not torch itself."""
    path = getattr(sys.modules.get(kind.__module__), "__file__", None) or ""
    return is_library(path) and kind.__module__.split(".")[0] not in _WITHOUT_WEIGHTS
