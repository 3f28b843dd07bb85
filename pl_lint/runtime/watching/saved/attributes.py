"""The plain attributes of a module: state that no checkpoint holds."""

from __future__ import annotations

import hashlib
import itertools
from collections import deque
from collections.abc import Collection, Iterator
from typing import Any

import numpy
import torch

from pl_lint.runtime.watching.callsite import of_library
from pl_lint.runtime.watching.holding import held, is_plain_object, names_of_every, names_of_own

_DEPTH = 3
_MEMBERS = 64
"""How much of a list is searched for layers."""
_KINDS = (bool, int, float, str, torch.Tensor)
_CONTAINERS = (list, tuple, dict, deque)
_LARGEST = 2**24
"""An array of more bytes is data, not state."""


def plain_attributes(module: torch.nn.Module) -> dict[str, str]:
    """Attributes of a module and its submodules that are neither parameter, buffer nor
    hyper-parameter: numbers, strings, tensors, and lists or dicts of them, each in a short
    printable form, by dotted name. Those of plain objects that they hold count as theirs: a counter
    is as lost in a helper object as in the module."""
    house = names_of_every(module)
    return {
        f"{prefix}.{name}" if prefix else name: text
        for prefix, child in module.named_modules()
        if not of_library(child)
        for name, value in _attributes(child, house)
        if (text := _printed(value)) is not None
    }


def private_attributes(module: torch.nn.Module) -> dict[str, str]:
    """The same of names that begin with an underscore, as far as they are the user's own."""
    return {
        f"{prefix}.{name}" if prefix else name: text
        for prefix, child in module.named_modules()
        if not of_library(child)
        for name, value in _private(child)
        if (text := _printed(value)) is not None
    }


def hidden_layers(module: torch.nn.Module) -> dict[str, str]:
    """Parameters that a module holds in plain lists, dicts and objects, by the name of the
    attribute: ``state_dict`` does not find them there."""
    house = names_of_every(module)
    known = {id(parameter) for parameter in module.parameters()}
    found: dict[str, str] = {}
    for prefix, child in module.named_modules():
        values = () if of_library(child) else (*_attributes(child, house), *_private(child))
        for name, value in values:
            hidden = {id(p): p for p in hidden_parameters(value) if id(p) not in known}
            if hidden:
                whole = "".join(map(printed_tensor, hidden.values()))
                digest = hashlib.blake2b(whole.encode(), digest_size=4).hexdigest()
                path = f"{prefix}.{name}" if prefix else name
                found[path] = f"{len(hidden)} parameters#{digest}"
    return found


def hidden_parameters(value: Any) -> list[torch.nn.Parameter]:
    """Those in an attribute that may be a list or dict of layers."""
    return list(_parameters(value, _DEPTH))


def _parameters(value: Any, depth: int) -> Iterator[torch.nn.Parameter]:
    if isinstance(value, torch.nn.Module):
        yield from value.parameters()
    elif isinstance(value, torch.nn.Parameter):
        yield value
    elif depth and isinstance(value, (list, tuple, dict)):
        items = value.values() if isinstance(value, dict) else value
        for item in itertools.islice(items, _MEMBERS):
            yield from _parameters(item, depth - 1)


def own_attributes(holder: Any) -> dict[str, str]:
    """The attributes of an object that is no module: a callback, an optimizer of the user's own."""
    found = itertools.chain(_attributes(holder), _private(holder))
    return {name: text for name, value in found if (text := _printed(value)) is not None}


def printed_tensor(tensor: torch.Tensor) -> str:
    """A tensor in a few characters: its value if it has one only, else shape and fingerprint, as
    far as it has numbers to show (one on the meta device has none)."""
    try:
        plain = tensor.detach().to_dense().cpu().contiguous()
        if plain.numel() == 1:
            return f"{plain.item():.6g}"
        data = plain.reshape(-1).view(torch.uint8).numpy()
    except (RuntimeError, NotImplementedError, TypeError, ValueError):
        return f"a tensor of {tensor.dtype}"
    return f"tensor{tuple(plain.shape)}#{hashlib.blake2b(data, digest_size=4).hexdigest()}"


def _attributes(holder: Any, house: Collection[str] = ()) -> Iterator[tuple[str, Any]]:
    for name, value in held(holder).items():
        if name.startswith("_") or name in house:
            continue
        yield name, value
        if is_plain_object(value):
            inner = ((n, v) for n, v in held(value).items() if not n.startswith("_"))
            yield from ((f"{name}.{n}", v) for n, v in inner)


def _private(holder: Any) -> Iterator[tuple[str, Any]]:
    for name, value in held(holder).items():
        own_object = is_plain_object(value)
        if name.startswith("_"):
            if name in names_of_own(type(holder)):
                yield name, value
                if own_object:
                    yield from ((f"{name}.{n}", v) for n, v in held(value).items() if n[:1] != "_")
        elif own_object:
            own = names_of_own(type(value))
            yield from ((f"{name}.{n}", v) for n, v in held(value).items() if n in own)


def _printed(value: Any) -> str | None:
    if isinstance(value, torch.Tensor):
        return printed_tensor(value)
    if isinstance(value, (numpy.ndarray, numpy.generic)):
        return _printed_array(value)
    if isinstance(value, _KINDS):
        return repr(value)[:80]
    if isinstance(value, _CONTAINERS) and all(_is_simple(item) for item in _items(value)):
        text = ", ".join(str(_printed(item)) for item in _items(value))
        digest = hashlib.blake2b(text.encode(), digest_size=4).hexdigest()
        return f"{type(value).__name__} of {len(value)}#{digest}"
    return None


def _printed_array(value: Any) -> str | None:
    """Numpy's, as a tensor is printed; but for whole data sets, and objects."""
    if value.dtype.hasobject or value.nbytes > _LARGEST:
        return None
    if value.size == 1:
        return repr(value.item())[:80]
    digest = hashlib.blake2b(numpy.ascontiguousarray(value).tobytes(), digest_size=4).hexdigest()
    return f"array{value.shape}#{digest}"


def _items(value: Any) -> list[Any]:
    return [*value.keys(), *value.values()] if isinstance(value, dict) else list(value)


def _is_simple(value: Any) -> bool:
    return isinstance(value, (*_KINDS, numpy.number))
