"""State outside of modules and data: what one fit leaves in a module or a class for the next.

Only what can be printed in short is looked at: numbers, texts, tensors, containers of them,
generators, caches. That suffices to name what a second fit in the same process found changed.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import itertools
import os
import random
import re
import sys
from collections import deque
from collections.abc import Iterator
from typing import Any

import numpy
import torch

from pl_lint.facts.repetition import Leftover
from pl_lint.findings import Location
from pl_lint.runtime.watching.callsite import is_library
from pl_lint.runtime.watching.holding import held, holds
from pl_lint.runtime.watching.repeated.beginnings import fingerprint, of_random

ITEMS = 100
"""How much of a list or dict is looked at; its length tells of the rest."""

State = dict[str, tuple[str, Location]]


def outside_state() -> State:
    """The state of the user's modules and classes, by dotted name, in words, with its line."""
    found: State = {}
    for module in list(sys.modules.values()):
        path = _path_of(module)
        if is_library(path):
            continue
        for name, value in held(module).items():
            if name.startswith("__"):
                continue
            if _is_class_of(value, module):
                found.update(_of_class(value, path))
            elif (text := in_words(value)) is not None:
                found[name] = text, _line_of(module, path, name, "")
    found["torch.get_default_dtype()"] = str(torch.get_default_dtype()), Location("torch", 1)
    return found


def changed(before: State, after: State) -> tuple[Leftover, ...]:
    """What is another than it was, or is new."""
    return tuple(
        Leftover(name, before.get(name, ("nothing",))[0], text, place)
        for name, (text, place) in after.items()
        if before.get(name, ("nothing",))[0] != text
    )


def _is_class_of(value: Any, module: Any) -> bool:
    return isinstance(value, type) and value.__module__ == module.__name__


def _of_class(kind: type, path: str) -> Iterator[tuple[str, tuple[str, Location]]]:
    for name, value in list(vars(kind).items()):
        text = None if name.startswith("__") else in_words(getattr(value, "__func__", value))
        if text is not None:
            yield f"{kind.__qualname__}.{name}", (text, _line_of(kind, path, name, r"\s+"))


@functools.cache
def _line_of(owner: Any, path: str, name: str, indent: str) -> Location:
    """Where a name is first bound in the source of its module or class."""
    try:
        lines, first = inspect.getsourcelines(owner)
    except (OSError, TypeError):
        return Location(path, 1)
    bound = re.compile(rf"{indent}(?:async )?(?:def )?{re.escape(name)}\s*[(:=]")
    offset = next((n for n, line in enumerate(lines) if bound.match(line)), 0)
    return Location(path, max(first, 1) + offset)


def in_words(value: Any) -> str | None:
    """A short text that changes when the value does; None for what cannot be told."""
    if isinstance(value, (bool, int, float, str, bytes)) or value is None:
        return repr(value)[:60]
    if isinstance(value, (torch.Tensor, numpy.ndarray)):
        return f"a {type(value).__name__} #{fingerprint(value)}"
    if (state := generator_state(value)) is not None:
        return f"a generator #{_digest(state)}"
    if isinstance(value, functools._lru_cache_wrapper):
        return f"a cache of {value.cache_info().currsize}"
    if isinstance(value, itertools.count):
        return repr(value)
    if isinstance(value, (list, tuple, deque, dict, set, frozenset)):
        return f"a {type(value).__name__} of {len(value)}#{_contents(value)}"
    if inspect.isfunction(value) and any(map(_is_mutable, value.__defaults__ or ())):
        return f"default arguments #{_contents(value.__defaults__)}"
    if (
        holds(value)
        and not callable(value)
        and not is_library(_path_of(sys.modules.get(type(value).__module__)))
    ):
        return f"a {type(value).__name__}#{_contents(held(value))}"
    return None


def _is_mutable(value: Any) -> bool:
    return isinstance(value, (list, dict, set))


def _path_of(module: Any) -> str:
    """Where a module's source is; torch has some whose every attribute is made on demand."""
    path = getattr(module, "__dict__", {}).get("__file__") or ""
    return path if os.path.isabs(path) and path.endswith(".py") else "<none>"


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=4).hexdigest()


def _contents(value: Any) -> str:
    """A set in its own order is another one in each process; only its size is told."""
    if isinstance(value, (set, frozenset)):
        return ""
    items = itertools.chain.from_iterable(value.items()) if isinstance(value, dict) else value
    return _digest("".join(map(fingerprint, itertools.islice(items, ITEMS))))


def generator_state(value: Any) -> str | None:
    """The state of a random generator as text; None for what is none."""
    if isinstance(value, torch.Generator):
        return fingerprint(value.get_state())
    if isinstance(value, numpy.random.Generator):
        return repr(value.bit_generator.state)
    if isinstance(value, numpy.random.RandomState):
        return repr([fingerprint(part) for part in value.get_state()])
    if isinstance(value, random.Random) and not isinstance(value, random.SystemRandom):
        return of_random(value.getstate())
    return None
