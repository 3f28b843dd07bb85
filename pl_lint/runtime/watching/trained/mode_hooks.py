"""Around which hooks the modes of submodules change, and what is run in the mode that was left.

Looked at are the hooks of the module and those of the user's callbacks, wherever Lightning calls
them (trainer/call.py). An evaluation begins with ``on_*_model_eval``, before which Lightning
remembers the modes, and ends with ``on_*_model_train``, in whose place it restores them unless the
module overrides it (loops/evaluation_loop.py).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import torch

from pl_lint.facts.training import ModeChange
from pl_lint.findings import Location
from pl_lint.runtime.namespace import Namespace
from pl_lint.runtime.watching.callsite import is_library

INTO_EVALUATION, OUT_OF_EVALUATION = "_model_eval", "_model_train"
_STEP = "_step"
_LAST = ("on_validation_end", "on_test_end", "on_predict_end", "on_train_start")
"""After these nothing is run in what the hooks of an evaluation left."""
_HOUSE = "trainer.call"
Modes = dict[str, bool]


@dataclass
class _Change:
    """One change under way: who has run in the new mode since."""

    hook: str
    to: str
    parts: tuple[str, ...]
    location: Location | None
    owner: str
    followed: bool = False
    ran: set[str] = field(default_factory=set)

    def told(self) -> ModeChange:
        ran = tuple(sorted(self.ran))
        return ModeChange(
            self.hook, self.to, self.parts, self.location, self.owner, self.followed, ran
        )


@dataclass
class ModeHooks:
    """Compares the modes of one module's submodules before and after each hook of the user's."""

    module: torch.nn.Module
    hook_calls: dict[str, int] = field(default_factory=dict)
    running: list[str] = field(default_factory=list)
    _found: dict[tuple[Any, ...], _Change] = field(default_factory=dict)
    _open: list[_Change] = field(default_factory=list)
    _before_evaluation: Modes = field(default_factory=dict)

    @contextmanager
    def watching(self, namespace: Namespace) -> Iterator[None]:
        house = namespace.part(_HOUSE)
        with ExitStack() as stack:
            for name, watched in (
                ("_call_lightning_module_hook", self._watched),
                ("_call_strategy_hook", self._watched),
                ("_call_callback_hooks", self._watched_callbacks),
            ):
                stack.enter_context(patch.object(house, name, watched(getattr(house, name))))
            yield

    def changes(self) -> tuple[ModeChange, ...]:
        return tuple(each.told() for each in self._found.values())

    def ran(self, name: str, child: torch.nn.Module, sensitive: bool) -> None:
        """A submodule was called, after changes that are still open."""
        mode = "train" if child.training else "eval"
        for change in self._open:
            if change.to == mode and name in change.parts:
                change.followed = True
                if sensitive:
                    change.ran.add(name)

    @property
    def is_waiting(self) -> bool:
        return bool(self._open)

    # --- hooks ------------------------------------------------------------------------------------

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
        if hook.endswith(INTO_EVALUATION):
            self._before_evaluation = self._modes()
        place = own_method(self.module, hook)
        before = self._modes() if place is not None else {}
        answer = call(hook, *args, **kwargs)
        if place is not None:
            self._compare(hook, self._expected(hook, before), place)
        if hook in _LAST:
            self._open = []
        return answer

    def _watched_callbacks(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def call(trainer: Any, hook_name: str, *args: Any, **kwargs: Any) -> Any:
            own = [each for each in trainer.callbacks if own_method(each, hook_name) is not None]
            before = self._modes() if own else {}
            answer = original(trainer, hook_name, *args, **kwargs)
            if own:
                owner = " or ".join(dict.fromkeys(type(each).__name__ for each in own))
                self._compare(hook_name, before, own_method(own[0], hook_name), owner)
            return answer

        return call

    def _expected(self, hook: str, before: Modes) -> Modes:
        """The modes in which a hook ought to leave the submodules."""
        if hook.endswith(INTO_EVALUATION):
            return dict.fromkeys(before, False)
        return self._before_evaluation if hook.endswith(OUT_OF_EVALUATION) else before

    def _modes(self) -> Modes:
        return {name: child.training for name, child in self.module.named_modules()}

    def _compare(self, hook: str, expected: Modes, place: Location | None, owner: str = "") -> None:
        after = self._modes()
        for to, mode in (("train", True), ("eval", False)):
            parts = tuple(n for n, now in after.items() if now is mode is not expected.get(n, mode))
            if parts:
                change = _Change(hook, to, parts, place, owner)
                change = self._found.setdefault((hook, to, parts, owner), change)
                change.followed |= hook.endswith(_STEP)  # what it calls runs in that mode
                self._open.append(change)


def own_method(instance: Any, name: str) -> Location | None:
    """Where the user's own method of this name begins; None where it is a library's."""
    method = getattr(type(instance), name, None)
    while hasattr(method, "__wrapped__"):
        method = method.__wrapped__
    code = getattr(method, "__code__", None)
    if code is None or is_library(code.co_filename):
        return None
    return Location(code.co_filename, code.co_firstlineno)
