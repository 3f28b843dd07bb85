"""What a loop goes over."""

from __future__ import annotations

import ast
import re

from pl_lint.facts.origins import BatchValue, ListOfSteps, parts
from pl_lint.static.interpreter.abstract import (
    Abstract,
    Collection,
    Const,
    Mapping,
    Opaque,
    Sequence,
    join,
)
from pl_lint.static.interpreter.context import Context
from pl_lint.static.interpreter.derivation import derived

MAX_UNROLLED = 64
"""Loops over more known items than this are taken once with an unknown item."""
MAX_TURNS = 128
"""The same where loops in each other would take more turns than this."""


def elements(context: Context, iterable: Abstract) -> tuple[Abstract, ...] | None:
    """The items that a loop goes over, ``None`` where they are not known."""
    match iterable:
        case Sequence(items, True):
            known = items
        case Mapping(items, True):
            known = tuple(key for key, _ in items)
        case Collection(_, members, complete=True):
            known = tuple(Const(name) for name, _ in members)
        case Const(str(text)):
            known = tuple(Const(letter) for letter in text)
        case _:
            return None
    few = len(known) <= MAX_UNROLLED and len(known) * context.turns <= MAX_TURNS
    return known if few else None


COLUMNS = re.compile(r"\.m?T\b|transpose|permute|unbind|range\(|\.(?:keys|items|values)\(")
"""What goes over something else than the samples of a batch, or may."""


SAMPLES = re.compile(
    r"range\((?:[\w.]+\.shape\[0\]|[\w.]+\.size\(0\)|[\w.]+\.size\(dim=0\)|(?:self\.)?batch_size)\)"
)
"""The numbers of a batch's samples, one after another."""


def over_samples(context: Context, over: ast.expr, iterable: Abstract) -> bool:
    """Whether a loop goes over the samples that the batch gave, one after another:
    ``zip(preds, labels)``, ``range(y.shape[0])``; ``range(y.shape[1])`` goes over something
    else."""
    text = ast.unparse(over)
    if SAMPLES.fullmatch(text):
        return True
    if COLUMNS.search(text):
        return False
    return any(isinstance(one, BatchValue) for one in parts(context.origin(iterable)))


def an_element(context: Context, iterable: Abstract) -> Abstract:
    """What can be said of an item of something whose items are not known."""
    match iterable:
        case Sequence(items) if items:
            return join(*items)
        case Mapping(items) if items:
            return join(*(key for key, _ in items))
        case Opaque(ListOfSteps()):
            return iterable
    return Opaque(derived("call", (context.origin(iterable),)))
