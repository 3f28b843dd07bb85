"""What a comprehension makes: the turns of its loops, one after the other."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from pl_lint.static.interpreter import listing, lookup
from pl_lint.static.interpreter.abstract import Abstract, Mapping, Sequence, Text
from pl_lint.static.interpreter.context import Context, Frame
from pl_lint.static.interpreter.iteration import an_element, elements, over_samples
from pl_lint.static.interpreter.truth import truth

MAX_CLAUSES = 8
"""Loops inside each other of one comprehension that are followed."""


def sequence(context: Context, node: ast.ListComp, frame: Frame) -> Abstract:
    items: list[Abstract] = []
    complete = True
    listing.emptied_in_turn(context, node.generators[0], [node.elt], frame)
    for inner, known in _passes(context, node.generators, frame):
        items.append(context.evaluate(node.elt, inner))
        complete = complete and known
    return Sequence(tuple(items), complete)


def mapping(context: Context, node: ast.DictComp, frame: Frame) -> Abstract:
    result = Mapping()
    for inner, known in _passes(context, node.generators, frame):
        key = context.evaluate(node.key, inner)
        result = result.with_item(key, context.evaluate(node.value, inner))
        # A key with a hole stands for every key that the loop makes.
        complete = result.complete and (known or isinstance(key, Text))
        result = Mapping(result.items, complete)
    return result


def _passes(
    context: Context, generators: list[ast.comprehension], frame: Frame
) -> Iterator[tuple[Frame, bool]]:
    """A frame for each turn of the loops, and whether all turns are known."""
    head, *rest = generators[:MAX_CLAUSES]
    iterable = context.evaluate(head.iter, frame)
    known = elements(context, iterable)
    items = (an_element(context, iterable),) if known is None else known
    of_samples = known is None and over_samples(context, head.iter, iterable)
    looping = context.looping(head.iter, known is not None, of_samples)
    with context.turning(len(items)), looping:
        for value in items:
            inner = _copied(frame)
            lookup.assign(context, head.target, value, inner)
            verdicts = [truth(context.evaluate(test, inner)) for test in head.ifs]
            if False in verdicts:
                continue
            certain = known is not None and None not in verdicts and len(generators) <= MAX_CLAUSES
            if not rest:
                yield inner, certain
                continue
            deeper = _passes(context, rest, inner)
            yield from ((one, certain and sure) for one, sure in deeper)


def _copied(frame: Frame) -> Frame:
    copied = Frame(frame.module, dict(frame.names), frame.defining, frame.function, frame.depth)
    copied.code = frame.code
    return copied
