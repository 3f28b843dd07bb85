"""Programs that have nothing to do with their project are judged by themselves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pl_lint.config import Config
from pl_lint.facts.sites import ProjectFacts
from pl_lint.rules.registry import all_rules
from pl_lint.static.engine import read

MODEL = "import lightning as L\n\nclass Lit(L.LightningModule):\n    pass\n"
TRAIN = "import lightning as L\nfrom model import Lit\nL.Trainer(devices=4).fit(Lit())\n"
PROGRAM = """\
import lightning.pytorch as pl

class Net(pl.LightningModule):
    def validation_step(self, batch, batch_idx):
        self.log("val/loss", self.loss(batch))

pl.Trainer(devices=1).fit(Net())
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path(".git").mkdir()


def facts(**files: str) -> ProjectFacts:
    """What is read of a project: ``a__b`` is ``a/b.py``."""
    for name, text in {"model": MODEL, "train": TRAIN, **files}.items():
        path = Path(*name.split("__"))
        path = path if path.suffix else path.with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return read([Path()], Config(), all_rules()).project


def paths(view: ProjectFacts) -> set[str]:
    return {one.location.path for one in (*view.classes, *view.trainers)}


def test_it_has_a_view_of_its_own() -> None:
    rest, program = facts(notes__try=PROGRAM).views()
    assert paths(rest) == {"model.py", "train.py"}
    assert paths(program) == {"notes/try.py"}
    assert rest.trains_beside and not program.trains_beside


def test_so_has_a_notebook() -> None:
    cells = [{"cell_type": "code", "metadata": {}, "outputs": [], "source": PROGRAM}]
    notebook = json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    assert len(facts(**{"look.ipynb": notebook}).views()) == 2


IMPORTS = "import lightning.pytorch as pl\n"


@pytest.mark.parametrize(
    "files",
    [
        {"use": "from lightning import Trainer\nfrom program import Net\n"},
        {"use": "import lightning\nfrom . import (\n  model, train,\n  program,  # small\n)\n"},
        {"use": "import importlib, lightning\nimportlib.import_module(name)\n"},
        {"use": "import lightning\nrun('python program.py')\n"},
        {"program": PROGRAM.replace(IMPORTS, IMPORTS + "import os, model\n")},
        {"program": PROGRAM.replace(IMPORTS, IMPORTS + "import os; import model\n")},
        {"program": PROGRAM.replace(IMPORTS, IMPORTS + "if True: from model import Lit\n")},
        {"program": PROGRAM.replace(IMPORTS, IMPORTS + "from . import model\n")},
        {"program": PROGRAM.replace(IMPORTS, IMPORTS + "exec(open('model.py').read())\n")},
        {"program": PROGRAM.replace(IMPORTS, IMPORTS + "nets = load('model.py')\n")},
        {"program": PROGRAM.replace("pl.Trainer", "make_trainer")},
        {"program": PROGRAM.replace("pl.Trainer", "# pl.Trainer")},
        {"program": PROGRAM.replace("1)", "cfg.n)") + "import yaml\n", "a.yaml": "devices: 4\n"},
    ],
    ids=[
        *("imported", "in-a-long-import", "by-text", "named", "one-of-two", "in-one-line", "in-if"),
        *("relative", "executed", "loads", "no-trainer", "in-a-comment", "settings"),
    ],
)
def test_what_has_to_do_with_others_has_none(files: dict[str, str]) -> None:
    assert len(facts(**{"program": PROGRAM, **files}).views()) == 1


@pytest.mark.parametrize(
    "line", ["table.to_csv('program.csv')", "importlib.import_module('wandb')", "program = 1"]
)
def test_not_every_mention_names_a_program(line: str) -> None:
    assert len(facts(program=PROGRAM, use=f"import lightning\n{line}\n").views()) == 2


def test_it_is_as_old_as_the_code_around_it() -> None:
    old = PROGRAM.replace("lightning.pytorch", "pytorch_lightning")
    removed = old.replace("validation_step(self, batch, batch_idx)", "test_epoch_end(self, o)")
    code = {"program": removed, "model": MODEL.replace("lightning", "pytorch_lightning")}
    facts(**code, train=old.replace("devices=1", "gpus=1"))
    found = read([Path()], Config(), all_rules()).findings
    assert "LTN701" not in {one.code for one in found}
