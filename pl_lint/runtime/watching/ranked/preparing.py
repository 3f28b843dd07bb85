"""State that ``prepare_data`` leaves on its owner: on other ranks than zero it is never called."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any
from unittest.mock import patch

import torch

from pl_lint.facts.ranks import Assigned
from pl_lint.runtime.watching.callsite import caller
from pl_lint.runtime.watching.holding import held
from pl_lint.runtime.watching.saved.attributes import printed_tensor


def kept(owner: Any) -> dict[str, str]:
    """The attributes of an object in short: the value of what is plain, the class of the rest."""
    return {name: _brief(value) for name, value in held(owner).items() if not name.startswith("_")}


def _brief(value: Any) -> str:
    if isinstance(value, torch.Tensor):
        return printed_tensor(value)
    if value is None or isinstance(value, (bool, int, float, str)):
        return repr(value)[:80]
    return f"a {type(value).__name__}"


@dataclass
class Preparation:
    """What ``prepare_data`` assigned on one owner (the DataModule, or the module itself), by name,
    and the first line that read it afterwards."""

    assigned: dict[str, Assigned] = field(default_factory=dict)

    def watch(self, owner: Any) -> None:
        """Lay a watch over ``owner.prepare_data``, and over the class while it runs."""
        original = owner.prepare_data

        @functools.wraps(original)
        def prepare_data(*args: Any, **kwargs: Any) -> None:
            kind = type(owner)
            with patch.object(kind, "__setattr__", self._assigning(owner, kind.__setattr__)):
                original(*args, **kwargs)
            if self.assigned:
                kind.__getattribute__ = self._reading(owner, kind.__getattribute__)

        owner.prepare_data = prepare_data

    def left(self, owner: Any) -> tuple[Assigned, ...]:
        """What was assigned, with what it is now."""
        now = kept(owner)
        return tuple(replace(one, left=now.get(one.name, "")) for one in self.assigned.values())

    def _assigning(self, owner: Any, original: Callable[..., None]) -> Callable[..., None]:
        def __setattr__(one: Any, name: str, value: Any) -> None:
            if one is owner:
                self.assigned.setdefault(name, Assigned(name, caller()))
            original(one, name, value)

        return __setattr__

    def _reading(self, owner: Any, original: Callable[..., Any]) -> Callable[..., Any]:
        """Only in a child whose module makes the mistake: this slows every attribute down."""

        def __getattribute__(one: Any, name: str) -> Any:
            found = self.assigned.get(name) if one is owner else None
            if found is not None and found.read is None:
                place = caller()
                if place.path != "<unknown>":
                    self.assigned[name] = replace(found, read=place)
            return original(one, name)

        return __getattribute__
