"""Every rule on its fixtures: `# expect: LTN101` stands on the line that the finding is about.

Each folder of fixtures/rules belongs to one rule and is read with that rule alone switched on. A
file that is a folder is one project of several files.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pl_lint.config import Config
from pl_lint.rules.registry import all_rules
from pl_lint.static.engine import read

FIXTURES = Path(__file__).parents[2] / "fixtures" / "rules"
CASES = sorted(path for folder in FIXTURES.iterdir() for path in folder.iterdir())
EXPECTED = re.compile(r"#\s*expect:\s*(LTN\d{3}(?:\s*,\s*LTN\d{3})*)")
HIDDEN = re.compile(r"(?:noqa: |ignore\[|ignore-file\[)(LTN\d{3})")
MODULES = ("callbacks", "cli", "demos", "loggers", "plugins", "strategies", "utilities")
SPELLINGS = {
    "lightning.pytorch": {},
    "pytorch_lightning": {"lightning.pytorch": "pytorch_lightning"},
    "lightning": {
        "import lightning.pytorch as pl": "import lightning as L",
        **{f"pl.{name}.": f"L.pytorch.{name}." for name in MODULES},
        "pl.": "L.",
    },
}
"""How people import Lightning, as replacements in the fixtures' own spelling."""


READ = (".py", ".yaml", ".yml", ".ipynb")


def files(case: Path) -> list[Path]:
    if not case.is_dir():
        return [case]
    return sorted(path for path in case.rglob("*") if path.suffix in READ)


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """The text of a file under 0, or the texts of a notebook's cells under their numbers."""
    if path.suffix != ".ipynb":
        yield 0, path.read_text("utf-8")
        return
    for number, cell in enumerate(json.loads(path.read_text("utf-8"))["cells"], 1):
        yield number, "".join(cell["source"])


def expected(case: Path) -> list[tuple[str, int, int, str]]:
    """(file name, cell, line, code) of every expectation."""
    return sorted(
        (path.name, cell, number, code)
        for path in files(case)
        for cell, text in texts(path)
        for number, line in enumerate(text.splitlines(), 1)
        for match in EXPECTED.finditer(line)
        for code in re.findall(r"LTN\d{3}", match[1])
    )


def found(case: Path, code: str) -> list[tuple[str, int, int, str]]:
    """What one rule finds; what the fixture's own comments hide is on as well."""
    hidden = {one for path in files(case) for one in HIDDEN.findall(path.read_text("utf-8"))}
    reading = read([case], Config(root=case.parent, select=(code, *hidden)), all_rules())
    assert not reading.unreadable
    return sorted(
        (Path(one.location.path).name, one.location.cell, one.location.line, one.code)
        for one in reading.findings
    )


def respelled(text: str, spelling: str) -> str:
    """A file that names the old package means that one."""
    if "import pytorch_lightning" in text:
        return text
    for before, after in SPELLINGS[spelling].items():
        text = re.sub(rf"(?<![\w.]){re.escape(before)}", after, text)
    return text


def spelled() -> Iterator[Any]:
    """Each fixture in its own spelling and, by turns, in one of the others."""
    own, *others = SPELLINGS
    for number, case in enumerate(CASES):
        for spelling in (own, others[number % len(others)]):
            name = f"{case.parent.name}/{case.stem}-{spelling}"
            yield pytest.param(case, spelling, id=name)


@pytest.mark.parametrize(("case", "spelling"), [*spelled()])
def test_finds_exactly_what_the_fixture_expects(
    case: Path, spelling: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if spelling != next(iter(SPELLINGS)):  # Paths are shown by where one stands, and read alike.
        monkeypatch.chdir(tmp_path)
    copy = tmp_path / case.name
    shutil.copytree(case, copy) if case.is_dir() else shutil.copy(case, copy)
    for path in files(copy):
        path.write_text(respelled(path.read_text("utf-8"), spelling), "utf-8")
    assert found(copy, case.parent.name) == expected(case)


def test_healthy_and_sick_mean_what_they_say() -> None:
    for case in CASES:
        assert case.name.startswith(("sick_", "healthy_"))
        assert bool(expected(case)) is case.name.startswith("sick_"), case


def test_every_rule_has_fixtures_and_every_fixture_a_rule() -> None:
    names = {case.parent.name: set() for case in CASES}
    for case in CASES:
        names[case.parent.name].add(case.name.partition("_")[0])
    assert {rule.code for rule in all_rules()} == names.keys()
    assert all(kinds == {"sick", "healthy"} for kinds in names.values()), names
