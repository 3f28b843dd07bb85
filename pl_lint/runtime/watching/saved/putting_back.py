"""State that no checkpoint holds, kept as it is and put back by name (see ``states``)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any

import numpy
import torch
from torch.utils._pytree import tree_map

from pl_lint.runtime.watching.holding import held, holds
from pl_lint.runtime.watching.saved.attributes import hidden_parameters

_BUFFER = re.compile(r"buffer (\S+) \(persistent=False\)")
_LAYERS = "layers in "

Slot = tuple[MutableMapping[str, Any], str]
"""The dictionary that holds a value, and its name there."""


def kept(names: Iterable[str], module: torch.nn.Module, callbacks: Iterable[Any]) -> dict[str, Any]:
    """Copies of what has these names now. What cannot be put back (the state of an optimizer) is
    left out."""
    found: dict[str, Any] = {}
    for name in names:
        slot = _slot(name, module, callbacks)
        if slot is not None and slot[1] in slot[0]:
            found[name] = _copied(_content(name, slot))
    return found


def put_back(values: Mapping[str, Any], module: torch.nn.Module, callbacks: Iterable[Any]) -> None:
    """Lists and dicts are filled, not replaced: somebody else may hold them, too."""
    for name, value in values.items():
        slot = _slot(name, module, callbacks)
        if slot is None:
            continue
        owner, attribute = slot
        now, new = owner.get(attribute), _copied(value)
        if name.startswith(_LAYERS):
            for parameter, kept_one in zip(hidden_parameters(now), new, strict=False):
                parameter.data.copy_(kept_one)
        elif isinstance(now, list) and isinstance(new, list):
            now[:] = new
        elif isinstance(now, dict) and isinstance(new, dict):
            now.clear()
            now.update(new)
        else:
            owner[attribute] = new


def _copied(value: Any) -> Any:
    return tree_map(_copied_leaf, value)


def _copied_leaf(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.detach().clone()
    return value.copy() if isinstance(value, numpy.ndarray) else value


def _content(name: str, slot: Slot) -> Any:
    value = slot[0][slot[1]]
    return hidden_parameters(value) if name.startswith(_LAYERS) else value


def _slot(name: str, module: torch.nn.Module, callbacks: Iterable[Any]) -> Slot | None:
    if buffer := _BUFFER.fullmatch(name):
        path, _, last = buffer[1].rpartition(".")
        return module.get_submodule(path)._buffers, last
    owner, _, path = name.removeprefix(_LAYERS).partition(".")
    if owner == "self":
        return _within(module, path)
    kinds = {f"callback {type(callback).__name__}": callback for callback in callbacks}
    return _within(kinds[owner], path) if owner in kinds else None


def _within(owner: Any, path: str) -> Slot | None:
    *way, last = path.split(".")
    for part in way:
        children = owner._modules if isinstance(owner, torch.nn.Module) else {}
        owner = children[part] if part in children else held(owner).get(part)
    return (object.__getattribute__(owner, "__dict__"), last) if holds(owner) else None
