"""``torch.max(scores, 1)`` and the like: the best values along a dimension and where they stand."""

from __future__ import annotations

from collections.abc import Sequence as Several

from pl_lint.facts.origins import Origin
from pl_lint.static.interpreter.abstract import Abstract, Const, Opaque, Sequence
from pl_lint.static.interpreter.context import Arguments
from pl_lint.static.interpreter.derivation import derived

FIELDS = ("values", "indices")
PAIRS = "torch.return_types."
"""What torch calls the pairs that it returns."""


def along(name: str, arguments: Arguments, place: int, origins: Several[Origin]) -> Sequence | None:
    """What ``max`` with a dimension, or ``topk``, returns; None for anything else. ``place``: where
    the dimension stands among the arguments. ``torch.max(a, b)`` has none."""
    dimension = arguments.get(place, "dim")
    whole = isinstance(dimension, Const) and type(dimension.value) is int
    if name != "topk" and not (name == "max" and whole):
        return None
    values = Opaque(derived("call", origins))
    return Sequence((values, Opaque(derived("decided", origins))), maker=f"{PAIRS}{name}")


def field(pair: Abstract, name: str) -> Abstract | None:
    """``scores.max(1).indices``."""
    match pair:
        case Sequence(items, maker=maker) if maker.startswith(PAIRS) and name in FIELDS:
            return items[FIELDS.index(name)]
    return None
