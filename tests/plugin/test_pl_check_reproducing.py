"""What stands under a failure: a command that works where it is read, and a script."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from sessions import NO_CACHE, Session, environment, plant, pytest_in, with_head

MODELS = with_head("""
    class Averaged(Line):
        def validation_step(self, batch, batch_idx):
            self.log("val_rmse", self.loss(batch).sqrt(), sync_dist=True)


    @pl_lint.case
    def averaged():
        return Averaged(), {"train": pairs(), "val": pairs()}
    """)
CHECKS = ("-k", "logged-values or search")


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Session]:
    """A session about a file that lies outside of pytest's rootdir, as it was started."""
    base = tmp_path_factory.mktemp("outside")
    plant(base / "models", {"models.py": MODELS})
    project = plant(base / "project", {"pytest.ini": "[pytest]\n"})
    return project, pytest_in(project, *NO_CACHE, *CHECKS, str(base / "models" / "models.py"))


def test_the_command_runs_the_item_again(outside: tuple[Path, Session]) -> None:
    project, session = outside
    assert session.code == 1
    [line, *_] = re.findall(r"^reproduce: pytest (.+)$", session.output, re.MULTILINE)
    again = pytest_in(project, *NO_CACHE, *shlex.split(line)[1:])
    assert list(again.states.values()) == ["failed"]


def test_the_script_shows_it_without_pl_lint(outside: tuple[Path, Session], tmp_path: Path) -> None:
    _, session = outside
    found = re.search(
        r"^without pl-lint, 'val_rmse'.*:\n((?:.*\n)+?print\(.+\))$", session.output, re.M
    )
    assert found is not None, session.output
    script = tmp_path / "script.py"
    script.write_text(found[1], encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    said = done.stdout.splitlines()[-1]
    assert f"# {said}" == found[1].splitlines()[0]
    assert "the script above shows it without pl-lint" in session.output


@pytest.mark.parametrize("number", ["0", "-3", "many"])
def test_a_number_of_examples_has_to_be_one(tmp_path: Path, number: str) -> None:
    folder = plant(tmp_path / "project", {"a.py": ""})
    session = pytest_in(folder, *NO_CACHE, f"--pl-examples={number}")
    assert f"argument --pl-examples: {number!r} is no whole number above 0" in session.output
