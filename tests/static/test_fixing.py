"""Changes become edits that keep everything else of a text as it was."""

from __future__ import annotations

import ast

import pytest

from pl_lint.fixes import (
    AddParameters,
    Argument,
    Assigned,
    Callee,
    Change,
    Command,
    Delete,
    DropArgument,
    Fix,
    Import,
    Insert,
    PutObject,
    Receiver,
    Rehome,
    Rename,
    RenameArgument,
    Replace,
    Reword,
    Samples,
    SetArgument,
    Statement,
    Wrap,
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
    (fix,) = Mender(source).resolved([Fix("mend it", changes)])
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
        ("f(\n    a,\n    b=1,  # why\n)", "f(\n    a,\n    b=1,  # why\n    sync_dist=True,\n)"),
        ("f(\n    a,\n    b=1  # why\n)", "f(\n    a,\n    b=1,  # why\n    sync_dist=True\n)"),
        ("f(\n    b=1\n)", "f(\n    b=1,\n    sync_dist=True\n)"),
        ("f(a,\n  b)", "f(a,\n  b,\n  sync_dist=True)"),
        ("f(x for x in y)", None),
        ("f(a, **more)", None),
    ],
)
def test_an_argument_is_added_or_changed(before: str, after: str | None):
    assert with_argument(before, before) == after


def test_arguments_stand_in_the_order_of_the_changes():
    where = place(source_of("f(a)"), "f(a)")
    changes = SetArgument(where, "b", "2"), SetArgument(where, "a", "1")
    assert mended("f(a)", *changes) == "f(a, b=2, a=1)"


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


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("f(a, old=1)", "f(a, new=1)"),
        ("f(old = 1, b=2)", "f(new = 1, b=2)"),
        ("f(old=1, new=2)", None),
        ("f(1)", None),
    ],
)
def test_an_argument_gets_another_name(before: str, after: str | None):
    assert mended(before, RenameArgument(place(source_of(before), before), "old", "new")) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("f('16')", "f('16-mixed')"),
        ('f(precision="16")', 'f(precision="16-mixed")'),
        ("f(given)", None),
        ("f('16.16')", None),
        ("f(f'{x}-16')", "f(f'{x}-16-mixed')"),
        ("f(16)", None),
        ("f()", None),
    ],
)
def test_a_string_is_reworded_where_it_is_written_out(before: str, after: str | None):
    call = place(source_of(before), before)
    assert mended(before, Reword(Argument(call, "precision", 0), (("16", "16-mixed"),))) == after


def test_a_field_of_an_f_string_has_doubled_braces():
    text = 'f(f"{run}-{{val/loss:.2f}}")'
    spot = Argument(place(source_of(text), text), "filename", 0)
    assert mended(text, Reword(spot, (("{val/loss", "loss={val/loss"),))) == (
        'f(f"{run}-loss={{val/loss:.2f}}")'
    )


def logged(value: str, *lines: str) -> str:
    body = [*lines, f"self.log('f1', {value})"]
    return "def step(self, p, y):\n" + "".join(f"    {line}\n" for line in body)


@pytest.mark.parametrize(
    ("before", "method", "after"),
    [
        (logged("self.f1(p, y)"), "", logged("self.f1", "self.f1(p, y)")),
        (logged("self.f1.compute()"), "compute", logged("self.f1")),
        (logged("v", "v = self.f1(p, y)"), "", logged("self.f1", "v = self.f1(p, y)")),
        (logged("v", "v = self.f1(p, y)", "v = v * 2"), "", None),
        (logged("p", "p = self.f1(p, y)"), "", None),
        (logged("self.f1(p, y).item()"), "", None),
        (logged("self.other(p, y)"), "", None),
        (logged("self.f1.compute()"), "", None),
        ("def step(self):\n    return self.log('f1', self.f1(p, y))\n", "", None),
        ("def step(self):\n    if x: self.log('f1', self.f1(p, y))\n", "", None),
    ],
)
def test_an_object_takes_the_place_of_what_it_returned(before: str, method: str, after: str | None):
    start = before.index("self.log")
    line, column = before.count("\n", 0, start) + 1, start - before.rfind("\n", 0, start)
    call = Location("file.py", line, column, line, column + len(before[start:].rstrip()))
    assert mended(before, PutObject(Argument(call, "value", 1), "self.f1", method)) == after


def test_an_object_takes_the_place_of_one_value_of_a_dict():
    text = "def step(self):\n    self.log_dict({'a': self.a(x), 'b': self.b(x)})\n"
    call = place(source_of(text), "self.log_dict({'a': self.a(x), 'b': self.b(x)})")
    change = PutObject(Argument(call, "dictionary", 0, "b"), "self.b")
    assert mended(text, change) == (
        "def step(self):\n    self.b(x)\n    self.log_dict({'a': self.a(x), 'b': self.b})\n"
    )


