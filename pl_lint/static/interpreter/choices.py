"""Which of several constants a name stands for where it is used, and what chooses among them.

``key = "acc" if score else "loss"`` is ``"acc"`` under another ``if score``; under ``if stop`` it
may be either, and ``score`` decides.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence

from pl_lint.facts.values import Known, OneOf, Value
from pl_lint.plain import frozen
from pl_lint.static.interpreter.context import Frame
from pl_lint.static.names import dotted
from pl_lint.static.naming import Giver, function_around, givers, identifiers, mentioned
from pl_lint.static.sources import SourceFile
from pl_lint.static.trees import walk

Answers = Mapping[str, bool]
"""Conditions as they are written, and whether each holds."""
Way = tuple[object, Answers]
"""One of the constants, and the conditions under which the name becomes it."""
UNSURE = (ast.For, ast.AsyncFor, ast.While, ast.Try, ast.Match, ast.Lambda)
"""What stands in one of these is run never, once or often."""


@frozen
class Choice:
    """What a name may be, and the names that tell which of it: those in the conditions, and those
    that are made under them or of them."""

    value: Known | OneOf
    by: frozenset[str]


def choice(node: ast.expr | None, value: Value, frame: Frame) -> Choice | None:
    """What is left of the values of a name, or of ``a if test else b``; None where it is not seen
    who chooses."""
    if not isinstance(value, OneOf) or not isinstance(node, (ast.Name, ast.IfExp)):
        return None
    source = frame.module.source
    scope = _Scope(source, function_around(node, source.above) or source.tree)
    here = scope.answers(node)
    ways = _left([(one.value, scope.answers(one)) for one in scope.constants(node)], here)
    values = tuple(one for one in value.values if one in [constant for constant, _ in ways])
    if not values:
        return None
    open_ = {text for _, answers in ways for text in answers if text not in here}
    by = frozenset(name for text in open_ for name in _asked(text, frame))
    by |= frozenset(scope.following(by))
    return Choice(Known(values[0]) if len(values) == 1 else OneOf(values), by)


def _left(ways: Sequence[Way], here: Answers) -> Sequence[Way]:
    """The ways that the conditions of a place leave, from the last on that was surely gone."""
    left = [one for one in ways if all(here.get(text, it) is it for text, it in one[1].items())]
    gone = [number for number, (_, way) in enumerate(left) if way.items() <= here.items()]
    return left[gone[-1] :] if gone else left


@frozen
class _Scope:
    """A function, or a file outside of its functions."""

    source: SourceFile
    node: ast.AST

    @property
    def given(self) -> Mapping[str, Sequence[Giver]]:
        return self.source.once(givers, self.node)

    def constants(self, node: ast.Name | ast.IfExp) -> list[ast.Constant]:
        """What a name is given before it is used; nothing where that may be no constant."""
        given = self.given.get(node.id, ()) if isinstance(node, ast.Name) else ((node, node),)
        leaves = [leaf for _, value in given for leaf in _leaves(value)]
        found = [one for one in leaves if isinstance(one, ast.Constant) and self._leads(one, node)]
        return found if len(found) == len(leaves) else []

    def _leads(self, one: ast.Constant, node: ast.expr) -> bool:
        """Whether a value is given on the way to a place, and not in a loop or the like."""
        unsure = {outer for outer in self._around(one) if isinstance(outer, UNSURE)}
        here = function_around(one, self.source.above) or self.source.tree
        return here is self.node and one.lineno <= node.lineno and unsure <= {*self._around(node)}

    def answers(self, part: ast.expr) -> dict[str, bool]:
        """The conditions around a piece of code. One that may have another answer elsewhere is told
        by its line."""
        found: dict[str, bool] = {}
        inner: ast.AST = part
        for outer in self._around(part):
            if isinstance(outer, (ast.If, ast.IfExp)) and inner is not outer.test:
                body = outer.body if isinstance(outer.body, list) else [outer.body]
                for test, holds in _said(outer.test, inner in body):
                    line = "" if self._stays(test) else f"  # {test.lineno}"
                    found.setdefault(f"{ast.unparse(test)}{line}", holds)
            inner = outer
        return found

    def _stays(self, test: ast.expr) -> bool:
        """Whether a condition has the same answer from here on: nothing in it is called, or given
        another value."""
        parts = walk(test)
        names = {dotted(one) for one in parts if isinstance(one, (ast.Name, ast.Attribute))}
        later = (part for name in names for part, _ in self.given.get(name or "", ()))
        called = any(isinstance(one, ast.Call) for one in parts)
        return not called and all(getattr(one, "lineno", 0) < test.lineno for one in later)

    def following(self, by: frozenset[str]) -> Iterator[str]:
        """The names that are given something made of these, or under a condition on them."""
        for name, given in self.given.items():
            for _, value in given:
                texts = self.answers(value) if value is not None else ()
                asked = {word for text in texts for word in identifiers(ast.parse(text))}
                if not by.isdisjoint(asked | {*identifiers(value or ast.Tuple())}):
                    yield name.rpartition(".")[2]

    def _around(self, part: ast.AST) -> Iterator[ast.AST]:
        """What stands around a piece of code, from the inside out."""
        outer = self.source.above.get(part)
        while outer is not None and outer is not self.node:
            yield outer
            outer = self.source.above.get(outer)


def _leaves(value: ast.expr | None) -> Iterator[ast.expr | None]:
    """``a`` and ``b`` of ``a if test else b``."""
    if isinstance(value, ast.IfExp):
        yield from (*_leaves(value.body), *_leaves(value.orelse))
    else:
        yield value


def _said(test: ast.expr, holds: bool) -> Iterator[tuple[ast.expr, bool]]:
    """What is known where a condition holds, or does not: both of ``a and b`` where it does."""
    match test:
        case ast.UnaryOp(ast.Not(), asked):
            yield from _said(asked, not holds)
        case ast.BoolOp(ast.And() | ast.Or() as how, several) if isinstance(how, ast.And) is holds:
            for one in several:
                yield from _said(one, holds)
        case _:
            yield test, holds


def _asked(text: str, frame: Frame) -> Iterator[str]:
    """The names that a condition asks for: ``task`` of ``args.task == "classes"``, and what they
    stand for; and the texts in it, as those of ``guards``."""
    parts = walk(ast.parse(text, mode="eval"))
    called = {one.func for one in parts if isinstance(one, ast.Call)}
    leading = {
        one.value for one in parts if isinstance(one, ast.Attribute) and one not in called
    } | {
        one.value
        for one in parts
        if isinstance(one, ast.Subscript) and isinstance(one.slice, ast.Constant)
    }
    for part in parts:
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            yield repr(part.value)
        for name in mentioned(part) if part not in leading else ():
            yield from (name, *frame.asked.get(name, ()))
