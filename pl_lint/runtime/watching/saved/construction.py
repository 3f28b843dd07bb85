"""With which arguments is a module built, and which of them does it leave out of its
checkpoints?"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import torch


@dataclass
class Construction:
    """The last construction of a class: its arguments by name, and the names in ``ignore=``."""

    arguments: dict[str, Any] = field(default_factory=dict)
    ignored: set[str] = field(default_factory=set)

    def built(self, init: Callable[..., None], *args: Any, **kwargs: Any) -> None:
        signature = inspect.signature(init)
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError:  # the call itself is about to say so
            return
        bound.apply_defaults()
        self.arguments = _by_name(signature, bound.arguments)

    def saved(self, save: Callable[..., None], *args: Any, **kwargs: Any) -> None:
        ignore = kwargs.get("ignore") or ()
        self.ignored.update([ignore] if isinstance(ignore, str) else ignore)


class _Watched:
    """A method that is watched on the instances of one class, and on them only.

    Whoever asks the class, or an instance of a subclass, gets the method itself:
    ``load_from_checkpoint`` drops what ``__init__`` does not name, by its ``getfullargspec``, which
    sees every argument in a wrapper (``_load_state`` in ``core/saving.py``), and
    ``save_hyperparameters`` follows the frames from one ``__init__`` to the next
    (``collect_init_args`` in ``utilities/parsing.py``, both 2.6.6).
    """

    def __init__(self, kind: type, name: str, note: Callable[..., None]) -> None:
        self.kind, self.original, self.note = kind, getattr(kind, name), note

    def __get__(self, instance: Any, owner: type) -> Any:
        if instance is None:
            return self.original
        method = self.original.__get__(instance, owner)
        if type(instance) is not self.kind:
            return method
        return functools.partial(self._called, method)

    def _called(self, method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        self.note(method, *args, **kwargs)
        return method(*args, **kwargs)


@contextmanager
def watched_construction(kind: type) -> Iterator[Construction]:
    """While active, remembers how instances of ``kind`` are built."""
    seen = Construction()
    with ExitStack() as stack:
        for name, note in (("__init__", seen.built), ("save_hyperparameters", seen.saved)):
            stack.enter_context(patch.object(kind, name, _Watched(kind, name, note)))
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


def _by_name(signature: inspect.Signature, arguments: dict[str, Any]) -> dict[str, Any]:
    named: dict[str, Any] = {}
    for name, parameter in signature.parameters.items():
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            named.update(arguments[name])
        elif parameter.kind is not inspect.Parameter.VAR_POSITIONAL:
            named[name] = arguments[name]
    return named
