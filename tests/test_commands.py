"""The Makefile and `.ci/run` where something is missing: a message that a stranger can act on."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OLD = """\
#!/bin/sh
case "$*" in *version_info*) exit 1 ;; --version) echo "Python 3.9.1" ;; *) exit 9 ;; esac
"""
NO_ENSUREPIP = """\
#!/bin/sh
case "$*" in *version_info*) exit 0 ;; *ensurepip*) exit 1 ;; *) exit 9 ;; esac
"""
RECORDING_MAKE = """\
#!/bin/sh
echo "make $* CI=$CI in $(basename "$(pwd)")"
cat  # nothing comes, and it does not wait for a person
exit 3
"""


def program(path: Path, text: str) -> Path:
    path.write_text(text, "utf-8")
    path.chmod(0o755)
    return path


def run(*command: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
    outside = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    outside.pop("MFLAGS", None)
    environment = {**outside, "PATH": path or outside["PATH"]}
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def make(tmp_path: Path, target: str, python: str) -> str:
    """What `make` says when it cannot make its environment."""
    venv = tmp_path / "venv"
    done = run("make", "-C", str(ROOT), target, f"PYTHON={python}", f"VENV={venv}")
    assert done.returncode != 0
    assert not venv.exists()
    return done.stderr


@pytest.mark.parametrize("target", ["demo", "test", "bench"])
def test_a_python_that_is_too_old_is_named(tmp_path: Path, target: str) -> None:
    said = make(tmp_path, target, str(program(tmp_path / "python3", OLD)))
    assert "pl-lint needs Python 3.10 or newer" in said
    assert "is Python 3.9.1" in said
    assert "make PYTHON=" in said


def test_a_python_without_venv_is_told_what_to_install(tmp_path: Path) -> None:
    said = make(tmp_path, "demo", str(program(tmp_path / "python3", NO_ENSUREPIP)))
    assert "venv or ensurepip is missing" in said
    assert "apt install python3-venv" in said


@pytest.mark.parametrize("target", ["demo", "clean"])
def test_a_folder_that_is_something_else_is_not_deleted(tmp_path: Path, target: str) -> None:
    (tmp_path / "thesis.tex").touch()
    done = run("make", "-C", str(ROOT), target, f"PYTHON={sys.executable}", f"VENV={tmp_path}")
    assert done.returncode != 0
    assert "is no virtual environment" in done.stderr
    assert (tmp_path / "thesis.tex").exists()


def test_a_path_with_spaces_would_be_two(tmp_path: Path) -> None:
    done = run("make", "-C", str(ROOT), "demo", f"VENV={tmp_path}/my env")
    assert done.returncode != 0
    assert "must be one path without spaces" in done.stderr


def test_no_python_at_all(tmp_path: Path) -> None:
    said = make(tmp_path, "demo", "no-such-python")
    assert "There is no 'no-such-python' here" in said


def test_continuous_integration_runs_make_test_and_fails_with_it(tmp_path: Path) -> None:
    program(tmp_path / "make", RECORDING_MAKE)
    project = tmp_path / "clone"
    (project / ".ci").mkdir(parents=True)
    shutil.copy(ROOT / ".ci" / "run", project / ".ci" / "run")
    done = run(str(project / ".ci" / "run"), path=f"{tmp_path}:{os.environ['PATH']}")
    assert done.stdout == "make test CI=true in clone\n"
    assert done.returncode == 3
