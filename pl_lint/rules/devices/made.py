"""What makes tensors, what moves them, and where they stay."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from pl_lint.facts.sites import AssignmentSite, ClassFacts

FACTORIES = tuple(
    f"torch.{name}"
    for name in ("zeros", "ones", "randn", "rand", "eye", "linspace", "full", "empty", "normal")
)
INDICES = ("torch.arange", "torch.randint", "torch.randperm")
MOVING = (".to", ".cuda", ".type_as", ".cpu")
MOVED = frozenset(word.lstrip(".") for word in MOVING) | {"item", "tolist", "numpy"}
"""Attributes of a tensor that is moved, or that becomes plain numbers, in the same expression."""


def worked_out(owner: ClassFacts, where: str) -> Iterator[AssignmentSite]:
    """Attributes that are given one value, a tensor that stays there: what later hooks give them is
    worked out from it."""
    first = (one for one in owner.assignments if one.hook == "__init__" or not _goes_on(one))
    times = Counter(one.attribute for one in first)
    for one in owner.assignments:
        if one.left == where and times[one.attribute] == 1:
            yield one


def _goes_on(site: AssignmentSite) -> bool:
    return site.augmented or site.carried
