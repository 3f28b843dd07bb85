"""What reading can know of a value: exactly this, one of these, this shape, or nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Known:
    """Exactly this Python constant."""

    value: object


@dataclass(frozen=True)
class OneOf:
    """One of a few constants (two branches of an ``if``)."""

    values: tuple[object, ...]


@dataclass(frozen=True)
class Pattern:
    """A string with holes: ``f"{stage}/loss"`` is ``(None, "/loss")``; ``None`` is a hole."""

    parts: tuple[str | None, ...]

    def matches(self, text: str) -> bool:
        body = "".join(".*" if part is None else re.escape(part) for part in self.parts)
        return re.fullmatch(body, text, re.DOTALL) is not None


@dataclass(frozen=True)
class Unknown:
    """Reading cannot tell."""


Value = Known | OneOf | Pattern | Unknown
UNKNOWN = Unknown()


def may_be(value: Value, constant: object) -> bool:
    """Whether ``value`` can be ``constant`` when the code runs. An Unknown can be anything."""
    match value:
        case Known(known):
            return known == constant
        case OneOf(values):
            return constant in values
        case Pattern():
            return isinstance(constant, str) and value.matches(constant)
        case _:
            return True


def must_be(value: Value, constant: object) -> bool:
    """Whether ``value`` is ``constant`` whatever happens."""
    return isinstance(value, Known) and value.value == constant
