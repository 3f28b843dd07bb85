"""What a change means in a text: the edits of each kind of change."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

from pl_lint.fixes import (
    AddParameters,
    Change,
    Delete,
    DropArgument,
    DropParameters,
    Edit,
    Fix,
    Import,
    Insert,
    PutObject,
    Rehome,
    Rename,
    RenameArgument,
    Replace,
    Reword,
    Samples,
    SetArgument,
    Spot,
    Wrap,
    Written,
)
from pl_lint.places import Location
from pl_lint.plain import frozen, replace
from pl_lint.static.fixing import spots
from pl_lint.static.fixing.nodes import Position, Syntax
from pl_lint.static.fixing.spots import CannotFix
from pl_lint.static.fixing.text import Document, place_of
from pl_lint.static.sources import SourceFile

LEAVING = (ast.Return, ast.Raise, ast.Continue, ast.Break)
"""Statements that nothing is run after."""
REST_OF_LINE = re.compile(r"(?P<comma>[ \t]*,)?[ \t]*(#.*)?")
"""What may follow the last argument in its line where each has a line of its own."""


def _apart(fixes: Sequence[Fix]) -> tuple[list[Fix], list[Fix]]:
    """Fixes that do not touch each other, and the others. The same edit twice is one."""
    chosen: list[Fix] = []
    left: list[Fix] = []
    taken: set[Edit] = set()
    for fix in fixes:
        new = [edit for edit in fix.edits if edit not in taken]
        touching = any(one.touches(other) for one in new for other in taken)
        (left if touching else chosen).append(fix)
        if not touching:
            taken.update(new)
    return chosen, left


@frozen(eq=False)
class Mender:
    """Turns the fixes of one file's findings into edits."""

    source: SourceFile

    @cached_property
    def syntax(self) -> Syntax:
        return Syntax(self.source)

    @cached_property
    def document(self) -> Document:
        return Document(self.source.text)

    def resolved(self, fixes: Sequence[Fix | None]) -> list[Fix | None]:
        """The fixes with their edits; None where a change cannot be made.

        Whether Python is left is asked of many at once, because parsing is nearly all of the cost.
        """
        drafts = [self._drafted(fix) for fix in fixes]
        waiting = [draft for draft in drafts if draft is not None]
        sound: set[Fix] = set()
        while waiting:
            together, waiting = _apart(waiting)
            alone = () if self._parses(together) else together
            sound.update(one for one in alone if self._parses([one]))
            sound.update(together if not alone else ())
        return [draft if draft in sound else None for draft in drafts]

    def _drafted(self, fix: Fix | None) -> Fix | None:
        """The fix with its edits, if it changes anything."""
        if fix is None:
            return None
        try:
            edits = [edit for change in fix.changes for edit in self._edits(change)]
            text = self.document.edited(edits).text
        except (CannotFix, ValueError):
            return None
        if text == self.source.text:
            return None
        return replace(fix, edits=tuple(sorted(edits, key=place_of)))

    def _parses(self, fixes: Sequence[Fix]) -> bool:
        edits = {edit for fix in fixes for edit in fix.edits}
        try:
            ast.parse(self.document.edited(edits).text)
        except (SyntaxError, ValueError):
            return False
        return True

    def _edits(self, change: Change) -> list[Edit]:
        edits = EDITS[type(change)](self, change)
        self._know_self(edits)
        if not isinstance(change, Delete):
            self._keep_comments(edits)
        return edits

    def _keep_comments(self, edits: list[Edit]) -> None:
        """What spans lines may hold comments; those are not ours to take."""
        for edit in edits:
            old = self.document.between(edit.start, edit.end)
            if "#" in old and "\n" in old and any(c not in edit.text for c in _comments(old)):
                raise CannotFix

    def _know_self(self, edits: list[Edit]) -> None:
        """Code that a method reaches may stand in a function that has no ``self``."""
        for edit in edits:
            old = self.document.between(edit.start, edit.end)
            if re.search(r"\bself\.", edit.text) and "self" not in old:
                line, column = edit.start
                before = (
                    line - (column == 1),
                    1,
                )  # what is added after the last line of a function
                places = (Location(self.source.path, *at) for at in (edit.start, before))
                if not any(self.syntax.knows(place, "self") for place in places):
                    raise CannotFix

    # --- texts ------------------------------------------------------------------------------------

    def written(self, text: Written) -> str:
        """The source that a change writes, its quotations filled in."""
        pieces = (text,) if isinstance(text, str) else text
        return "".join(one if isinstance(one, str) else self.quoted(one) for one in pieces)

    def quoted(self, spot: Spot | Samples) -> str:
        if isinstance(spot, Samples):
            return spots.samples(self.syntax, spot)
        return self.document.between(*_span(spots.place_of(self.syntax, spot)))

    # --- expressions and names --------------------------------------------------------------------

    def replace(self, change: Replace) -> list[Edit]:
        place = spots.place_of(self.syntax, change.place)
        return [Edit(*_span(place), self.written(change.text))]

    def reword(self, change: Reword) -> list[Edit]:
        node = spots.node_at(self.syntax, change.place)
        formatted = isinstance(node, ast.JoinedStr)
        if not formatted and not (isinstance(node, ast.Constant) and isinstance(node.value, str)):
            raise CannotFix
        place = self.source.location(node)
        text = self.quoted(place)
        for words in change.words:
            old, new = (spots.doubled(one) if formatted else one for one in words)
            if text.count(old) != 1:
                raise CannotFix
            text = text.replace(old, new)
        return [Edit(*_span(place), text)]

    def put_object(self, change: PutObject) -> list[Edit]:
        node = spots.node_at(self.syntax, change.place)
        assert isinstance(node, ast.expr)
        place = self.source.location(node)
        edit = Edit(*_span(place), change.target)
        if spots.stands_for_call(self.syntax, node, change.target, change.method):
            return [edit]
        if not spots.is_call_of(node, change.target, change.method):
            raise CannotFix
        if change.method:
            return [edit]
        if not isinstance(self._statement(place)[0], ast.Expr):
            raise CannotFix
        return [*self.insert(Insert(place, (place,))), edit]

    def rename(self, change: Rename) -> list[Edit]:
        definition = self.quoted(change.definition)
        old = definition.split()[-1]
        end = change.definition.end_line, change.definition.end_column
        start = end[0], end[1] - len(old)
        if "\n" in definition or self.document.between(start, end) != old:
            raise CannotFix
        return [Edit(start, end, change.name)]

    def wrap(self, change: Wrap) -> list[Edit]:
        node = spots.node_at(self.syntax, change.place)
        maker = change.sequence
        if isinstance(node, ast.Dict):
            if not spots.has_text_keys(node, change.refused):
                raise CannotFix
            maker = change.mapping
        elif not isinstance(node, (ast.List, ast.ListComp)):
            raise CannotFix
        (start, end) = _span(self.source.location(node))
        return [Edit(start, start, f"{maker}("), Edit(end, end, ")")]

    def drop_parameters(self, change: DropParameters) -> list[Edit]:
        """Only where they stand on one line, so that no comment is lost."""
        node = self.syntax.function(change.definition)
        if node is None or self.syntax.start(node) != _span(change.definition)[0]:
            raise CannotFix
        spec = node.args
        given = [*spec.posonlyargs, *spec.args]
        if len(given) <= change.keep or spec.vararg or spec.kwarg or spec.kwonlyargs:
            raise CannotFix
        start = self.syntax.span(given[change.keep - 1])[1]
        end = max(self.syntax.span(one)[1] for one in (*given, *spec.defaults))
        if start[0] != end[0]:
            raise CannotFix
        return [Edit(start, end, "")]

    def add_parameters(self, change: AddParameters) -> list[Edit]:
        function = self.syntax.function(change.definition)
        if function is None or function.args.defaults or not function.args.args:
            raise CannotFix
        last = self.source.location(function.args.args[-1])  # type: ignore[arg-type]
        at = last.end_line, last.end_column
        return [Edit(at, at, "".join(f", {name}" for name in change.names))]

    # --- arguments --------------------------------------------------------------------------------

    def set_argument(self, change: SetArgument) -> list[Edit]:
        call, text = self._call(change.call), self.written(change.text)
        value = spots.given(call, change.name, change.position)
        if value is not None:
            return [Edit(*self._span(value), text)]
        return self._added(call, f"{change.name}={text}")

    def _added(self, call: ast.Call, text: str) -> list[Edit]:
        """A new last argument, in the way that the others stand."""
        given = [*call.args, *call.keywords]
        if not given:
            end = self.syntax.end(call)
            at = end[0], end[1] - 1
            return [Edit(at, at, text)]
        last = max(given, key=self.syntax.end)
        at = self.syntax.end(last)
        if isinstance(last, ast.GeneratorExp) and len(given) == 1:
            raise CannotFix  # its parentheses may be those of the call
        own_line = self.document.lines[self.syntax.start(last)[0] - 1]
        indent = own_line[: len(own_line) - len(own_line.lstrip())]
        alone = len(indent) == self.syntax.start(last)[1] - 1
        if not alone or self.syntax.start(last)[0] == self.syntax.start(call)[0]:
            return [Edit(at, at, f", {text}")]
        return self._on_a_line(at, f"\n{indent}{text}")

    def _on_a_line(self, at: Position, text: str) -> list[Edit]:
        """After the line of the last argument, whose comma and comment stay with it."""
        line = self.document.lines[at[0] - 1].rstrip("\r\n")
        rest = REST_OF_LINE.fullmatch(line, at[1] - 1)
        if rest is None:
            return [Edit(at, at, f",{text}")]
        end = at[0], len(line) + 1
        if rest["comma"]:
            return [Edit(end, end, f"{text},")]
        return (
            [Edit(at, at, f",{text}")] if end == at else [Edit(at, at, ","), Edit(end, end, text)]
        )

    def rename_argument(self, change: RenameArgument) -> list[Edit]:
        call = self._call(change.call)
        names = {keyword.arg: keyword for keyword in call.keywords}
        if change.name not in names or change.new in names:
            raise CannotFix
        start = self.syntax.start(names[change.name])
        return [Edit(start, (start[0], start[1] + len(change.name)), change.new)]

    def drop_argument(self, change: DropArgument) -> list[Edit]:
        call = self._call(change.call)
        given = sorted([*call.args, *call.keywords], key=self.syntax.start)
        index = next((i for i, one in enumerate(given) if _is_named(one, change.name)), None)
        if index is None:
            return []
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
        if change.after and isinstance(self._statement(change.place)[0], LEAVING):
            raise CannotFix
        line = self.document.lines[start - 1]
        indent = line[: len(line) - len(line.lstrip())]
        pieces = (change.text,) if isinstance(change.text, str) else change.text
        text = indent + "".join(self._indented(one, indent) for one in pieces) + "\n"
        at = (end + 1, 1) if change.after else (start, 1)
        if at[0] > len(self.document.lines):  # after the last line, which may have no end
            last = self.document.lines[-1]
            ended = last.endswith("\n")
            at = (at[0] - 1, len(last) + 1)
            text = text if ended else "\n" + text[:-1]
        return [Edit(at, at, text)]

    def _indented(self, piece: str | Spot | Samples, indent: str) -> str:
        """What is quoted keeps the lines that it has: they may be those of a string."""
        return piece.replace("\n", f"\n{indent}") if isinstance(piece, str) else self.quoted(piece)

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
        return spots.statement_at(self.syntax, place)

    # --- imports ----------------------------------------------------------------------------------

    def rehome(self, change: Rehome) -> list[Edit]:
        text = spots.rehomed(self._statement(change.place)[0], change.old, change.new)
        return [Edit(*_span(change.place), text)]

    def add_import(self, change: Import) -> list[Edit]:
        imports = list(self.syntax.imports(change.place))
        bound = (alias for node in imports for alias in node.names)
        if change.name in {alias.asname or alias.name.partition(".")[0] for alias in bound}:
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
        return spots.call_at(self.syntax, place)

    def _span(self, node: ast.expr | ast.keyword) -> tuple[Position, Position]:
        return self.syntax.start(node), self.syntax.end(node)


def _span(place: Location) -> tuple[Position, Position]:
    return (place.line, place.column), (place.end_line, place.end_column)


def _comments(text: str) -> list[str]:
    """Comments in a piece of source, or what may be one."""
    return [line[line.index("#") :] for line in text.splitlines() if "#" in line]


def _is_named(argument: ast.expr | ast.keyword, name: str) -> bool:
    return isinstance(argument, ast.keyword) and argument.arg == name


EDITS: dict[type, Callable[[Mender, Any], list[Edit]]] = {
    Replace: Mender.replace,
    Reword: Mender.reword,
    PutObject: Mender.put_object,
    Wrap: Mender.wrap,
    SetArgument: Mender.set_argument,
    DropArgument: Mender.drop_argument,
    RenameArgument: Mender.rename_argument,
    DropParameters: Mender.drop_parameters,
    Rename: Mender.rename,
    AddParameters: Mender.add_parameters,
    Insert: Mender.insert,
    Delete: Mender.delete,
    Rehome: Mender.rehome,
    Import: Mender.add_import,
}
"""How each kind of change is made."""
