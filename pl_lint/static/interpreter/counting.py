"""Sums over a whole batch and ratios of them, as scores are written by hand."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable

from pl_lint.facts.origins import (
    BatchValue,
    Derived,
    FunctionCall,
    ListOfSteps,
    Number,
    Origin,
    UnknownOrigin,
    parts,
)
from pl_lint.static.interpreter.abstract import Abstract, Opaque
from pl_lint.static.interpreter.derivation import derived

PLAIN = (BatchValue, ListOfSteps, Number, UnknownOrigin)
COMMON = frozenset({"call", "arithmetic", "decided", "sequence", "joined", "sum", "ratio", "macro"})
"""Operations that leave a number which nothing more is known of."""
EACH = COMMON | {"exp", "log"}
"""These too, under a sum: it adds up what they make of each element. Whether a root under a sum is
that of each sample is left open; a run decides it, as the demo shows."""
SQUARES = EACH | {"mean"}
"""Under a sum of squared distances also the mean of the batch: R2 by hand."""
TOTALS = frozenset({"sum", "count_nonzero", "norm"})
BOUNDING = frozenset({"clamp", "clamp_", "clamp_min", "clamp_min_", "clip", "maximum"})
"""Methods, and functions of torch and NumPy, that keep a sum from being zero."""
FUNCTIONS = frozenset({"torch.sum", "numpy.sum", "torch.count_nonzero", "numpy.count_nonzero"})


def is_total(name: str, node: ast.Call) -> bool:
    """``x.sum()``: over everything, the batch as well; ``x.sum(1)`` is for each sample."""
    return name in TOTALS and not node.args and not node.keywords


def is_total_of(name: str, node: ast.Call) -> bool:
    """``torch.sum(x)``."""
    return name in FUNCTIONS and len(node.args) == 1 and not node.keywords


def total(sources: Iterable[Origin], summed: ast.expr) -> Origin:
    """The sum of something; of what operations made that a rule may ask for, as before."""
    origins = tuple(sources)
    common = SQUARES if _is_squared_distance(summed) or all(map(_is_kept, origins)) else EACH
    if any(_is_plain(one, common) for one in origins):
        return derived("sum", tuple(map(_leaf, origins)))
    return derived("call", origins)


def _is_kept(origin: Origin) -> bool:
    """Whether it is made of what the steps have kept: a mean of that is over all there is."""
    leaves = [one for one in parts(origin) if not isinstance(one, Derived)]
    return any(isinstance(one, ListOfSteps) for one in leaves)


def _is_squared_distance(node: ast.expr) -> bool:
    """``(y - y.mean()) ** 2``"""
    match node:
        case ast.BinOp(ast.BinOp(op=ast.Sub()), ast.Pow(), ast.Constant(2 | 2.0)):
            return True
        case ast.Call(ast.Attribute(ast.BinOp(op=ast.Sub()), "pow" | "square")):
            return True
        case ast.Call(ast.Attribute(_, "pow" | "square"), [ast.BinOp(op=ast.Sub()), *_]):
            return True
    return False


def bounded(name: str, sources: Iterable[Origin]) -> Origin | None:
    """A sum that is kept from being zero, ``hits.sum().clamp(min=1)``, is that sum."""
    function = name.removeprefix("torch.").removeprefix("numpy.")
    made = [one for one in sources if not isinstance(one, (Number, UnknownOrigin))]
    of_sum = len(made) == 1 and _is(made[0], "sum")
    return made[0] if of_sum and function in BOUNDING else None


def computed(op: ast.operator, left: Origin, right: Origin, quotient: str) -> Origin:
    """Arithmetic. A quotient of two sums is a ratio (``macro``: one for each class), and what is
    computed of ratios is one; what is computed of sums is a sum. Neither grows deeper by that."""
    sides = (left, right)
    if isinstance(op, ast.Mult) and (length := _multiplied_length(sides)) is not None:
        return length
    ratios = [side.operation for side in sides if _is(side, "ratio") or _is(side, "macro")]
    sums = [_is(side, "sum") for side in sides]
    if not all(map(_is_plain, sides)) or not (ratios or any(sums)):
        return derived("arithmetic", sides)
    if ratios or (all(sums) and isinstance(op, ast.Div)):
        return derived(ratios[0] if ratios else quotient, tuple(map(_leaf, sides)))
    divided = isinstance(op, (ast.Div, ast.FloorDiv, ast.Mod))
    return derived("arithmetic" if divided else "sum", tuple(map(_leaf, sides)))


def _multiplied_length(sides: Collection[Origin]) -> Origin | None:
    """The length of a loader, times a number: ``epochs * len(loader)`` counts one process' batches
    as well."""
    lengths = [one for one in sides if isinstance(one, FunctionCall) and one.name == "builtins.len"]
    others = [one for one in sides if isinstance(one, (Number, UnknownOrigin))]
    return lengths[0] if len(lengths) == len(others) == 1 else None


def sums_over_length(left: ast.expr, right: ast.expr) -> bool:
    """``sum(values) / len(values)``, which is a mean."""
    match left, right:
        case ast.Call(ast.Name("sum"), [added]), ast.Call(ast.Name("len"), [counted]):
            same = ast.dump(added) == ast.dump(counted)
            loops = getattr(added, "generators", [])
            return same or (len(loops) == 1 and ast.dump(loops[0].iter) == ast.dump(counted))
    return False


def is_running_mean(left: Abstract, divisor: Origin) -> bool:
    """``self.total / self.n``, of what the steps have added up and a number of batches: sizes that
    the steps add up are held as well."""
    summed = isinstance(left, Opaque) and isinstance(left.origin, ListOfSteps)
    return summed and not any(isinstance(one, ListOfSteps | BatchValue) for one in parts(divisor))


def _is(origin: Origin, operation: str) -> bool:
    return isinstance(origin, Derived) and origin.operation == operation


def _is_plain(origin: Origin, common: Collection[str] = COMMON) -> bool:
    """Whether a number is made of the batch by operations that no rule asks for."""
    made = (part.operation in common for part in parts(origin) if isinstance(part, Derived))
    leaves = (part for part in parts(origin) if not isinstance(part, Derived))
    return all(made) and all(isinstance(leaf, PLAIN) for leaf in leaves)


def _leaf(origin: Origin) -> Origin:
    """What such a number was made of in the end."""
    found = [part for part in parts(origin) if isinstance(part, PLAIN)]
    return next((one for one in found if isinstance(one, BatchValue)), found[0])
