"""Methods that are named nearly as a hook: does anything call them?"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from types import FunctionType
from typing import Any
from unittest.mock import patch

from pl_lint.facts.lightning import HOOKED_KINDS, hook_exists, nearest_hook, removed_hook, versions
from pl_lint.facts.training import HookLike
from pl_lint.findings import Location
from pl_lint.runtime.watching.callsite import is_library
from pl_lint.runtime.watching.trained.methods import mentioning

# What the names of hooks call the stages.
_STAGES = {"validation": "validate", "val": "validate", "test": "test", "predict": "predict"}


@dataclass
class Candidate:
    """A method of the user's own that may have been meant as a hook, and its calls so far."""

    owner: type
    family: str
    name: str
    method: FunctionType
    instead: str
    removed: bool
    stages: Collection[str] = ()
    calls: int = 0

    def counting(self) -> Callable[..., Any]:
        @functools.wraps(self.method)
        def counted(*args: Any, **kwargs: Any) -> Any:
            self.calls += 1
            return self.method(*args, **kwargs)

        return counted

    def told(self) -> HookLike:
        code = self.method.__code__
        place = Location(code.co_filename, _line_of_name(self.method))
        owner = self.owner.__qualname__
        return HookLike(
            owner,
            self.family,
            self.name,
            self.instead,
            self.removed,
            self.calls,
            place,
            self._unseen(),
        )

    def _unseen(self) -> str:
        """A stage that was not run calls no hook of its own."""
        words = self.name.split("_")
        for word, stage in _STAGES.items():
            if word in words and stage not in self.stages:
                return f"the case has no data to {stage} with"
        return ""


def candidates(
    objects: Iterable[Any], version: tuple[int, int], stages: Collection[str]
) -> list[Candidate]:
    """Of the classes of the module, of its callbacks and of its DataModule. What their own code
    calls is a helper, however it is named and however rarely it is called."""
    objects = list(objects)
    classes = {base: _family(type(each)) for each in objects for base in type(each).__mro__}
    return [
        replace(candidate, stages=stages)
        for owner, family in classes.items()
        if family is not None
        for name, method in vars(owner).items()
        if isinstance(method, FunctionType) and not is_library(method.__code__.co_filename)
        if (candidate := _candidate(owner, family, name, method, version)) is not None
        if not any(set(mentioning(type(each), name)) - {name} for each in objects)
    ]


def _candidate(
    owner: type, family: str, name: str, method: FunctionType, version: tuple[int, int]
) -> Candidate | None:
    removed = removed_hook(family, name, version)
    if removed is not None:
        quiet = not removed.raises
        return Candidate(owner, family, name, method, removed.replacement, True) if quiet else None
    near = nearest_hook(family, name, version) or _without_on(family, name, version)
    return Candidate(owner, family, name, method, near, False) if near else None


def _without_on(family: str, name: str, version: tuple[int, int]) -> str | None:
    """The hook that lacks its ``on_``: ``training_batch_end``. By its name alone it may be anyone's
    helper; that nobody calls it is what tells."""
    if not name.endswith(("_start", "_begin", "_end")) or name.startswith("on_"):
        return None
    whole = f"on_{name}"
    return whole if hook_exists(family, whole, version) else nearest_hook(family, whole, version)


def _family(kind: type) -> str | None:
    names = [base.__name__ for base in kind.__mro__ if is_of_lightning(base)]
    return next((family for family in HOOKED_KINDS if family in names), None)


def is_of_lightning(kind: type) -> bool:
    return kind.__module__.startswith(("lightning.", "pytorch_lightning."))


@contextmanager
def counted(found: Iterable[Candidate]) -> Iterator[None]:
    with ExitStack() as stack:
        for each in found:
            stack.enter_context(patch.object(each.owner, each.name, each.counting()))
        yield


def installed_version(text: str) -> tuple[int, int]:
    """The version that the tables should be asked about; what is not known is taken for the
    newest."""
    numbers = text.split(".")[:2]
    known = len(numbers) == 2 and all(number.isdigit() for number in numbers)
    return (int(numbers[0]), int(numbers[1])) if known else versions()[-1]


def _line_of_name(method: FunctionType) -> int:
    """The line of ``def``, below the decorators."""
    return method.__code__.co_firstlineno
