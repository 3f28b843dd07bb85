"""An answer that is kept is the answer that reading would give, after any change to anything."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import projects
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pl_lint.cli import main
from pl_lint.cli.answers import FOLDER, VARIABLE, answers_to

Captured = pytest.CaptureFixture[str]
SETTLED = 0.03
"""Seconds after which a change is no longer too fresh for an answer to be kept."""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(VARIABLE, raising=False)
    return tmp_path


def plant() -> None:
    shutil.rmtree("project", ignore_errors=True)
    project = Path("project")
    projects.plant(project, model=projects.SICK, empty="x = 1\n")
    (project / "requirements.txt").write_text("lightning==2.4\n")
    (project / "pyproject.toml").write_text("[tool.pl-lint]\n")
    (project / "part").mkdir()
    (project / "part" / "other.py").write_text(projects.SICK)
    time.sleep(SETTLED)


def told(capsys: Captured, *arguments: str) -> tuple[int, str]:
    status = main(["project", *arguments])
    return status, capsys.readouterr().out


def is_known() -> bool:
    answers = answers_to(["project"])
    return answers is not None and answers.known() is not None


def test_the_second_answer_is_the_first_one(capsys: Captured) -> None:
    plant()
    first = told(capsys)
    assert is_known()
    assert told(capsys) == first == told(capsys, "--no-cache")
    assert first[0] == 1


def test_a_known_answer_needs_no_rules() -> None:
    plant()
    code = (
        "import sys; from pl_lint.cli import main; status = main(['project']);"
        "sys.stderr.write(' '.join(sys.modules)); sys.exit(status)"
    )
    runs = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        for _ in range(2)
    ]
    assert runs[0].stdout == runs[1].stdout != ""
    assert "pl_lint.static.engine" in runs[0].stderr.split()
    heavy = {"pl_lint.static.engine", "pl_lint.config", "argparse", "re", "ast", "typing"}
    assert heavy.isdisjoint(runs[1].stderr.split())


CHANGES = {
    "cure": lambda p: (p / "model.py").write_text(projects.HEALTHY),
    "hurt": lambda p: (p / "empty.py").write_text(projects.SICK),
    "same size": lambda p: (
        (p / "model.py").exists()
        and (p / "model.py").write_text((p / "model.py").read_text().replace("val/f1", "val/f2"))
    ),
    "delete": lambda p: (p / "model.py").unlink(missing_ok=True),
    "rename": lambda p: (p / "model.py").exists() and (p / "model.py").rename(p / "renamed.py"),
    "touch": lambda p: (p / "part" / "other.py").exists() and os.utime(p / "part" / "other.py"),
    "hide": lambda p: (p / ".gitignore").write_text("part/\n"),
    "show": lambda p: (p / ".gitignore").unlink(missing_ok=True),
    "settings": lambda p: (p / "pyproject.toml").write_text('[tool.pl-lint]\nignore = ["ALL"]\n'),
    "pin": lambda p: (p / "requirements.txt").write_text("pytorch-lightning==1.5\n"),
    "environment": lambda p: (p / "part" / "pyvenv.cfg").write_text(""),
    "silence": lambda p: (p / "part" / "other.py").write_text(
        "# pl-lint: ignore-file\n" + projects.SICK
    ),
    "folder": lambda p: projects.plant(p / "new", more=projects.SICK),
    "nothing": lambda p: None,
}


@settings(
    max_examples=6,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(st.sampled_from(sorted(CHANGES)), min_size=1, max_size=4))
def test_an_answer_is_what_reading_would_give(capsys: Captured, changes: list[str]) -> None:
    plant()
    told(capsys)
    for change in changes:
        path = Path("project")
        before = (path / "model.py").stat() if (path / "model.py").exists() else None
        CHANGES[change](path)
        if before is not None and change == "same size" and (path / "model.py").exists():
            os.utime(path / "model.py", ns=(before.st_atime_ns, before.st_mtime_ns))
        assert told(capsys) == told(capsys, "--no-cache"), changes


@pytest.mark.parametrize("change", sorted(set(CHANGES) - {"nothing", "show"}))
def test_every_change_is_noticed(capsys: Captured, change: str) -> None:
    plant()
    told(capsys)
    assert is_known()
    CHANGES[change](Path("project"))
    assert not is_known()


def test_what_lies_beside_is_nobodys_business(capsys: Captured) -> None:
    plant()
    told(capsys)
    Path("unrelated.txt").write_text("")
    assert is_known()


@pytest.mark.parametrize("damage", [b"", b"\0", b"0" * 8, b"deadbeef\0x\0y"])
def test_a_damaged_answer_is_none(capsys: Captured, damage: bytes) -> None:
    plant()
    first = told(capsys)
    for file in Path("project").parent.rglob("answer-*"):
        file.write_bytes(damage)
    assert told(capsys) == first


def test_a_cache_that_cannot_be_written_is_no_error(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant()
    Path("file").write_text("")
    monkeypatch.setenv(VARIABLE, "file/below")
    assert told(capsys) == told(capsys, "--no-cache")


def test_the_cache_looks_after_itself(capsys: Captured) -> None:
    plant()
    told(capsys)
    assert (Path(FOLDER) / ".gitignore").read_text() == "*\n"
    assert (Path(FOLDER) / "CACHEDIR.TAG").read_text().startswith("Signature: 8a477f597d28d172789f")


def test_a_change_in_the_moment_of_looking_is_not_trusted(capsys: Captured) -> None:
    plant()
    future = time.time() + 60
    path = Path("project/model.py")
    text = path.read_text()
    told(capsys)
    path.write_text(text)
    os.utime(path, (future, future))
    assert told(capsys) == told(capsys, "--no-cache")
