"""Records as JSON data, and back."""

from __future__ import annotations

import dataclasses
import functools
import typing
from collections.abc import Mapping
from enum import Enum
from types import UnionType
from typing import Any, TypeVar, Union

T = TypeVar("T")


def to_json(record: object) -> Any:
    """The record as plain JSON data; non-finite floats are kept by Python's own JSON dialect."""
    return dataclasses.asdict(record)  # type: ignore[call-overload]


def from_json(kind: type[T], data: Any) -> T:
    """The inverse of :func:`to_json` for dataclasses of dataclasses, tuples and mappings."""
    return _decode(kind, data)


def _decode(kind: Any, data: Any) -> Any:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if data is None or kind is Any:
        return data
    if origin in (Union, UnionType):
        return _decode(next(item for item in arguments if item is not type(None)), data)
    if origin is tuple:
        kinds = arguments[:1] * len(data) if arguments[1:] == (Ellipsis,) else arguments
        return tuple(_decode(item_kind, item) for item_kind, item in zip(kinds, data, strict=True))
    if origin is Mapping:
        return {name: _decode(arguments[1], value) for name, value in data.items()}
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(data)
    if dataclasses.is_dataclass(kind):
        hints = _hints(kind)
        return kind(**{name: _decode(hints[name], value) for name, value in data.items()})
    return data


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    """A record's fields by type: to evaluate the annotations takes longer than to read the data."""
    return typing.get_type_hints(kind)
