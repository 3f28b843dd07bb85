"""Dicts that are put together: ``a | b``, ``{**a, **b}``, ``dict(a, **b)``, ``a.update(b)``."""

from __future__ import annotations

from itertools import product

from pl_lint.static.interpreter.abstract import Abstract, Mapping, join, options

MAX_UNIONS = 16
"""Of so many pairs of dicts it is followed which may meet."""


def united(left: Abstract, right: Abstract) -> Abstract:
    """What the items of the left and those of the right make. Where a branch decides which dict
    one of them is, each that it may be meets each of the others."""
    pairs = list(product(options(left), options(right)))
    if len(pairs) > MAX_UNIONS:
        return Mapping((), False)
    return join(*(_known(one).merged(_known(other)) for one, other in pairs))


def is_dict(value: Abstract) -> bool:
    """Whether a value is a dict in any case."""
    return all(isinstance(option, Mapping) for option in options(value))


def _known(value: Abstract) -> Mapping:
    """What is known of a dict; of any other value, that it may hold anything."""
    return value if isinstance(value, Mapping) else Mapping((), False)
