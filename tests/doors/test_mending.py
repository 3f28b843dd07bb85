"""`--fix`, `--diff` and standard input, as people and editors use them."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from pl_lint.static.fixing.loop import replace_file

SICK = """\
from lightning.pytorch import LightningModule


class Model(LightningModule):
    def training_step(self, batch, batch_idx):
        loss = batch.sum()
        self.log("loss", loss)  # noqa: LTN101
        return loss
"""
MENDED = SICK.replace("  # noqa: LTN101", "")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.py").write_text(SICK, "utf-8")
    return tmp_path


def command(*arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "pl_lint.cli", "--select", "LTN101,LTN999", *arguments]
    return subprocess.run(line, capture_output=True, text=True, timeout=60, input=given)


def test_only_safe_fixes_are_made_without_being_asked_for():
    done = command("--fix")
    assert "1 with --fix --unsafe-fixes" in done.stdout
    assert Path("model.py").read_text("utf-8") == SICK


def test_fixing_changes_the_file_and_says_so():
    done = command("--fix", "--unsafe-fixes", "--fail-on", "suspected")
    assert done.returncode == 0 and "1 finding fixed" in done.stdout
    assert Path("model.py").read_text("utf-8") == MENDED


def test_a_fixed_file_keeps_its_line_ends_its_mode_and_its_link(here: Path):
    path = here / "model.py"
    path.write_bytes(SICK.replace("\n", "\r\n").encode())
    path.chmod(0o640)
    os.symlink("model.py", here / "link.py")
    command("link.py", "--fix", "--unsafe-fixes")
    assert path.read_bytes() == MENDED.replace("\n", "\r\n").encode()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert (here / "link.py").is_symlink()


def test_a_diff_changes_nothing_and_can_be_applied(here: Path):
    done = command("--diff", "--unsafe-fixes")
    assert done.returncode == 1 and Path("model.py").read_text("utf-8") == SICK
    applied = subprocess.run(
        ["git", "apply", "-"], input=done.stdout, text=True, capture_output=True, cwd=here
    )
    assert applied.returncode == 0, applied.stderr
    assert Path("model.py").read_text("utf-8") == MENDED


def test_a_diff_without_unsafe_fixes_says_that_there_are_some():
    done = command("--diff")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == (
        "1 with --fix --unsafe-fixes; look at them before: --diff --unsafe-fixes\n"
    )
    assert command("--diff", "--unsafe-fixes").stderr == ""


def test_there_is_no_diff_where_nothing_is_to_be_fixed(here: Path):
    (here / "model.py").write_text(MENDED, "utf-8")
    done = command("--diff")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_file_that_cannot_be_replaced_is_left_as_it_was(
    here: Path, monkeypatch: pytest.MonkeyPatch
):
    def refused(*_: object) -> None:
        raise PermissionError(13, "Permission denied", "model.py")

    monkeypatch.setattr(os, "replace", refused)
    with pytest.raises(PermissionError):
        replace_file(here / "model.py", b"half")
    assert [path.name for path in here.iterdir()] == ["model.py"]
    assert Path("model.py").read_text("utf-8") == SICK


def test_an_editor_s_text_is_read_in_the_place_of_the_file():
    Path("model.py").write_text("", "utf-8")
    done = command("--stdin-filename", "model.py", "--output-format", "concise", "-", given=SICK)
    assert done.stdout.startswith("model.py:7:")


def test_an_editor_s_text_is_mended_on_standard_output():
    arguments = ("--stdin-filename", "new.py", "--fix", "--unsafe-fixes", "-")
    done = command(*arguments, given=SICK)
    assert done.stdout == MENDED and not Path("new.py").exists()
    assert "1 note fixed" in done.stderr
    assert command(*arguments, given=MENDED).stdout == MENDED


def test_the_findings_of_other_files_are_not_told_to_an_editor():
    done = command(".", "--stdin-filename", "other.py", "--output-format", "concise", given="x = 1")
    assert "model.py" not in done.stdout
