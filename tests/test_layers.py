"""Imports run downward only, so that the reader stays quick and each room can be judged alone."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "pl_lint"
HEAVY = ("torch", "lightning", "pytorch_lightning", "torchmetrics", "pytest", "_pytest")

# What each room may import of ours, itself included. A room that is not listed fails the test.
GROUND = {"plain", "places", "fixes", "findings", "facts"}
BELOW: dict[str, set[str]] = {
    "plain": set(),
    "places": {"plain"},
    "fixes": {"plain", "places"},
    "findings": {"plain", "places", "fixes"},
    "facts": GROUND,
    "trail": set(),
    "config": GROUND | {"trail"},
    "static": GROUND | {"trail", "config", "static"},
    "rules": GROUND | {"config", "static", "rules"},
    "runtime": GROUND | {"runtime"},
    "join": GROUND,
    "checks": GROUND | {"join", "checks"},
    "report": GROUND | {"config", "static", "rules", "join", "report"},
    "docs": GROUND | {"config", "static", "rules", "checks", "join"},
    "judging": GROUND | {"runtime", "checks", "join"},
    "library": GROUND | {"config", "static", "runtime", "checks", "join", "judging", "report"},
    "baseline": GROUND | {"config"},
    "cli": GROUND | {"trail", "config", "static", "rules", "report", "docs", "baseline", "cli"},
    "__main__": {"cli"},
    "plugin": set(GROUND)
    | {
        "config",
        "static",
        "rules",
        "runtime",
        "checks",
        "join",
        "report",
        "judging",
        "library",
        "plugin",
    },
}
FACTS_FROM_OUTSIDE = {
    "facts": {"plain", "findings", "facts"},
    "findings": {"plain", "places", "fixes"},
}


@cache
def modules() -> list[Path]:
    return sorted(ROOT.rglob("*.py"))


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(name: str) -> str:
    return name.split(".")[1] if "." in name else ""


def imported(path: Path) -> Iterator[str]:
    """Absolute names of everything that a module imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute here"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def ours(path: Path) -> set[str]:
    """The rooms that a module imports from. ``from pl_lint import __version__`` is none."""
    rooms = {room_of(name) for name in imported(path) if name.startswith("pl_lint.")}
    return rooms & known_rooms()


@cache
def known_rooms() -> set[str]:
    return {room_of(name_of(each)) for each in modules()} - {""}


def loaded_by(module: str) -> set[str]:
    """The top-level packages that importing a module brings in."""
    program = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return {name.split(".")[0] for name in done.stdout.split()} | {
        name for name in done.stdout.split() if name.startswith("pl_lint.")
    }


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_imports_run_downward(path: Path) -> None:
    room = room_of(name_of(path))
    if room == "":  # the package itself: `pl_lint.case` comes in when it is asked for
        assert ours(path) <= {"runtime", "library"}
        return
    assert ours(path) <= BELOW[room], f"{room} may not import this"


def test_the_rooms_are_those_of_the_table() -> None:
    assert {room_of(name_of(path)) for path in modules()} - {""} == set(BELOW)


@pytest.mark.parametrize("room", sorted(FACTS_FROM_OUTSIDE))
def test_the_ground_floor_stands_on_nothing(room: str) -> None:
    for path in modules():
        if room_of(name_of(path)) == room:
            assert ours(path) <= FACTS_FROM_OUTSIDE[room]


def test_rules_walk_no_syntax_tree() -> None:
    for path in sorted((ROOT / "rules").rglob("*.py")):
        names = set(imported(path))
        assert not {name for name in names if name.split(".")[0] in ("ast", "tokenize")}, path


@pytest.mark.parametrize("room", ["checks", "static", "rules", "facts", "report", "config", "join"])
def test_no_room_but_the_runtime_names_torch(room: str) -> None:
    generators = ("generate.py", "generate_torchmetrics.py", "releases.py")
    for path in modules():
        if room_of(name_of(path)) == room and path.name not in generators:
            heavy = {name.split(".")[0] for name in imported(path)} & set(HEAVY)
            assert not heavy, f"{path} imports {heavy}"


@pytest.mark.parametrize(
    "module",
    [
        "pl_lint",
        "pl_lint.cli, pl_lint.static.engine, pl_lint.report.text, pl_lint.report.json, "
        "pl_lint.docs, pl_lint.rules.registry as r; list(r.all_rules())",
        "pl_lint.checks.registry as r; r.all_checks()",
        "pl_lint.join",
        "pl_lint.runtime.isolation.runs, pl_lint.runtime.battery, pl_lint.runtime.cases",
    ],
    ids=["package", "reader", "checks", "join", "pytest side of runs"],
)
def test_nothing_heavy_comes_in_indirectly(module: str) -> None:
    assert not loaded_by(module) & set(HEAVY)


@pytest.mark.parametrize("room", ["static", "rules", "cli", "report", "config", "baseline"])
def test_data_classes_of_the_reader_are_quick_to_make(room: str) -> None:
    """``pl_lint.plain``: what ``dataclasses`` compiles on import, each commit would wait for."""
    for path in modules():
        if room_of(name_of(path)) == room:
            tops = {name.split(".")[0] for name in imported(path)}
            assert "dataclasses" not in tops, f"{path}: from pl_lint.plain import frozen"


def test_the_reader_knows_nothing_of_the_runner() -> None:
    loaded = loaded_by("pl_lint.cli, pl_lint.static.engine, pl_lint.rules.registry")
    above = ("runtime", "plugin", "checks")
    assert not {name for name in loaded if name.startswith("pl_lint.") and room_of(name) in above}
