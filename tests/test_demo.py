"""The demo, as `make demo` runs it, in a copy of the project: it passes, and it fails when any part
of what it demonstrates is taken away.

The copy comes before the installed project on the import path, so what is removed from it is really
gone, from both commands.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from pl_lint.checks.registry import all_checks

ROOT = Path(__file__).parents[1]
PARTS = ("Makefile", "pyproject.toml", "constraints.txt", "pl_lint", "fixtures")
UNWANTED = shutil.ignore_patterns("__pycache__", "checks", "rules")
PYTHON = """\
#!/bin/sh
[ "$1" = -m ] && exit 9  # installs nothing
exec {} "$@"
"""
REMOVE_RULE = """

for _name in [name for name, item in vars().items() if getattr(item, "code", "") == {code!r}]:
    del globals()[_name]
"""

KEPT_CASES = ("species", "visits", "locator")
KEPT = ("fast-dev-run", "logged-values")
"""Their runs are quick; every other check is removed, and missed also where it finds nothing."""
REMOVED = tuple(check.name for check in all_checks() if check.name not in KEPT)

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The project with all that the demo needs, and nothing that it does not."""
    for part in PARTS:
        source, target = ROOT / part, tmp_path / part
        if source.is_file():
            shutil.copy(source, target)
        else:
            unwanted = UNWANTED if part == "fixtures" else shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, target, ignore=unwanted)
    return tmp_path


def make_demo(copy: Path) -> subprocess.CompletedProcess[str]:
    """`make demo` with the Python that runs this test in the place of an installation."""
    program = copy / ".venv" / "bin" / "python"
    program.parent.mkdir(parents=True)
    program.write_text(PYTHON.format(shlex.quote(sys.executable)), "utf-8")
    program.chmod(0o755)
    (copy / ".venv" / ".check-installed").touch()  # last, so that it is up to date
    outside = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    outside.pop("MFLAGS", None)
    return subprocess.run(
        ["make", "demo"],
        cwd=copy,
        env={**outside, "PYTHONPATH": str(copy)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def _cases(text: str, names: Sequence[str]) -> Iterator[str]:
    """The head of a file of cases, and those of these names."""
    head, *cases = re.split(r"(?=^@pl_lint\.case$)", text, flags=re.MULTILINE)
    yield head
    yield from (case for case in cases if any(f"def {name}(" in case for name in names))


def test_the_demo_passes_and_leaves_the_project_as_it_was(copy: Path) -> None:
    before = contents(copy / "fixtures")
    done = make_demo(copy)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the demo is as it should be" in done.stdout
    after = contents(copy / "fixtures")
    caches = {name for name in after if name.startswith("__pycache__")}  # of the demo's script
    assert after.keys() - caches == before.keys()
    assert all(after[name] == data for name, data in before.items())


def test_without_a_part_the_demo_fails_and_names_what_is_missing(copy: Path) -> None:
    module = copy / "pl_lint" / "rules" / "logging" / "values.py"
    module.write_text(module.read_text("utf-8") + REMOVE_RULE.format(code="LTN101"), "utf-8")
    for check in REMOVED:
        shutil.rmtree(copy / "pl_lint" / "checks" / check.replace("-", "_"))
    cases = copy / "fixtures" / "demo" / "cases.py"
    cases.write_text("".join(_cases(cases.read_text("utf-8"), KEPT_CASES)), "utf-8")
    done = make_demo(copy)
    assert done.returncode != 0
    complaints = done.stdout.partition("the demo is NOT as it should be")[2]
    for observer in ("reading and running together", "pl-lint"):
        assert f"missing: flowers/species.py:42: LTN101 certain ({observer})" in complaints
    assert "missing: flowers/visits.py:19: LTN401 proved" in complaints
    for check in REMOVED:
        assert f"missing: {check} was not run on locator" in complaints  # though it finds nothing
    # What those checks would have decided stays open; nothing else is new.
    unexpected = [line for line in complaints.splitlines() if "unexpected" in line]
    allowed = ("suspected (reading and running together)", " was run")  # by no case now
    assert [line for line in unexpected if not line.endswith(allowed)] == []
