"""Reading never raises, ends in time, and never imports what it reads or what it judges."""

from __future__ import annotations

import ast
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pl_lint.config import Config
from pl_lint.facts.values import may_be
from pl_lint.rules.registry import all_rules
from pl_lint.static.engine import read
from pl_lint.static.interpreter.abstract import (
    NOTHING,
    Choice,
    Const,
    Opaque,
    Text,
    join,
    options,
    same,
    to_value,
)
from pl_lint.static.interpreter.work import MOST, Works
from pl_lint.static.project import gather
from pl_lint.static.sources import SourceFile, load, parse

PACKAGE = Path(__file__).parents[2] / "pl_lint"
constants = st.one_of(st.none(), st.booleans(), st.integers(-3, 3), st.sampled_from("ab"))
values = st.one_of(
    constants.map(Const),
    st.lists(st.sampled_from(["a", None]), max_size=3).map(lambda parts: Text(tuple(parts))),
    st.just(NOTHING),
)


@given(values, values, values)
def test_join_is_a_set_of_alternatives(one, other, third) -> None:
    joined = join(one, join(other, third))
    assert same(join(one, one), one)
    assert {str(option) for option in options(joined)} == {
        str(option) for option in options(join(join(third, other), one))
    }
    assert isinstance(joined, Opaque) or all(
        any(same(option, value) for option in options(joined)) for value in (one, other, third)
    )


@given(st.lists(constants, min_size=1, max_size=4))
def test_a_joined_value_may_be_each_of_its_constants(found: list[object]) -> None:
    joined = join(*map(Const, found))
    assert all(may_be(to_value(joined), constant) for constant in found)
    assert not isinstance(joined, Choice) or len(joined.options) > 1


# --- small programs made at random ----------------------------------------------------------------

names = st.sampled_from(["self", "batch", "x", "self.f1", "self.items", "torch", "stage"])
expressions = st.recursive(
    st.one_of(names, st.sampled_from(["1", "'k'", "None", "self.log", "super()", "{}", "[]"])),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda p: f"({p[0]})({p[1]}, key={p[0]})"),
        st.tuples(inner, inner).map(lambda p: f"({p[0]} + {p[1]})"),
        st.tuples(inner, inner).map(lambda p: f"({p[0]})[{p[1]}]"),
        inner.map(lambda e: f"({e}).update({e}, *{e}, **{e})"),
        names.map(lambda e: f"f'{{{e}!r:>3}}'"),
        inner.map(lambda e: f"[{e} for x in {e} if {e}]"),
        inner.map(lambda e: f"{{**{e}, {e}: {e}}}"),
        inner.map(lambda e: f"(lambda x, *a, **k: {e})({e})"),
        inner.map(lambda e: f"self.log({e}, {e}, on_step={e})"),
        inner.map(lambda e: f"self.training_step({e}, {e})"),
        inner.map(lambda e: f"getattr(self, {e})"),
    ),
    max_leaves=6,
)
statements = st.one_of(
    expressions,
    st.tuples(names, expressions).map(lambda p: f"{p[0]} = {p[1]}"),
    st.tuples(names, expressions).map(lambda p: f"{p[0]} += {p[1]}"),
    expressions.map(lambda e: f"for x, *y in {e}: self.items.append({e})"),
    expressions.map(lambda e: f"return {e}"),
)


@settings(max_examples=80, deadline=None)
@given(st.lists(statements, min_size=1, max_size=6))
def test_no_program_upsets_the_interpreter(body: list[str]) -> None:
    lines = "\n".join(f"        {line}" for line in body)
    text = (
        "import torch, torchmetrics\nimport lightning.pytorch as pl\n"
        "class Lit(pl.LightningModule):\n    def __init__(self):\n"
        "        self.f1 = torchmetrics.F1Score(task='binary')\n        self.items = []\n"
        f"    def training_step(self, batch, stage):\n        x = 1\n{lines}\n"
    )
    source = SourceFile("lit.py", text, ast.parse(text), None)  # type: ignore[arg-type]
    assert len(gather([source], Config()).classes) == 1


# --- code of others -------------------------------------------------------------------------------


def test_installed_packages_are_not_nearly_too_much() -> None:
    """Lightning itself and part of the standard library, every file, not only the likely ones."""
    packages = Path(sysconfig.get_path("purelib"))
    standard = Path(sysconfig.get_path("stdlib"))
    paths = [*(packages / "lightning").rglob("*.py"), *sorted(standard.glob("*.py"))[:60]]
    sources = [source for path in paths if isinstance(source := load(path), SourceFile)]
    works = Works()
    gather(sources, Config(), works=works)
    assert len(sources) > 150
    assert min(works.on(source.path).left for source in sources) > MOST / 2


