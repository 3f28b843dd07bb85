"""Fixes in YAML: a value or a name becomes another one, or a line of both goes.

Only what stands in one line, key and value, is touched; an anchor, an alias or a merged mapping
means more than its place. Other files may refer to a name, so that only values are safe to change.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Sequence
from functools import cached_property

from pl_lint.fixes import (
    Applicability,
    Change,
    DropArgument,
    Edit,
    Fix,
    RenameArgument,
    SetArgument,
)
from pl_lint.places import Location
from pl_lint.plain import frozen, replace
from pl_lint.static.configs.files import ConfigFile, walk
from pl_lint.static.configs.tree import FALSE, TRUE, Broken, Leaf, Node, Table, parse
from pl_lint.static.configs.values import target_of, target_place
from pl_lint.static.fixing.text import Document

PLAIN = re.compile(r"[A-Za-z][\w./-]*")
"""A text that needs no quotes, unless it means something else."""
BETWEEN = re.compile(r"[\"']?\s*:[ \t]+")
ALONE = re.compile(r"[ \t]*")


@frozen
class SettingsDocument(Document):
    """A file of settings, edited by lines and columns as code is."""

    @property
    def program(self) -> str:
        """No Python; what is no YAML any more raises as code does that is no Python."""
        try:
            parse(self.text, "")
        except Broken as error:
            raise ValueError(str(error)) from error
        return ""


@frozen
class _Entry:
    """A key with its value in one line."""

    key: Location
    value: Leaf


@frozen(eq=False)
class SettingsMender:
    """Turns the fixes of one file's findings into edits."""

    file: ConfigFile

    @cached_property
    def _document(self) -> Document:
        return Document(self.file.text)

    def resolved(self, fixes: Sequence[Fix | None]) -> list[Fix | None]:
        """The fixes with their edits; None where a change has no certain place."""
        return [fix and self._resolved(fix) for fix in fixes]

    def _resolved(self, fix: Fix) -> Fix | None:
        try:
            made = [self._edit(change) for change in fix.changes]
        except (ValueError, SyntaxError):  # a value that only code can say
            return None
        edits = tuple(edit for edit in made if edit is not None)
        if len(edits) < len(made) or not self._changes_only(edits):
            return None
        values = all(isinstance(change, SetArgument) for change in fix.changes)
        kind = fix.applicability if values else Applicability.UNSAFE
        return replace(fix, edits=edits, applicability=kind)

    def _changes_only(self, edits: Sequence[Edit]) -> bool:
        """Whether the file holds the same as before but for one entry, and something is new."""
        try:
            after = parse(self._document.edited(edits).text, self.file.path)
        except (Broken, ValueError):
            return False
        before = set(_leaves(self.file.tree))
        changed = before ^ set(_leaves(after)) if after is not None else before
        return 1 <= len(changed) <= 2

    def _edit(self, change: Change) -> Edit | None:
        if not isinstance(change, (SetArgument, RenameArgument, DropArgument)):
            return None
        entry = self._entry(change.call, change.name)
        if entry is None:
            return None
        match change:
            case SetArgument(text=str(text)):
                return _put(entry.value.place, _scalar(text))
            case RenameArgument(new=new):
                return _put(entry.key, new)
            case DropArgument():
                return self._without(entry)
        return None

    def _without(self, entry: _Entry) -> Edit | None:
        """The whole line goes, if nothing else stands in it."""
        line = self._document.lines[entry.key.line - 1]
        rest = line[entry.value.place.end_column - 1 :]
        if not ALONE.fullmatch(line[: entry.key.column - 1]) or rest.strip():
            return None
        return Edit((entry.key.line, 1), (entry.key.line + 1, 1), "")

    def _entry(self, call: Location, name: str) -> _Entry | None:
        """Where an object's argument is given, in one line of its own table."""
        for _, table in walk(self.file.tree):
            if target_of(table) is not None and target_place(table) == call:
                holder = table if table.get("_target_") else table.table("init_args")
                return self._in(holder, name) if holder is not None else None
            trainer = table.table("trainer")  # LightningCLI's has no class path
            if trainer is not None and table.keys.get("trainer") == call:
                return self._in(trainer, name)
        return None

    def _in(self, holder: Table, name: str) -> _Entry | None:
        key, value = holder.keys.get(name), holder.get(name)
        if key is None or not isinstance(value, Leaf) or not _holds(holder.place, key):
            return None
        line = self._document.lines[key.line - 1]
        one_line = key.line == value.place.line == value.place.end_line
        between = line[key.end_column - 1 : value.place.column - 1]
        return _Entry(key, value) if one_line and BETWEEN.fullmatch(between) else None


def _put(place: Location, text: str) -> Edit:
    return Edit((place.line, place.column), (place.end_line, place.end_column), text)


def _holds(outer: Location, inner: Location) -> bool:
    begins = (outer.line, outer.column) <= (inner.line, inner.column)
    return begins and (inner.end_line, inner.end_column) <= (outer.end_line, outer.end_column)


def _scalar(source: str) -> str:
    """A constant of Python as YAML writes it.

    Raises:
        ValueError: It is no constant.
        SyntaxError: It is no expression.
    """
    value = ast.literal_eval(source)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if not isinstance(value, str):
        return repr(value)
    means_more = value.lower() in {*TRUE, *FALSE, "y", "n", "null"}
    return value if PLAIN.fullmatch(value) and not means_more else json.dumps(value)


def _leaves(tree: Node) -> Iterator[tuple[object, ...]]:
    """Every scalar with the keys that lead to it."""
    for path, table in walk(tree):
        for name, node in table.entries.items():
            value = node.value if isinstance(node, Leaf) else type(node).__name__
            yield *path, name, repr(value)
