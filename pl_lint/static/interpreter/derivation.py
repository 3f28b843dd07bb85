"""What a result is made of, said as small as it can be without losing what rules ask for."""

from __future__ import annotations

from collections.abc import Iterable

from pl_lint.facts.origins import (
    BatchValue,
    Compound,
    Derived,
    Either,
    FunctionCall,
    Gathered,
    Number,
    Origin,
    Pairs,
    UnknownOrigin,
    depth_of,
    gathers_in_a_branch,
    parts_below,
)

MAX_OPTIONS = 6
"""More alternatives than this are no longer kept apart."""
MAX_DEPTH = 4
"""Deeper derivations keep only their leaves."""
PLAIN = (BatchValue, Number, UnknownOrigin)
TELLING = frozenset({"sqrt", "exp", "log", "decided", "sum", "ratio", "macro", "logarithm"})
"""Operations that do not commute with means: they matter even on values not known further. What is
``decided`` is a class, no longer a score: ``argmax``, ``round``, a comparison; a ``ratio`` is one
of sums over the batch, ``macro`` one for each class, a ``logarithm`` that of a batch mean."""


def either(origins: Iterable[Origin]) -> Origin:
    distinct = _distinct(
        option
        for origin in origins
        for option in (origin.options if isinstance(origin, Either) else (origin,))
    )
    if len(distinct) == 1:
        return distinct[0]
    return Either(distinct) if len(distinct) <= MAX_OPTIONS else UnknownOrigin()


def derived(operation: str, sources: Iterable[Origin]) -> Origin:
    """The result of an operation, as small as it can be said without losing what rules ask for."""
    distinct = _distinct(sources)
    telling = tuple(s for s in distinct if not isinstance(s, (UnknownOrigin, Number))) or distinct
    if not telling:
        return UnknownOrigin()
    if operation not in TELLING and all(isinstance(source, PLAIN) for source in telling):
        return telling[0]
    if operation == "call" and len(telling) == 1 and _is_shape(telling[0]):
        return telling[0]
    if max(map(depth_of, telling)) >= MAX_DEPTH:
        telling = _leaves(telling)[:MAX_OPTIONS]
    return Derived(operation, telling)


def _is_shape(origin: Origin) -> bool:
    """Whether calling something with a value says no more of it: ``torch.stack([...])``."""
    if isinstance(origin, Either):
        return all(isinstance(one, Number) or _is_shape(one) for one in origin.options)
    return isinstance(origin, Derived) and origin.operation in ("call", "sequence")


def called(
    name: str, arguments: Pairs, sources: Iterable[Origin], per_sample: bool = False
) -> Origin:
    """The result of a function from outside."""
    distinct = tuple(s for s in _distinct(sources) if not isinstance(s, (UnknownOrigin, Number)))
    if max(map(depth_of, distinct), default=0) >= MAX_DEPTH:
        distinct = _leaves(distinct)[:MAX_OPTIONS]
    return FunctionCall(name, arguments, distinct, per_sample)


def _distinct(origins: Iterable[Origin]) -> tuple[Origin, ...]:
    found = tuple(origins)
    return found if len(found) < 2 else tuple(dict.fromkeys(found))  # a hash goes all the way down


def _leaves(origins: tuple[Origin, ...]) -> tuple[Origin, ...]:
    """What origins were made of in the end, without what lies below it; what was gathered stays
    so."""
    seen: dict[Origin, None] = {}
    leaves: dict[Origin, None] = {}
    waiting = list(reversed(origins))
    while waiting:
        origin = waiting.pop()
        if origin in seen:
            continue
        seen[origin] = None
        if isinstance(origin, Gathered) or gathers_in_a_branch(origin):
            leaves[Gathered()] = None
            continue
        if isinstance(origin, FunctionCall):
            leaves[FunctionCall(origin.name, origin.arguments, (), origin.per_sample)] = None
        elif not isinstance(origin, Compound):
            leaves[origin] = None
        waiting += reversed(parts_below(origin))
    return tuple(leaves)