def test_imports_that_go_in_circles_end(tmp_path: Path) -> None:
    names = [f"m{number}" for number in range(12)]
    stars = "".join(f"from .{name} import *\n" for name in names)
    for name in names:
        code = "import lightning.pytorch as pl\nclass A(Base, Missing):\n    x = missing.y\n"
        (tmp_path / f"{name}.py").write_text(stars + code)
    (tmp_path / "__init__.py").write_text(stars)
    started = time.perf_counter()
    read([tmp_path], Config(root=tmp_path), all_rules())
    assert time.perf_counter() - started < 20


def test_calls_that_go_in_circles_end(tmp_path: Path) -> None:
    methods = "".join(
        f"    def h{i}(self, x):\n" + "".join(f"        self.h{j}(x)\n" for j in range(8))
        for i in range(8)
    )
    code = "import lightning.pytorch as pl\nclass A(pl.LightningModule):\n" + methods
    (tmp_path / "a.py").write_text(
        code + "    def training_step(self, b, i):\n        self.h0(b)\n"
    )
    started = time.perf_counter()
    read([tmp_path], Config(root=tmp_path), all_rules())
    assert time.perf_counter() - started < 20


# --- layers ---------------------------------------------------------------------------------------


def _imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


@pytest.mark.parametrize("path", sorted((PACKAGE / "rules").glob("*.py")), ids=lambda p: p.name)
def test_rules_see_facts_and_no_syntax(path: Path) -> None:
    for name in _imports(path):
        assert name != "ast" and not name.startswith("pl_lint.static")


@pytest.mark.parametrize("path", sorted((PACKAGE / "static").rglob("*.py")), ids=lambda p: p.name)
def test_static_does_not_know_the_runner(path: Path) -> None:
    above = ("pl_lint.runtime", "pl_lint.checks", "pl_lint.report", "pl_lint.cli")
    assert not any(name.startswith(above) for name in _imports(path))


def test_reading_imports_no_torch_and_runs_nothing(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    code = f"import lightning\nopen({str(marker)!r}, 'w')\n"
    (tmp_path / "module.py").write_text(code)
    program = (
        "import sys; from pathlib import Path; from pl_lint.config import Config\n"
        "from pl_lint.static.engine import read\n"
        "from pl_lint.rules.registry import all_rules\n"
        f"assert read([Path({str(tmp_path)!r})], Config(select=('ALL',)), all_rules()).files == 1\n"
        "heavy = {'torch', 'lightning', 'pytorch_lightning', 'torchmetrics', 'pytest', 'numpy'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
    assert not marker.exists()


def test_a_value_that_is_reached_on_many_ways_is_looked_at_once() -> None:
    """Each line doubles the ways to the first one: 2**200 of them."""
    doubled = "".join("        x = torchmetrics.functional.f(x, g(x)).a(x)\n" for _ in range(200))
    text = (
        "import torchmetrics\nfrom lightning.pytorch import LightningModule\n"
        "class A(LightningModule):\n    def training_step(self, batch, batch_idx):\n"
        f"        x = batch\n{doubled}        self.log('x', x)\n"
    )
    source = parse(Path("a.py"), text.encode())
    assert isinstance(source, SourceFile)
    (found,) = gather([source], Config()).classes
    assert len(found.logs) == 1


IMPORTS = "import random\nimport pytorch_lightning as pl\n"


def read_around(helper: str, calls: list[str]) -> tuple[int, int]:
    """The work on a file with a function that calls a helper, and the sites that it leaves."""
    body = "\n".join(f"    {call}" for call in ["objects = []", *calls, "pl.Trainer()"])
    text = f"{IMPORTS}\n{helper}\n\ndef run(data):\n{body}\n"
    source, works = parse(Path("helper.py"), text.encode()), Works()
    assert isinstance(source, SourceFile)
    found = gather([source], Config(), frozenset(["random.seed"]), works=works)
    return MOST - works.on("helper.py").left, len(found.calls)


def test_a_helper_that_finds_nothing_new_is_not_run_without_end() -> None:
    helper = "def helper(value):\n    return [" + "sum(value), " * 100 + "]\n"
    work = [read_around(helper, ["helper(objects)"] * calls)[0] for calls in (8, 64)]
    assert work[1] < 2 * work[0]


def test_a_helper_that_finds_something_new_is_run_each_time() -> None:
    helper = "def helper(value, seed):\n    random.seed(seed)\n"
    assert read_around(helper, [f"helper(objects, {n})" for n in range(40)])[1] >= 40


def test_a_helper_that_is_given_functions_is_run_for_each_of_them() -> None:
    helper = "def helper(function, value):\n    function(value)\n"
    calls = [f"helper(print, {n})" for n in range(20)]
    assert read_around(helper, [*calls, "helper(random.seed, 1)"])[1] == 1
