"""Data that are cut in two by numbers that are drawn, one for each row, or by an order that is.
Asked of the text."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from pl_lint.static.interpreter.context import Frame
from pl_lint.static.names import dotted
from pl_lint.static.naming import bindings, named

DRAWN = frozenset({"numpy.random.rand", "numpy.random.random", "numpy.random.random_sample"})
SHUFFLED = frozenset({"torch.randperm", "numpy.random.permutation"})
KEEPING = frozenset({"tolist", "numpy", "list"})
"""What gives the same order back."""
ORDERS = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)


def splits(node: ast.Call, frame: Frame) -> bool:
    """``mask = np.random.rand(len(table)) < 0.8``, of which the same function takes ``table[mask]``
    and ``table[~mask]``."""
    compared = frame.module.source.above.get(node)
    if not isinstance(compared, ast.Compare) or not isinstance(compared.ops[0], ORDERS):
        return False
    made = [one.targets[0] for one in frame.assignments if one.value is compared]
    names = [one.id for one in made if isinstance(one, ast.Name)]
    if len(names) != 1:
        return False
    taken = [one for one in frame.parts if isinstance(one, ast.Subscript)]
    held = {_whole(one) for one in taken if _is(one.slice, names[0])}
    others = {_whole(one) for one in taken if _is_other(one.slice, names[0])}
    return bool((held & others) - {""})


def orders(node: ast.Call, frame: Frame) -> tuple[str, ...]:
    """``order = torch.randperm(len(data)).tolist()``, of which the same function takes
    ``Subset(data, order[:n])`` and ``Subset(data, order[n:])``: what these parts are called."""
    if any(one.arg == "generator" for one in node.keywords) or len(node.args) != 1:
        return ()
    made: ast.AST = node
    above = frame.module.source.above
    while isinstance(around := above.get(made), (ast.Attribute, ast.Call)):
        made = around
        if isinstance(made, ast.Call) and (dotted(made.func) or "list") not in KEEPING:
            return ()
        if isinstance(made, ast.Attribute) and made.attr not in KEEPING:
            return ()
    given = dict(_bound(frame))
    names = [name for name, value in given.items() if value is made]
    taken = {one: _part(one, given) for one in frame.parts if isinstance(one, ast.Call)}
    cuts = {
        subset: part.slice
        for subset, part in taken.items()
        if part is not None
        and _is(part.value, *names[:1])
        and isinstance(part.slice, ast.Slice)
        and part.slice.step is None
    }
    ends = {ast.unparse(one.upper) for one in cuts.values() if one.upper is not None}
    starts = {ast.unparse(one.lower) for one in cuts.values() if one.lower is not None}
    return tuple(_called(list(cuts), frame)) if ends & starts else ()


def _called(values: list[ast.Call], frame: Frame) -> Iterator[str]:
    """What is made of each, its name or nothing."""
    names = {value: named(target) for part in frame.parts for target, value in bindings(part)}
    return (names.get(one, "") for one in values)


def _bound(frame: Frame) -> Iterator[tuple[str, ast.expr]]:
    """The local names that are given one value, and what that is."""
    pairs = [pair for part in frame.parts for pair in bindings(part)]
    names = [named(target) for target, _ in pairs]
    for target, value in pairs:
        if isinstance(target, ast.Name) and names.count(target.id) == 1:
            yield target.id, value


def _part(node: ast.Call, given: dict[str, ast.expr]) -> ast.Subscript | None:
    """The part of an order that a ``Subset`` is made of."""
    named_so = [one.value for one in node.keywords if one.arg == "indices"]
    indices = next(iter((*named_so, *node.args[1:2])), None)
    if isinstance(indices, ast.Name):
        indices = given.get(indices.id)
    match indices:
        case ast.Call(ast.Attribute(part, method), []) if method in KEEPING:
            indices = part
        case ast.Call(ast.Name("list"), [part]):
            indices = part
    of_subset = (dotted(node.func) or "").rpartition(".")[2] == "Subset"
    return indices if of_subset and isinstance(indices, ast.Subscript) else None


def _whole(node: ast.Subscript) -> str:
    return (dotted(node.value) or "").removesuffix(".loc")


def _is(node: ast.expr, name: str = "") -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _is_other(node: ast.expr, name: str) -> bool:
    return (
        isinstance(node, ast.UnaryOp)
        and isinstance(node.op, ast.Invert)
        and _is(node.operand, name)
    )
