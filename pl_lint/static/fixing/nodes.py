"""The syntax at a place, and the text of a node."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cached_property
from typing import NamedTuple

from pl_lint.places import Location
from pl_lint.static.sources import SourceFile
from pl_lint.static.trees import walk

Position = tuple[int, int]
Statements = list[ast.stmt]


class Placed(NamedTuple):
    """A statement from where to where, and the block that it stands in."""

    start: Position
    end: Position
    node: ast.stmt
    block: Statements

    def holds(self, place: Location) -> bool:
        return self.start <= (place.line, place.column) < self.end


class Syntax:
    """A parsed file that is asked for nodes by their place."""

    def __init__(self, source: SourceFile) -> None:
        self.source = source

    @cached_property
    def _calls(self) -> dict[tuple[Position, Position], ast.Call]:
        calls = (node for node in walk(self.source.tree) if isinstance(node, ast.Call))
        return {(self.start(node), self.end(node)): node for node in calls}

    @cached_property
    def _statements(self) -> tuple[Placed, ...]:
        """Every statement of the file; many fixes ask for them."""
        return tuple(
            Placed(self.start(one), self.end(one), one, block)
            for node in walk(self.source.tree)
            for name in ("body", "orelse", "finalbody")
            if isinstance(block := getattr(node, name, None), list)
            for one in block
            if isinstance(one, ast.stmt)
        )

    def start(self, node: ast.expr | ast.stmt | ast.keyword) -> Position:
        place = self.source.location(node)  # type: ignore[arg-type]
        return place.line, place.column

    def end(self, node: ast.expr | ast.stmt | ast.keyword) -> Position:
        place = self.source.location(node)  # type: ignore[arg-type]
        return place.end_line, place.end_column

    def call(self, place: Location) -> ast.Call | None:
        """The call that stands exactly there."""
        return self._calls.get(((place.line, place.column), (place.end_line, place.end_column)))

    def span(self, node: ast.expr | ast.arg) -> tuple[Position, Position]:
        place = self.source.location(node)  # type: ignore[arg-type]
        return (place.line, place.column), (place.end_line, place.end_column)

    def statement(self, place: Location) -> tuple[ast.stmt, Statements] | None:
        """The innermost statement that holds a place, with the block that it stands in."""
        around = (one for one in self._statements if one.holds(place))
        found = max(around, key=lambda one: one.start, default=None)
        return (found.node, found.block) if found else None

    def function(self, place: Location) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
        """The innermost function that holds a place."""
        return max(self._around(place), key=self.start, default=None)

    def knows(self, place: Location, parameter: str) -> bool:
        """Whether a function around a place has this parameter."""
        given = (one.args for one in self._around(place))
        return any(parameter == one.arg for args in given for one in args.posonlyargs + args.args)

    def _around(self, place: Location) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
        return [
            one.node
            for one in self._statements
            if isinstance(one.node, (ast.FunctionDef, ast.AsyncFunctionDef)) and one.holds(place)
        ]

    def imports(self, place: Location) -> Iterator[ast.Import | ast.ImportFrom]:
        """The imports at the top level of the file that a place comes after."""
        for node in self.source.tree.body:
            before = self.start(node) < (place.line, place.column)
            if before and isinstance(node, (ast.Import, ast.ImportFrom)):
                yield node
