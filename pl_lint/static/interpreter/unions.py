"""Dicts that are put together: ``a | b``, ``{**a, **b}``, ``dict(a, **b)``, ``a.update(b)``."""

from __future__ import annotations

from itertools import product

from pl_lint.static.interpreter.abstract import (
    NOTHING,
    Abstract,
    Mapping,
    Opaque,
    Text,
    join,
    options,
)
from pl_lint.static.interpreter.derivation import MAX_OPTIONS


def united(left: Abstract, right: Abstract) -> Abstract:
    """What the items of the left and those of the right make. Where a branch decides which dict
    one of them is, each that it may be meets each of the others; where that would be too many, what
    no branch decides is left."""
    pairs = list(product(options(left), options(right)))
    if len(pairs) > MAX_OPTIONS:
        return _over(_known(left), _known(right))
    return join(*(_over(_known(one), _known(other)) for one, other in pairs))


def _over(left: Mapping, right: Mapping) -> Mapping:
    """With the items of the right one. One that may hold anything, or an item under a name that
    nobody knows, may give any key of the left another value; one of whose keys a part is known
    (``f"val_{name}"``) is there to add some."""
    named = right.complete or any(isinstance(key, Text) for key, _ in right.items)
    if named and not any(isinstance(key, Opaque) for key, _ in right.items):
        return left.merged(right)
    covered = tuple((key, join(value, NOTHING)) for key, value in left.items)
    return Mapping(covered, left.complete, left.maker).merged(right)


def is_dict(value: Abstract) -> bool:
    """Whether a value is a dict in any case."""
    return all(isinstance(option, Mapping) for option in options(value))


def _known(value: Abstract) -> Mapping:
    """What is known of a dict; of any other value, that it may hold anything."""
    return value if isinstance(value, Mapping) else Mapping((), False)
