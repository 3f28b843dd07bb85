"""By which Lightning code is judged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pl_lint.config import Config
from pl_lint.static.parts import Material
from pl_lint.static.versions import Judged, Versions

OLD = "import pytorch_lightning as pl\nfrom lightning.system import System\npl.Trainer(gpus=2)\n"
CELL = {"cell_type": "code", "source": OLD, "metadata": {}, "outputs": [], "execution_count": None}
NOTEBOOK = {"cells": [CELL], "metadata": {}, "nbformat": 4, "nbformat_minor": 4}


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path(".git").mkdir()


def judged(code: str, requirements: bytes = b"") -> Judged:
    Path("train.py").write_text(code)
    if requirements:
        Path("requirements.txt").write_bytes(requirements)
    source = Material(Path("train.py"), code.encode())
    return Versions([source], Config()).judged("train.py")


@pytest.mark.parametrize(
    "line", ["import lightning as L", "from lightning.pytorch import Trainer", "import lightning"]
)
def test_the_package_lightning_is_new(line: str) -> None:
    assert judged(f"{line}\nL.Trainer(gpus=2)\n") == Judged()


@pytest.mark.parametrize("line", ["from lightning.system import System", "import lightning.model"])
def test_a_folder_called_lightning_is_not(line: str) -> None:
    assert judged(f"{line}\npl.Trainer(gpus=2)\n").version == "1.5.0"


@pytest.mark.parametrize(
    ("line", "version"),
    [
        ("Accuracy(task='multiclass', num_classes=len(names))", "1.8.0"),
        ("pl.Trainer(gpus=2, inference_mode=False)", "1.8.0"),
        ("net = torch.compile(net)", "1.9.0"),
        ("pl.Trainer(precision='16-mixed')", "1.9.0"),
        ("Accuracy(num_classes=3)", "1.5.0"),
        ("Model(task='segmentation')", "1.5.0"),
        ("pattern = re.compile('a')", "1.5.0"),
    ],
)
def test_signs_give_a_floor_as_well(line: str, version: str) -> None:
    assert (
        judged(f"import pytorch_lightning as pl\npl.Trainer(gpus=2)\n{line}\n").version == version
    )


@pytest.mark.parametrize(
    ("code", "version"),
    [
        ("for optimizer_idx, one in enumerate(self.optimizers()): one.step()", ""),
        ("def losses(self, batch, optimizer_idx): return batch", ""),
        ("def training_step(self, batch, batch_idx, optimizer_idx): return batch", "1.5.0"),
        ("def optimizer_step(\n    self, epoch,\n    optimizer_idx=0, **kwargs): ...", "1.5.0"),
    ],
)
def test_the_number_of_an_optimizer_is_old_where_a_hook_gets_it(code: str, version: str) -> None:
    assert judged(f"import pytorch_lightning as pl\n{code}\n").version == version


OWN = b"from lightning.data import Digits\npl.Trainer(gpus=2)\n"


@pytest.mark.parametrize("own", ["lightning/data.py", "src/lightning/data/__init__.py"])
@pytest.mark.parametrize("script", ["train.py", "scripts/train.py"])
def test_what_lies_in_a_folder_called_lightning_is_no_part_of_the_package(
    own: str, script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("pyproject.toml").touch()
    source = Material(Path(script), OWN)
    assert Versions([source], Config()).judged(script) == Judged()
    Path(own).parent.mkdir(parents=True)
    Path(own).write_text("class Digits: ...")
    assert Versions([source], Config()).judged(script).version == "1.5.0"


def test_a_folder_called_lightning_that_nobody_imports_from_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("tools/lightning").mkdir(parents=True)
    Path("tools/lightning/data.py").touch()
    assert Versions([Material(Path("train.py"), OWN)], Config()).judged("train.py") == Judged()


def test_the_torch_of_the_project_bounds_what_code_alone_says() -> None:
    assert judged(OLD, b"torch == 1.7.0\n").version.startswith("1.5")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_requirements_are_read_as_powershell_writes_them(encoding: str) -> None:
    text = "pytorch-lightning==1.6.4\n"
    assert judged("import pytorch_lightning as pl\n", text.encode(encoding)).version == "1.6"


@pytest.mark.parametrize(
    ("needed", "version"),
    [
        ({"src": "1.0.8"}, "1.0"),
        ({"src": "1.0.8", "app": "1.4"}, "1.5.0"),
        ({"src": "2.1"}, "1.5.0"),
        ({"src": "0.7.6"}, "1.5.0"),
    ],
    ids=["one", "several", "newer", "older"],
)
def test_a_notebook_beside_a_package_is_for_the_lightning_that_it_needs(
    needed: dict[str, str], version: str
) -> None:
    Path("notebooks").mkdir()
    sources = [Material(Path("notebooks/look.ipynb"), json.dumps(NOTEBOOK).encode())]
    for folder, asked in needed.items():
        Path(folder).mkdir()
        Path(folder, "requirements.txt").write_text(f"pytorch-lightning=={asked}\n")
        sources.append(Material(Path(folder, "train.py"), OLD.encode()))
    assert Versions(sources, Config()).judged("notebooks/look.ipynb").version == version


def test_a_script_beside_a_package_is_judged_by_itself() -> None:
    Path("old").mkdir()
    Path("old", "requirements.txt").write_text("pytorch-lightning==1.0.8\n")
    paths = ("old/score.py", "train.py")
    sources = [Material(Path(path), OLD.encode()) for path in paths]
    assert Versions(sources, Config()).judged("train.py").version == "1.5.0"


@pytest.mark.parametrize("named", ["1.5", "1.5.0", "1.5.10"])
def test_a_version_that_the_user_names_is_no_guess(named: str) -> None:
    source = Material(Path("train.py"), OLD.encode())
    assert Versions([source], Config(lightning_version=named)).judged("train.py").version == "1.5"
