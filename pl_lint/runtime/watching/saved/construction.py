"""With which arguments is a module built, and which of them does it leave out of its
checkpoints?"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import torch


@dataclass
class Construction:
    """The last construction of a class: its arguments by name, and the names in ``ignore=``."""

    arguments: dict[str, Any] = field(default_factory=dict)
    ignored: set[str] = field(default_factory=set)


@contextmanager
def watched_construction(kind: type) -> Iterator[Construction]:
    """While active, remembers how instances of ``kind`` are built."""
    seen = Construction()
    with (
        patch.object(kind, "__init__", _watched_init(kind, seen)),
        patch.object(kind, "save_hyperparameters", _watched_save(kind, seen)),
    ):
        yield seen


@contextmanager
def watched_loading() -> Iterator[set[int]]:
    """While active, collects the ids of modules that weights are loaded into."""
    loaded: set[int] = set()
    original = torch.nn.Module.load_state_dict

    @functools.wraps(original)
    def load_state_dict(self: Any, *args: Any, **kwargs: Any) -> Any:
        loaded.add(id(self))
        return original(self, *args, **kwargs)

    with patch.object(torch.nn.Module, "load_state_dict", load_state_dict):
        yield loaded


def _watched_init(kind: type, seen: Construction) -> Any:
    original: Any = kind.__init__  # type: ignore[misc]
    signature = inspect.signature(original)

    @functools.wraps(original)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        if type(self) is kind:
            bound = signature.bind(self, *args, **kwargs)
            bound.apply_defaults()
            seen.arguments = _by_name(signature, bound.arguments)
        original(self, *args, **kwargs)

    return __init__


def _by_name(signature: inspect.Signature, arguments: dict[str, Any]) -> dict[str, Any]:
    named: dict[str, Any] = {}
    for name, parameter in list(signature.parameters.items())[1:]:
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            named.update(arguments[name])
        elif parameter.kind is not inspect.Parameter.VAR_POSITIONAL:
            named[name] = arguments[name]
    return named


def _watched_save(kind: type, seen: Construction) -> Any:
    original: Any = kind.save_hyperparameters  # type: ignore[attr-defined]

    @functools.wraps(original)
    def save_hyperparameters(self: Any, *args: Any, **kwargs: Any) -> None:
        ignore = kwargs.get("ignore") or ()
        seen.ignored.update([ignore] if isinstance(ignore, str) else ignore)
        # Lightning reads the arguments from its caller's frame, which is no longer its caller.
        kwargs.setdefault("frame", sys._getframe(1))
        original(self, *args, **kwargs)

    return save_hyperparameters
