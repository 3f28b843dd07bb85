"""What a change means in a text: the edits of each kind of change."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from pl_lint.fixes import (
    Change,
    Delete,
    DropArgument,
    Edit,
    Fix,
    Import,
    Insert,
    Rename,
    Replace,
    SetArgument,
    Written,
)
from pl_lint.places import Location
from pl_lint.static.fixing.nodes import Position, Syntax
from pl_lint.static.fixing.text import Document
from pl_lint.static.sources import SourceFile


class CannotFix(Exception):
    """A change that this text has no safe place for; the finding stands without a fix."""


@dataclass(frozen=True, eq=False)
class Mender:
    """Turns the fixes of one file's findings into edits."""

    source: SourceFile

    @cached_property
    def syntax(self) -> Syntax:
        return Syntax(self.source)

    @cached_property
    def document(self) -> Document:
        return Document(self.source.text)

    def resolved(self, fix: Fix | None) -> Fix | None:
        """The fix with its edits; None where one of its changes cannot be made."""
        if fix is None:
            return None
        try:
            edits = [edit for change in fix.changes for edit in self._edits(change)]
            text = self.document.edited(edits).text
            ast.parse(text)
        except (CannotFix, SyntaxError, ValueError):
            return None
        return replace(fix, edits=tuple(sorted(edits))) if text != self.source.text else None

    def _edits(self, change: Change) -> list[Edit]:
        return EDITS[type(change)](self, change)

    # --- texts ------------------------------------------------------------------------------------

    def written(self, text: Written) -> str:
        """The source that a change writes, its quotations filled in."""
        pieces = (text,) if isinstance(text, str) else text
        return "".join(one if isinstance(one, str) else self.quoted(one) for one in pieces)

    def quoted(self, place: Location) -> str:
        return self.document.between(*_span(place))

    # --- expressions and names --------------------------------------------------------------------

    def replace(self, change: Replace) -> list[Edit]:
        return [Edit(*_span(change.place), self.written(change.text))]

    def rename(self, change: Rename) -> list[Edit]:
        definition = self.quoted(change.definition)
        old = definition.split()[-1]
        end = change.definition.end_line, change.definition.end_column
        start = end[0], end[1] - len(old)
        if "\n" in definition or self.document.between(start, end) != old:
            raise CannotFix
        return [Edit(start, end, change.name)]

    # --- arguments --------------------------------------------------------------------------------

    def set_argument(self, change: SetArgument) -> list[Edit]:
        call, text = self._call(change.call), self.written(change.text)
        for keyword in call.keywords:
            if keyword.arg == change.name:
                return [Edit(*self._span(keyword.value), text)]
        if 0 <= change.position < len(call.args):
            before = call.args[: change.position + 1]
            if any(isinstance(one, ast.Starred) for one in before):
                raise CannotFix
            return [Edit(*self._span(call.args[change.position]), text)]
        if any(keyword.arg is None for keyword in call.keywords):  # ** may hold it already
            raise CannotFix
        return [self._added(call, f"{change.name}={text}")]

    def _added(self, call: ast.Call, text: str) -> Edit:
        """A new last argument, in the way that the others stand."""
        given = [*call.args, *call.keywords]
        if not given:
            end = self.syntax.end(call)
            at = end[0], end[1] - 1
            return Edit(at, at, text)
        last = max(given, key=self.syntax.end)
        at = self.syntax.end(last)
        if isinstance(last, ast.GeneratorExp) and len(given) == 1:
            raise CannotFix  # its parentheses may be those of the call
        own_line = self.document.lines[self.syntax.start(last)[0] - 1]
        indent = own_line[: len(own_line) - len(own_line.lstrip())]
        alone = len(indent) == self.syntax.start(last)[1] - 1
        stacked = alone and self.syntax.start(last)[0] > self.syntax.start(call)[0]
        return Edit(at, at, f",\n{indent}{text}" if stacked else f", {text}")

    def drop_argument(self, change: DropArgument) -> list[Edit]:
        call = self._call(change.call)
        given = sorted([*call.args, *call.keywords], key=self.syntax.start)
        index = next((i for i, one in enumerate(given) if _is_named(one, change.name)), None)
        if index is None:
            raise CannotFix
        dropped = self._span(given[index])
        if index:  # with the comma before it
            start = self.syntax.end(given[index - 1])
            return [Edit(start, dropped[1], "")] if self._plain(start, dropped[0]) else self._no()
        if len(given) > 1:
            end = self.syntax.start(given[1])
            return [Edit(dropped[0], end, "")] if self._plain(dropped[1], end) else self._no()
        return [Edit(*dropped, "")]

    def _plain(self, start: Position, end: Position) -> bool:
        """Whether nothing but a comma and white space stands there: no comment is lost."""
        return not self.document.between(start, end).replace(",", "", 1).strip()

    def _no(self) -> list[Edit]:
        raise CannotFix

    # --- statements -------------------------------------------------------------------------------

    def insert(self, change: Insert) -> list[Edit]:
        start, end = self._whole_lines(change.place)
        line = self.document.lines[start - 1]
        indent = line[: len(line) - len(line.lstrip())]
        text = "\n".join(indent + one for one in self.written(change.text).split("\n")) + "\n"
        at = (end + 1, 1) if change.after else (start, 1)
        if at[0] > len(self.document.lines):  # after the last line, which may have no end
            last = self.document.lines[-1]
            ended = last.endswith("\n")
            at = (at[0] - 1, len(last) + 1)
            text = text if ended else "\n" + text[:-1]
        return [Edit(at, at, text)]

    def delete(self, change: Delete) -> list[Edit]:
        start, end = self._whole_lines(change.place)
        _, block = self._statement(change.place)
        if len(block) == 1:
            raise CannotFix
        if end < len(self.document.lines):
            return [Edit((start, 1), (end + 1, 1), "")]
        return [Edit((start, 1), (end, len(self.document.lines[end - 1]) + 1), "")]

    def _whole_lines(self, place: Location) -> tuple[int, int]:
        """The lines of a statement that has them for itself."""
        node, _ = self._statement(place)
        first, last = self.syntax.start(node), self.syntax.end(node)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            decorators = [self.syntax.start(one)[0] for one in node.decorator_list]
            first = min([first[0], *decorators]), first[1]
        before = self.document.lines[first[0] - 1][: first[1] - 1]
        after = self.document.lines[last[0] - 1][last[1] - 1 :].strip()
        if before.strip() or (after and not after.startswith("#")):
            raise CannotFix
        return first[0], last[0]

    def _statement(self, place: Location) -> tuple[ast.stmt, list[ast.stmt]]:
        found = self.syntax.statement(place)
        if found is None:
            raise CannotFix
        return found

    # --- imports ----------------------------------------------------------------------------------

    def add_import(self, change: Import) -> list[Edit]:
        imports = list(self.syntax.imports())
        bound = {
            alias.asname or alias.name.partition(".")[0] for node in imports for alias in node.names
        }
        if change.name in bound:
            return []
        if imports:
            after = self.syntax.end(imports[-1])
            at = after[0], len(self.document.lines[after[0] - 1].rstrip("\r\n")) + 1
            return [Edit(at, at, f"\n{change.statement}")]
        body = self.source.tree.body
        docstring = ast.get_docstring(self.source.tree) is not None
        at = (self.syntax.end(body[0])[0] + 1, 1) if docstring else (1, 1)
        return [Edit(at, at, f"{change.statement}\n")]

    # --- nodes ------------------------------------------------------------------------------------

    def _call(self, place: Location) -> ast.Call:
        call = self.syntax.call(place)
        if call is None:
            raise CannotFix
        return call

    def _span(self, node: ast.expr | ast.keyword) -> tuple[Position, Position]:
        return self.syntax.start(node), self.syntax.end(node)


def _span(place: Location) -> tuple[Position, Position]:
    return (place.line, place.column), (place.end_line, place.end_column)


def _is_named(argument: ast.expr | ast.keyword, name: str) -> bool:
    return isinstance(argument, ast.keyword) and argument.arg == name


EDITS: dict[type, Callable[[Mender, Any], list[Edit]]] = {
    Replace: Mender.replace,
    SetArgument: Mender.set_argument,
    DropArgument: Mender.drop_argument,
    Rename: Mender.rename,
    Insert: Mender.insert,
    Delete: Mender.delete,
    Import: Mender.add_import,
}
"""How each kind of change is made."""
