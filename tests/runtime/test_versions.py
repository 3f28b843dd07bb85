"""What is too old to be judged with is refused by name, and that is what pyproject.toml says."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from pl_lint.runtime.versions import OLDEST, numbers, too_old

ROOT = Path(__file__).parents[2]
OLD_LIGHTNING = """\
from importlib import metadata

real = metadata.version
metadata.version = lambda name: "2.3.3" if name == "lightning" else real(name)
"""


def test_nothing_here_is_too_old() -> None:
    assert list(too_old()) == []


@pytest.mark.parametrize("version", ["2.3.3", "1.9.5.post0", "2.3.0rc1"])
def test_an_older_lightning_is_named(version: str) -> None:
    [said] = too_old(lambda name: version if name == "lightning" else "99.0")
    assert said == f"lightning {version} is installed, and 2.4 is the oldest"


@pytest.mark.parametrize("version", ["2.4.0", "2.4.0.post0", "2.10.1", "3.0.0.dev1"])
def test_a_newer_one_is_not(version: str) -> None:
    assert not list(too_old(lambda name: version if name == "lightning" else "99.0"))


def test_what_is_not_installed_is_not_old() -> None:
    def installed(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    assert list(too_old(installed)) == []


def test_pyproject_asks_for_the_same() -> None:
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    asked = dict(re.findall(r'"([\w-]+)>=([\d.]+)"', project))
    assert {name: numbers(asked[name]) for name in OLDEST} == OLDEST


def test_a_session_with_an_older_one_ends_with_its_name(tmp_path: Path) -> None:
    """Before anything is run: what such a run says may be wrong."""
    (tmp_path / "old.py").write_text(OLD_LIGHTNING)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "old", "--pl-check", "-p", "no:cacheprovider"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "lightning 2.3.3 is installed, and 2.4 is the oldest" in done.stderr
