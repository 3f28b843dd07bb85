"""What objects hold, asked past their own code: stubs answer to every attribute, proxies lend the
answers of others, and some refuse to be asked at all. None of that is the module's business."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def held(owner: Any) -> dict[str, Any]:
    """The attributes in an object's own dictionary, without those that give themselves out for what
    they are not (mocks with a specification, weak references that may be dead)."""
    try:
        found = object.__getattribute__(owner, "__dict__")
    except Exception:  # it has none, or makes it on demand and could not
        return {}
    if not isinstance(found, Mapping):
        return {}
    return {name: value for name, value in found.items() if _is_itself(value)}


def holds(owner: Any) -> bool:
    """Whether an object has a dictionary that can be read."""
    try:
        return isinstance(object.__getattribute__(owner, "__dict__"), Mapping)
    except Exception:
        return False


def _is_itself(value: Any) -> bool:
    try:
        return value.__class__ is type(value)
    except Exception:
        return False