def test_a_statement_is_rewritten_around_what_it_assigns():
    text = "def f(self):\n    self.w = torch.ones(\n        3,  # classes\n    )\n"
    value = place(source_of(text), "torch.ones(\n        3,  # classes\n    )")
    written = ('self.register_buffer("w", ', Assigned(value), ")")
    assert mended(text, Replace(Statement(value), written)) == (
        'def f(self):\n    self.register_buffer("w", torch.ones(\n        3,  # classes\n    ))\n'
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("self.m = [A(), B()]", "self.m = Many([A(), B()])"),
        ("self.m: list[A] = []", "self.m: list[A] = Many([])"),
        ("self.m = [A() for _ in x]", "self.m = Many([A() for _ in x])"),
        ("self.m = {'a': A()}", "self.m = Table({'a': A()})"),
        ("self.m = {'train': A()}", None),
        ("self.m = {'a.b': A()}", None),
        ("self.m = {a: A()}", None),
        ("self.m = {**others}", None),
        ("self.m = made()", None),
        ("self.m = self.n = []", None),
    ],
)
def test_a_container_is_wrapped_where_its_class_takes_what_is_in_it(before: str, after: str | None):
    where = Assigned(Location("file.py", 1, 1, 1, 7))
    assert mended(before, Wrap(where, "Many", "Table", frozenset({"train"}))) == after


def test_a_comment_inside_is_not_lost():
    text = "self.log(x, self.f1.compute(  # so far\n))"
    call = place(source_of(text), text)
    assert mended(text, PutObject(Argument(call, "value", 1), "self.f1", "compute")) is None


def test_what_is_called_may_be_replaced():
    text = "self.auroc(p, y)"
    call = Callee(place(source_of(text), text))
    assert mended(text, Replace(call, (call, ".update"))) == "self.auroc.update(p, y)"


@pytest.mark.parametrize(
    ("unpacked", "weight"),
    [
        ("x, y = batch", "len(y)"),
        ("loss, preds, targets = self.step(batch)", "len(targets)"),
        ("x = batch[0]", "len(batch[0])"),
        ("x, _ = batch", None),
        ("loss, preds = self.step(batch)", None),
    ],
)
def test_the_samples_of_a_batch_are_counted_by_its_targets(unpacked: str, weight: str | None):
    text = f"def step(self, batch, i):\n    {unpacked}\n    self.mean(loss)\n"
    call = place(source_of(text), "self.mean(loss)")
    change = SetArgument(call, "weight", (Samples(call, "batch"),), 1)
    after = text.replace("(loss)", f"(loss, weight={weight})") if weight else None
    assert mended(text, change) == after


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
        ("def f(self): pass", "def f(self, a, b): pass"),
        ("def f(self: C, *, k=1): pass", "def f(self: C, a, b, *, k=1): pass"),
        ("def f(self, x=1): pass", None),
        ("def f(): pass", None),
    ],
)
def test_parameters_are_added(before: str, after: str | None):
    change = AddParameters(Location("file.py", 1, 1, 1, 6), ("a", "b"))
    assert mended(before, change) == after


def test_only_what_nobody_uses_is_called_otherwise():
    for text, after in (("m(x)", "m.update(x)"), ("v = m(x)", None), ("f(m(x))", None)):
        called = Command(place(source_of(text), "m(x)"))
        assert mended(text, Replace(called, (called, ".update"))) == after


def test_what_a_method_is_called_on_may_be_quoted():
    call = place(source_of("y = x[0].cuda()"), "x[0].cuda()")
    changes = Replace(Callee(call), (Receiver(call), ".to")), SetArgument(call, "device", "d", 0)
    assert mended("y = x[0].cuda()", *changes) == "y = x[0].to(device=d)"
    assert mended("cuda()", *changes) is None


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
    change = Import(Location("file.py", 2), "torch", "import torch")
    assert mended(before, change) == after


def test_self_is_written_only_where_there_is_one():
    text = "def helper(writer, step):\n    writer.add(step)\n"
    call = place(source_of(text), "writer.add(step)")
    change = SetArgument(call, "step", "self.global_step", 0)
    assert mended(text, change) is None
    method = text.replace("writer, step", "self, writer, step")
    assert "add(self.global_step)" in (mended(method, change) or "")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("import old", "import new.home as old"),
        ("import old as o", "import new.home as o"),
        ("import old.sub as s", "import new.home.sub as s"),
        ("import old.sub", None),
        ("import old, os", None),
        ("from old import a as b, c", "from new.home import a as b, c"),
        ("from old.sub import c", "from new.home.sub import c"),
        ("from older import c", None),
        ("from .old import c", None),
    ],
)
def test_an_import_moves_to_another_package(before: str, after: str | None):
    assert mended(before, Rehome(place(source_of(before), before), "old", "new.home")) == after


def test_what_no_longer_parses_is_no_fix():
    assert mended("f(a)", Replace(place(source_of("f(a)"), "a"), ")")) is None


def test_line_ends_and_encoding_are_kept():
    data = "# -*- coding: latin-1 -*-\r\nf('é')\r\n".encode("latin-1")
    document = Document.of(data)
    insertion = Fix("", (Insert(Location("file.py", 2, 1, 2, 2), "g()"),))
    (fix,) = Mender(source_of(document.text.replace("\r\n", "\n"))).resolved([insertion])
    assert fix is not None
    assert document.edited(fix.edits).data == (
        "# -*- coding: latin-1 -*-\r\ng()\r\nf('é')\r\n".encode("latin-1")
    )


def test_a_fix_that_leaves_no_python_takes_no_other_with_it():
    source = source_of("f(a)\ng(b)\n")
    sound = Fix("", (Replace(place(source, "b"), "c"),))
    broken = Fix("", (Replace(place(source, "a"), ")"),))
    first, second = Mender(source).resolved([broken, sound])
    assert first is None and second is not None and second.edits[0].text == "c"
