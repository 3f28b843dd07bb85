"""The plain attributes of a module: state that no checkpoint holds."""

from __future__ import annotations

import hashlib
from typing import Any

import torch

_KINDS = (bool, int, float, str, torch.Tensor)


def plain_attributes(module: torch.nn.Module) -> dict[str, str]:
    """Attributes of a module and its submodules that are neither parameter, buffer nor
    hyper-parameter: numbers, strings, tensors, and lists or dicts of them, each in a short
    printable form, by dotted name."""
    house = set(vars(torch.nn.Module()))
    for base in type(module).__mro__:
        if base.__name__ == "LightningModule":
            house |= set(vars(base()))
    return {
        f"{prefix}.{name}" if prefix else name: text
        for prefix, child in module.named_modules()
        if not _is_library(child)
        for name, value in vars(child).items()
        if not name.startswith("_") and name not in house and (text := _printed(value)) is not None
    }


def _is_library(module: torch.nn.Module) -> bool:
    return type(module).__module__.split(".")[0] in ("torch", "torchmetrics", "lightning")


def _printed(value: Any) -> str | None:
    if isinstance(value, torch.Tensor):
        if value.numel() == 1:
            return f"{value.item():.6g}"
        data = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
        return f"tensor{tuple(value.shape)}#{hashlib.blake2b(data, digest_size=4).hexdigest()}"
    if isinstance(value, _KINDS):
        return repr(value)[:80]
    if isinstance(value, (list, tuple, dict)) and all(_is_simple(item) for item in _items(value)):
        text = ", ".join(str(_printed(item)) for item in _items(value))
        digest = hashlib.blake2b(text.encode(), digest_size=4).hexdigest()
        return f"{type(value).__name__} of {len(value)}#{digest}"
    return None


def _items(value: Any) -> list[Any]:
    return [*value.keys(), *value.values()] if isinstance(value, dict) else list(value)


def _is_simple(value: Any) -> bool:
    return isinstance(value, _KINDS)
