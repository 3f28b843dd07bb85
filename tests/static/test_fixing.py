"""Changes become edits that keep everything else of a text as it was."""

from __future__ import annotations

import ast

import pytest

from pl_lint.fixes import (
    Change,
    Delete,
    DropArgument,
    Fix,
    Import,
    Insert,
    Rename,
    Replace,
    SetArgument,
)
from pl_lint.places import Location
from pl_lint.static.fixing.changes import Mender
from pl_lint.static.fixing.text import Document
from pl_lint.static.sources import SourceFile
from pl_lint.static.suppressions import Suppressions


def source_of(text: str) -> SourceFile:
    return SourceFile("file.py", text, ast.parse(text), Suppressions(text))


def place(source: SourceFile, text: str) -> Location:
    """The first expression, or else statement, that reads so."""
    nodes = [n for n in ast.walk(source.tree) if isinstance(n, (ast.expr, ast.stmt))]
    nodes.sort(key=lambda node: isinstance(node, ast.stmt))
    return next(
        source.location(node) for node in nodes if ast.get_source_segment(source.text, node) == text
    )


def mended(text: str, *changes: Change) -> str | None:
    source = source_of(text)
    fix = Mender(source).resolved(Fix("mend it", changes))
    return None if fix is None else Document(text).edited(fix.edits).text


def with_argument(text: str, call: str, position: int = -1) -> str | None:
    where = place(source_of(text), call)
    return mended(text, SetArgument(where, "sync_dist", "True", position))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("f()", "f(sync_dist=True)"),
        ("f(a)", "f(a, sync_dist=True)"),
        ("f(a, )", "f(a, sync_dist=True, )"),
        ("f(a, sync_dist=False)", "f(a, sync_dist=True)"),
        ("f(\n    a,\n    b=1,  # why\n)", "f(\n    a,\n    b=1,\n    sync_dist=True,  # why\n)"),
        ("f(a,\n  b)", "f(a,\n  b,\n  sync_dist=True)"),
        ("f(x for x in y)", None),
        ("f(a, **more)", None),
    ],
)
def test_an_argument_is_added_or_changed(before: str, after: str | None):
    assert with_argument(before, before) == after


def test_a_positional_argument_is_changed_where_it_stands():
    assert with_argument("f(a, False)", "f(a, False)", 1) == "f(a, True)"
    assert with_argument("f(*a, False)", "f(*a, False)", 1) is None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("f(a, flag=1)", "f(a)"),
        ("f(flag=1, b=2)", "f(b=2)"),
        ("f(flag=1)", "f()"),
        ("f(a, flag=1, b=2)", "f(a, b=2)"),
        ("f(\n    a,\n    flag=1,\n    b=2,\n)", "f(\n    a,\n    b=2,\n)"),
        ("f(\n    a,\n    flag=1,\n)", "f(\n    a,\n)"),
        ("f(\n    a,  # why\n    flag=1,\n)", None),
        ("f(a)", None),
    ],
)
def test_an_argument_goes_with_its_comma(before: str, after: str | None):
    assert mended(before, DropArgument(place(source_of(before), before), "flag")) == after


def test_a_statement_is_put_before_another_and_may_quote_it():
    text = "def f(self):\n    self.log('a', self.acc(p, y))\n"
    call = place(source_of(text), "self.log('a', self.acc(p, y))")
    value = place(source_of(text), "self.acc(p, y)")
    assert mended(text, Insert(call, (value,)), Replace(value, "self.acc")) == (
        "def f(self):\n    self.acc(p, y)\n    self.log('a', self.acc)\n"
    )


def test_a_statement_after_the_last_line():
    text = "def f():\n    g()"
    assert mended(text, Insert(place(source_of(text), "g()"), "h()", after=True)) == (
        "def f():\n    g()\n    h()"
    )


@pytest.mark.parametrize("text", ["if a: g()", "f(); g()", "g(); f()"])
def test_no_statement_where_a_line_holds_several(text: str):
    assert mended(text, Insert(place(source_of(text), "g()"), "h()")) is None


def test_a_statement_goes_unless_its_block_would_be_empty():
    text = "def f():\n    g()\n    h()\n"
    assert mended(text, Delete(place(source_of(text), "g()"))) == "def f():\n    h()\n"
    assert mended("def f():\n    g()\n", Delete(place(source_of(text), "g()"))) is None


def test_a_function_gets_another_name():
    text = "class A:\n    def  on_epoch_end(self):\n        pass\n"
    assert mended(text, Rename(Location("file.py", 2, 5, 2, 22), "on_train_epoch_end")) == (
        "class A:\n    def  on_train_epoch_end(self):\n        pass\n"
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("import os\nx = 1\n", "import os\nimport torch\nx = 1\n"),
        ('"""Doc."""\nx = 1\n', '"""Doc."""\nimport torch\nx = 1\n'),
        ("import torch.nn\nx = 1\n", None),
        ("x = 1\n", "import torch\nx = 1\n"),
    ],
)
def test_an_import_is_added_where_it_is_missing(before: str, after: str | None):
    change = Import(Location("file.py", 1), "torch", "import torch")
    assert mended(before, change) == after


def test_what_no_longer_parses_is_no_fix():
    assert mended("f(a)", Replace(place(source_of("f(a)"), "a"), ")")) is None


def test_line_ends_and_encoding_are_kept():
    data = "# -*- coding: latin-1 -*-\r\nf('é')\r\n".encode("latin-1")
    document = Document.of(data)
    fix = Mender(source_of(document.text.replace("\r\n", "\n"))).resolved(
        Fix("", (Insert(Location("file.py", 2, 1, 2, 2), "g()"),))
    )
    assert fix is not None
    assert document.edited(fix.edits).data == (
        "# -*- coding: latin-1 -*-\r\ng()\r\nf('é')\r\n".encode("latin-1")
    )
