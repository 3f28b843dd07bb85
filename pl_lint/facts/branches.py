"""The branches of a function that something stands in."""

from __future__ import annotations

Arms = tuple[tuple[int, int], ...]
"""The branches that something stands in: the line of the first of them, and its number."""


def comes_along(arms: Arms, inner: Arms) -> bool:
    """Whether a run that reaches a piece of a function in the branches ``inner`` has come through
    ``arms``, too."""
    return inner[: len(arms)] == arms


def apart(one: Arms, other: Arms) -> bool:
    """Whether two pieces of a function stand in two branches of one statement: one of them runs."""
    taken = dict(one)
    return any(taken.get(place, number) != number for place, number in other)
