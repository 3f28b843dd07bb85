"""Parts that have not changed are not judged again, and what is told is what reading would tell."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import projects
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pl_lint.cli import main
from pl_lint.cli.answers import FOLDER, VARIABLE
from pl_lint.static import judgement

Captured = pytest.CaptureFixture[str]
SETTLED = 0.03
"""Seconds after which a change is no longer too fresh for an answer to be kept."""
BASE = projects.SICK.replace("LitClassifier", "Lit")
HEALTHY_BASE = projects.HEALTHY.replace("LitClassifier", "Lit")
HEIR = """\
import lightning
from base import Lit


class Heir(Lit):
    def test_step(self, batch, batch_idx):
        self.log("test/f1", self.f1.compute(), on_epoch=True)
"""
OLD_HOOK = "import lightning as L\n\n\nclass Lit(L.LightningModule):\n    {}\n".format(
    "def training_epoch_end(self, outputs): ..."
)
NOTEBOOK = '{"cells": [{"cell_type": "code", "source": "x = 1", "metadata": {}}], "metadata": {}}'
SETTINGS = "trainer:\n  class_path: lightning.Trainer\n  gpus: 1\n"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "tree").mkdir()
    monkeypatch.chdir(tmp_path / "tree")
    monkeypatch.delenv(VARIABLE, raising=False)
    return tmp_path


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The files of each part that is judged."""
    kept: list[list[str]] = []
    judge = judgement.Judge.__call__

    def counted(self: judgement.Judge, part: judgement.Part) -> judgement.Reading:
        kept.append([one.path for one in part.sources])
        return judge(self, part)

    monkeypatch.setattr(judgement.Judge, "__call__", counted)
    return kept


def write(path: str, text: str) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text)


def plant() -> None:
    """Three projects, of which one imports a base from another."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    for name in ("lib", "app", "far"):
        shutil.rmtree(name, ignore_errors=True)
        write(f"{name}/README.md", "")
    Path("pyproject.toml").unlink(missing_ok=True)
    write("lib/base.py", BASE)
    write("app/main.py", HEIR)
    write("far/model.py", projects.SICK)
    write("far/hooks.py", OLD_HOOK)
    time.sleep(SETTLED)


def told(capsys: Captured, *arguments: str) -> tuple[int, str]:
    status = main([".", "--select", "ALL", "--output-format", "sarif", *arguments])
    return status, capsys.readouterr().out


def test_only_the_part_with_the_change_is_judged(capsys: Captured, judged: list[list[str]]) -> None:
    plant()
    told(capsys)
    assert len(judged) == 2
    judged.clear()
    write("far/hooks.py", OLD_HOOK.replace("training_epoch_end", "on_train_epoch_end"))
    cached = told(capsys)
    assert judged == [["far/hooks.py", "far/model.py"]]
    assert cached == told(capsys, "--no-cache")


def test_what_a_class_inherits_from_another_project_counts(
    capsys: Captured, judged: list[list[str]]
) -> None:
    plant()
    before = told(capsys)
    judged.clear()
    write("lib/base.py", HEALTHY_BASE)
    after = told(capsys)
    assert judged == [["app/main.py", "lib/base.py"]]
    assert before != after == told(capsys, "--no-cache")


CHANGES = {
    "cure": lambda: write("far/model.py", projects.HEALTHY),
    "hurt": lambda: write("app/other.py", projects.SICK),
    "base": lambda: write("lib/base.py", HEALTHY_BASE),
    "no base": lambda: write("lib/base.py", "# lightning\n"),
    "delete": lambda: Path("lib/base.py").unlink(missing_ok=True),
    "delete another": lambda: Path("far/hooks.py").unlink(missing_ok=True),
    "rename": lambda: Path("far/model.py").exists() and os.rename("far/model.py", "app/model.py"),
    "touch": lambda: os.utime("app/main.py"),
    "break": lambda: write("app/broken.py", "# lightning\ndef f(:\n"),
    "mend": lambda: Path("app/broken.py").unlink(missing_ok=True),
    "old": lambda: write("far/requirements.txt", "pytorch-lightning==1.5\n"),
    "new": lambda: write("far/requirements.txt", "lightning==2.4\n"),
    "pin above": lambda: write("requirements.txt", "pytorch-lightning==1.5\n"),
    "no pin above": lambda: Path("requirements.txt").unlink(missing_ok=True),
    "ignore": lambda: write("pyproject.toml", '[tool.pl-lint]\nignore = ["LTN1"]\n'),
    "version": lambda: write("pyproject.toml", '[tool.pl-lint]\nlightning-version = "1.5"\n'),
    "exclude": lambda: write("far/.gitignore", "hooks.py\n"),
    "join": lambda: write("far/train.py", "import base, lightning\n"),
    "yaml": lambda: write("far/config.yaml", SETTINGS),
    "notebook": lambda: write("lib/look.ipynb", NOTEBOOK),
    "nothing": lambda: None,
}


@settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(st.sampled_from(sorted(CHANGES)), min_size=1, max_size=4))
def test_what_is_told_is_what_reading_would_tell(capsys: Captured, changes: list[str]) -> None:
    plant()
    told(capsys)
    for change in changes:
        CHANGES[change]()
        assert told(capsys) == told(capsys, "--no-cache"), changes
    time.sleep(SETTLED)
    assert told(capsys) == told(capsys) == told(capsys, "--no-cache"), changes


@pytest.mark.parametrize("damage", [b"", b"\0", b"deadbeef\0{}", b"00000000\0"])
def test_a_damaged_memory_is_none(capsys: Captured, damage: bytes) -> None:
    plant()
    told(capsys)
    for file in Path(FOLDER).glob("parts-*"):
        file.write_bytes(damage)
    write("app/other.py", projects.SICK)
    assert told(capsys) == told(capsys, "--no-cache")


def test_another_program_knows_nothing(
    capsys: Captured, judged: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    plant()
    told(capsys)
    judged.clear()
    monkeypatch.setattr("sys.version", "another Python")
    told(capsys)
    assert len(judged) == 2
