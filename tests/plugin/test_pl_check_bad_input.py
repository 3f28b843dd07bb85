"""Files and ids that name nothing that could be run: one line says what is wrong, and where."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sessions import NO_CACHE, plant, pytest_in, with_head

from pl_lint.plugin.naming import meant_by

BROKEN = """\
import pl_lint


@pl_lint.case
def first(:
    return None
"""
CASES = with_head("""
    @pl_lint.case
    def species():
        return Line(), pairs()
    """)


def test_a_syntax_error_in_a_named_file_is_its_line(tmp_path: Path) -> None:
    folder = plant(tmp_path / "project", {"broken.py": BROKEN})
    session = pytest_in(folder, *NO_CACHE, "broken.py")
    [text] = session.messages("broken.py::reading")
    assert text.startswith("ends here: syntax error: ")
    assert session.code == pytest.ExitCode.TESTS_FAILED
    assert "broken.py:5:11: reading ends here: syntax error" in session.output
    assert "Traceback" not in session.output
    assert "_pytest" not in session.output


NOTEBOOK = {
    "cells": [
        {
            "cell_type": "code",
            "metadata": {},
            "outputs": [],
            "source": ["import lightning as L\n", "trainer = L.Trainer(checkpoint_every=5)"],
        }
    ],
    "metadata": {},
    "nbformat": 4,
    "nbformat_minor": 5,
}
SETTINGS = """
    trainer:
      callbacks:
        - class_path: lightning.pytorch.callbacks.ModelCheckpoint
          init_args:
            monitor: val/acc
            mode: max
            filename: "{epoch}-{val/acc:.2f}"
    """


def test_what_is_certain_of_notebooks_and_settings_fails(tmp_path: Path) -> None:
    files = {"explore.ipynb": json.dumps(NOTEBOOK), "keeper.yaml": SETTINGS}
    folder = plant(tmp_path / "project", files)
    session = pytest_in(folder, *NO_CACHE)
    assert session.states == dict.fromkeys((f"{name}::reading" for name in files), "failed")
    assert session.code == pytest.ExitCode.TESTS_FAILED
    named = pytest_in(folder, *NO_CACHE, "explore.ipynb")
    assert list(named.states) == ["explore.ipynb::reading"]


def test_an_id_that_is_not_found_comes_with_the_nearest_one(tmp_path: Path) -> None:
    folder = plant(tmp_path / "project", {"cases.py": CASES, "broken.py": BROKEN})
    wrong = ("cases.py::specis::serch", "broken.py::first", "cases.py::species::search")
    session = pytest_in(folder, *NO_CACHE, "--collect-only", "-q", *wrong)
    assert session.code == pytest.ExitCode.USAGE_ERROR
    assert "did you mean cases.py::species::search?" in session.output
    assert "broken.py:5:11: cannot be read: syntax error" in session.output
    assert session.output.count("did you mean") == 1


@pytest.mark.parametrize(
    ("names", "meant"),
    [
        (["spcies"], ["species"]),
        (["species", "logged-vales"], ["species", "logged-values"]),
        (["logged-values"], ["digits", "logged-values"]),
        (["redaing"], ["reading"]),
        (["species", "qqqq"], ["species"]),
        (["qqqq", "search"], []),
    ],
)
def test_what_is_near_to_an_id(names: list[str], meant: list[str]) -> None:
    assert meant_by(names, ["digits", "species"]) == meant
