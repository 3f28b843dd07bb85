"""What the parameters of a module hold, data sets of one item, programs that were copied."""

from __future__ import annotations

from pathlib import Path

import pytest

from pl_lint.config import Config
from pl_lint.facts.sites import ParameterSite, ProjectFacts
from pl_lint.rules.registry import all_rules
from pl_lint.static.engine import read

MODULE = """
import lightning.pytorch as pl
import torch.nn as nn
import torch.nn.functional as F
from enum import Enum
from typing import Optional, Protocol

class Mode(Enum):
    FAST = 1

class Options:
    pass

class Sized(Protocol):
    pass

def rate():
    return 0.1

class Model(pl.LightningModule):
    def __init__(self, parameter):
        super().__init__()
        self.kept = parameter
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def facts() -> ProjectFacts:
    return read([Path()], Config(root=Path.cwd()), ()).project


def parameter(written: str, body: str = "") -> ParameterSite:
    text = MODULE.replace("self, parameter", f"self, {written}") + body
    Path("module.py").write_text(text, "utf-8")
    (owner,) = facts().classes
    assert owner.hyperparameters is not None
    return owner.hyperparameters.details[0]


@pytest.mark.parametrize(
    ("written", "holds"),
    [
        ("parameter: Mode", "enum"),
        ("parameter=Mode.FAST", "enum"),
        ("parameter: 'Options | None'", "object"),
        ("parameter=Options()", "object"),
        ("parameter=nn.ReLU", "class"),
        ("parameter=Options", "class"),
        ("parameter=F.relu", "function"),
        ("parameter=rate", "function"),
        ("parameter: Optional[Options] = None", ""),
        ("parameter: Mode | str", ""),
        ("parameter: Sized", ""),
        ("parameter=rate()", ""),
        ("parameter=Mode.FAST.value", ""),
        ("parameter=nn.ReLU()", ""),
        ("parameter: int = 3", ""),
    ],
)
def test_what_a_parameter_holds(written: str, holds: str) -> None:
    found = parameter(written)
    assert found.holds == holds and bool(found.told) == bool(holds)
    assert found.attributes == ("kept",) and not found.rebound


def test_a_parameter_that_becomes_something_else() -> None:
    assert parameter("parameter: Mode", "        parameter = parameter.value\n").rebound


def test_data_sets_of_one_item_and_what_inherits_from_them() -> None:
    Path("data.py").write_text(
        """
class One:
    def __len__(self) -> int:
        \"\"\"The whole graph.\"\"\"
        return 1

class Still(One):
    pass

class Many(One):
    def __len__(self):
        return len(self.items)

class Sometimes:
    def __len__(self):
        if self.whole:
            return 1
        return 3
""",
        "utf-8",
    )
    Path("train.py").write_text(
        "import lightning\nfrom data import Many, One, Sometimes, Still\n", "utf-8"
    )
    assert facts().of_one_item == {"data.One", "data.Still"}


def test_a_file_of_classes_that_tells_nothing_is_not_read() -> None:
    Path("nets.py").write_text("class Net:\n    def __len__(self):\n        return 2\n", "utf-8")
    Path("train.py").write_text("import lightning\nfrom nets import Net\n", "utf-8")
    reading = read([Path()], Config(root=Path.cwd()), ())
    assert {path for path, _ in reading.project.lightning} == {"train.py"}


@pytest.mark.parametrize(
    ("inside", "outside", "copied"),
    [
        ("import torch\n", "import torch\n", {"side/star/train.py"}),
        ("import cells\n", "import torch\n", set()),
        ("import torch\n", "from side.star import train\n", set()),
    ],
)
def test_a_copied_program_has_its_needs_and_no_ties(
    inside: str, outside: str, copied: set[str]
) -> None:
    Path("side/star").mkdir(parents=True)
    for folder in (".", "side/star"):
        Path(folder, "requirements.txt").write_text("lightning\n", "utf-8")
    Path("side/star/train.py").write_text(f"import lightning\n{inside}", "utf-8")
    Path("cells.py").write_text(f"import lightning\n{outside}", "utf-8")
    assert {path for path, _ in facts().copies} == copied


@pytest.mark.parametrize(("text", "hides"), [("Trainer(", True), ("Trainers", False)])
def test_a_file_that_cannot_be_read_may_build_the_trainer(text: str, hides: bool) -> None:
    data = "    def train_dataloader(self):\n        return MNIST('.', download=True)\n"
    head = "from torchvision.datasets import MNIST\n"
    Path("module.py").write_text(head + MODULE + data, "utf-8")
    Path("train.py").write_text(f"import lightning\ndef main(:\n    return {text}\n", "utf-8")
    assert facts().hides_trainers is hides
    reading = read([Path()], Config(root=Path.cwd(), select=("LTN503",)), all_rules())
    assert bool(reading.findings) is not hides
