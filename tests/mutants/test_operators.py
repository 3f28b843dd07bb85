"""The operators themselves: each finds its idiom, changes it and nothing else; a few are run."""

from __future__ import annotations

import ast
import difflib
import functools
import hashlib
import re
from pathlib import Path

import pytest
from operators.registry import Operator, Twin, all_operators
from operators.shadow import shadow_case
from operators.source import Source

from pl_lint.checks.registry import Verdict, all_checks
from pl_lint.runtime.battery import Battery
from pl_lint.runtime.isolation.runs import Runner
from pl_lint.runtime.specs import CaseRef

HOSTS = Path(__file__).with_name("hosts.py")
CLASSES = ("Classifier", "Plain", "Counted", "Manual", "Several", "Objects")
BASES = {"LOG": 100, "MET": 200, "CKP": 300, "REP": 400, "DDP": 500, "PRE": 600, "DEV": 650}
BASES |= {"LOOP": 700, "DAT": 800, "LGR": 900}
MANY = 16
"""No twin of a host differs from its original by more lines."""


@functools.cache
def hosts() -> tuple[Source, ...]:
    text = HOSTS.read_text(encoding="utf-8")
    return tuple(Source(text, name) for name in CLASSES)


def twins(operator: Operator) -> list[Twin]:
    return [twin for host in hosts() for twin in operator.twins(host)]


def named(operator: Operator) -> str:
    return operator.name


@pytest.mark.parametrize("operator", all_operators(), ids=named)
def test_a_twin_differs_in_few_lines_and_says_where(operator: Operator) -> None:
    found = twins(operator)
    assert found, "no host has its idiom"
    for twin in found:
        ast.parse(twin.source)
        changed = changes(twin.original, twin.source)
        assert 0 < len(changed) <= MANY, changed
        old, new = twin.original.splitlines(), twin.source.splitlines()
        assert old[: twin.line - 1] == new[: twin.line - 1]
        assert old[twin.line - 1 :][:1] != new[twin.line - 1 :][:1]


def changes(original: str, text: str) -> list[str]:
    rows = difflib.ndiff(original.splitlines(), text.splitlines())
    return [row for row in rows if row.startswith(("+", "-")) and row[1:].strip()]


@pytest.mark.parametrize("operator", all_operators(), ids=named)
def test_an_operator_says_what_it_is_and_chooses_alike(operator: Operator) -> None:
    letters, number = re.fullmatch(r"([A-Z]+)(\d\d)", operator.row).groups()  # type: ignore[union-attr]
    assert operator.find.__doc__, "what it plants, in words"
    assert operator.codes and operator.checks
    own = f"LTN{BASES[letters] + int(number)}"
    assert own in operator.codes or operator.row == "MET18", f"{own} names row {operator.row}"
    assert twins(operator) == twins(operator)


def test_names_are_unique() -> None:
    names = [operator.name for operator in all_operators()]
    assert len(names) == len(set(names))


# --- editing text ---------------------------------------------------------------------------------


def source(body: str) -> Source:
    return Source(f'"""Héllo."""\nfrom __future__ import annotations\nX = {body}\n', "Lit")


def call_in(text: Source) -> ast.Call:
    return next(node for node in ast.walk(text.tree) if isinstance(node, ast.Call))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("f()", "f(a=1)"),
        ("f(b)", "f(b, a=1)"),
        ("f(b, a=2, c=3)", "f(b, a=1, c=3)"),
        ("f('é', c=3,)", "f('é', c=3, a=1,)"),
    ],
)
def test_an_argument_is_added_or_replaced(before: str, after: str) -> None:
    text = source(before)
    edit = text.with_argument(call_in(text), "a=1")
    assert text.applied([edit]) == source(after).text


@pytest.mark.parametrize(
    ("before", "after"),
    [("f(a=1)", "f()"), ("f('é', a=1)", "f('é')"), ("f(b, a=1, c=3)", "f(b, c=3)")],
)
def test_an_argument_is_left_out(before: str, after: str) -> None:
    text = source(before)
    edit = text.without_argument(call_in(text), "a")
    assert edit is not None and text.applied([edit]) == source(after).text
    assert text.without_argument(call_in(text), "z") is None


def test_an_import_stands_after_the_docstring_and_the_future() -> None:
    text = source("1")
    lines = text.applied([text.importing("import torch")]).splitlines()
    assert lines[1:] == ["from __future__ import annotations", "import torch", "X = 1"]


# --- a few of them, run ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all tests: what several of them ask of an original is run once."""
    return tmp_path_factory.mktemp("originals")


SAMPLE = [
    ("compute-in-step", "Classifier", "logged-values"),
    ("mean-metric-without-weight", "Plain", "logged-values"),
    ("sync-dist-dropped", "Plain", "sync-dist"),
    ("unseeded-generator", "Plain", "reproducible"),
    ("counter-in-an-attribute", "Plain", "checkpoint"),
    ("schedule-of-steps-per-epoch", "Classifier", "schedule"),
    ("drawn-over-the-batches", "Plain", "event-file"),
    ("settings-told-by-every-rank", "Plain", "distributed"),
]


@pytest.mark.parametrize(("name", "host", "check"), SAMPLE, ids=[row[0] for row in SAMPLE])
def test_a_twin_is_named_and_its_original_is_not_blamed(
    runner: Runner, tmp_path: Path, originals: Path, name: str, host: str, check: str
) -> None:
    operator = next(each for each in all_operators() if each.name == name)
    twin = next(operator.twins(Source(HOSTS.read_text(encoding="utf-8"), host)))
    folder = originals / hashlib.sha256(twin.original.encode()).hexdigest()[:8]
    original = codes(runner, folder, twin.original, host, check)
    assert original == (Verdict.PASSED, set())
    verdict, found = codes(runner, tmp_path / "sick", twin.source, host, check)
    assert verdict is Verdict.FAILED
    assert found & set(twin.codes), found


def codes(
    runner: Runner, folder: Path, text: str, host: str, check: str
) -> tuple[Verdict, set[str]]:
    """What a check says of a case whose file is another one, and the codes that fail it."""
    folder.mkdir(exist_ok=True)
    twin, file = folder / HOSTS.name, folder / f"case_{folder.parent.name}_{folder.name}.py"
    twin.write_text(text, encoding="utf-8")
    file.write_text(shadow_case(HOSTS, host.lower(), HOSTS, twin), encoding="utf-8")
    judge = next(each for each in all_checks() if each.name == check)
    result = judge(Battery(runner, CaseRef(str(file), host.lower())))
    return result.verdict, {each.code for each in result.findings if each.counts_for_runner}
