"""Training and evaluation mode of every submodule: in which one it is run, and who changed it."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import torch

from pl_lint.facts.training import ModeChange, Part
from pl_lint.findings import Location
from pl_lint.runtime.namespace import Namespace
from pl_lint.runtime.watching.callsite import is_library

# Hooks whose very purpose is the mode (core/hooks.py of Lightning).
_ABOUT_MODES = ("_model_eval", "_model_train")
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
    changes: list[ModeChange] = field(default_factory=list)
    hook_calls: dict[str, int] = field(default_factory=dict)
    running: list[str] = field(default_factory=list)
    _calls: dict[int, _Calls] = field(default_factory=dict)
    _in_eval: frozenset[str] = frozenset()

    def enter_batch(self) -> None:
        self.batch = self.counted
        self.counted += 1

    def leave_batch(self) -> None:
        self.batch = -1
        self._in_eval = frozenset(name for name, mode in self._modes().items() if not mode)

    @contextmanager
    def watching(self, namespace: Namespace) -> Iterator[None]:
        called = torch.nn.modules.module.register_module_forward_hook(self._after_forward)
        call = namespace.part("trainer.call._call_lightning_module_hook")
        strategy = namespace.part("trainer.call._call_strategy_hook")
        house = namespace.part("trainer.call")
        try:
            with (
                patch.object(house, "_call_lightning_module_hook", self._watched(call)),
                patch.object(house, "_call_strategy_hook", self._watched(strategy)),
            ):
                yield
        finally:
            called.remove()

    def _after_forward(self, module: torch.nn.Module, *_: Any) -> None:
        if self.batch >= 0:
            calls = self._calls.setdefault(id(module), _Calls())
            calls.add(self.batch, "train" if module.training else "eval")

    def _watched(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def call(trainer: Any, hook_name: str, *args: Any, **kwargs: Any) -> Any:
            self.hook_calls[hook_name] = self.hook_calls.get(hook_name, 0) + 1
            self.running.append(hook_name)
            try:
                return self._compared(functools.partial(original, trainer), hook_name, args, kwargs)
            finally:
                self.running.pop()

        return call

    def _compared(
        self, call: Callable[..., Any], hook: str, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """The hook's answer; if it is the user's own, the modes are looked at before and after."""
        place = own_method(self.module, hook)
        if place is None or hook.endswith(_ABOUT_MODES):
            return call(hook, *args, **kwargs)
        before = self._modes()
        answer = call(hook, *args, **kwargs)
        self._compare(hook, before, place)
        return answer

    def _modes(self) -> dict[str, bool]:
        return {name: child.training for name, child in self.module.named_modules()}

    def _compare(self, hook: str, before: dict[str, bool], place: Location) -> None:
        after = self._modes()
        for to, mode in (("train", True), ("eval", False)):
            parts = tuple(n for n, now in after.items() if now is mode and before.get(n) is not now)
            change = ModeChange(hook, to, parts, place)
            if parts and change not in self.changes:
                self.changes.append(change)

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


def own_method(module: torch.nn.Module, name: str) -> Location | None:
    """Where the user's own method of this name begins; None where it is a library's."""
    method = getattr(type(module), name, None)
    while hasattr(method, "__wrapped__"):
        method = method.__wrapped__
    code = getattr(method, "__code__", None)
    if code is None or is_library(code.co_filename):
        return None
    return Location(code.co_filename, code.co_firstlineno)
