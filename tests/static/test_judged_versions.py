"""By which Lightning code is judged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pl_lint.config import Config
from pl_lint.places import Location
from pl_lint.static.configs.files import ConfigFile
from pl_lint.static.configs.tree import Table
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
        ("from torchmetrics import Accuracy as A\nA(task='multiclass', top_k=len(n))", "1.8.0"),
        ("import torchmetrics as tm\ntm.Accuracy(task='multiclass')", "1.8.0"),
        ("from metrics import Accuracy\nAccuracy(task='multiclass')", "1.5.0"),
        ("pl.Trainer(gpus=2, inference_mode=False)", "1.8.0"),
        ("net = torch.compile(net)", "1.9.0"),
        ("pl.Trainer(precision='16-mixed')", "1.9.0"),
        ("Accuracy(num_classes=3)", "1.5.0"),
        ("Model(task='segmentation')", "1.5.0"),
        ("pattern = re.compile('a')", "1.5.0"),
        ("@torch.compile\ndef loss(x): ...", "1.9.0"),
        ("from lightning_fabric import seed_everything", "1.9.0"),
        ("half = 'bf16-mixed' if late else 16\npl.Trainer(precision=half)", "1.9.0"),
        ("# torch.compile(net)", "1.5.0"),
        ("'''One day: torch.compile(net), precision=\"16-mixed\".'''", "1.5.0"),
    ],
)
def test_signs_give_a_floor_as_well(line: str, version: str) -> None:
    assert (
        judged(f"import pytorch_lightning as pl\npl.Trainer(gpus=2)\n{line}\n").version == version
    )


FIND = "ddp_find_unused_parameters_true"
LATE = "gpus = dict(gpus=1)\nnet = torch.compile(Net())"


@pytest.mark.parametrize(
    ("code", "version"),
    [
        (f"{LATE}\npl.Trainer(weights_summary=None)", "1.5.0"),
        (f"{LATE}\npl.Trainer(gpus=1, track_grad_norm=2)", "1.9.0"),
        ("pl.Trainer(gpus=1, inference_mode=False, log_gpu_memory=True)", "1.5.0"),
        (f"{LATE}\nclass A(pl.Callback):\n def training_epoch_end(self, outs): 0", "1.9.0"),
        (f"{LATE}\nclass A(pl.Callback):\n def on_epoch_end(self, t, m): 0", "1.5.0"),
        (f"{LATE}\nclass A(Net):\n def on_save_checkpoint(self, c): 0", "1.9.0"),
        (f"{LATE}\nfrom pytorch_lightning.metrics import F1", "1.5.0"),
        (f"options = dict(gpus=1)\npl.Trainer(strategy='{FIND}')", ""),
        (f"pl.Trainer(gpus=1, strategy='{FIND}')", "1.5.0"),
        (f"{LATE}\npl.Trainer(gpus=1, strategy='{FIND}')", "1.9.0"),
    ],
)
def test_a_floor_is_none_where_something_was_gone_by_then(code: str, version: str) -> None:
    assert judged(f"import pytorch_lightning as pl\n{code}\n").version == version


@pytest.mark.parametrize(
    ("code", "settings", "version"),
    [
        ("pl.Trainer(devices=cfg.gpus)", "gpus: [6, 7]\nprecision: '16-mixed'  # half\n", ""),
        ("pl.Trainer(devices=cfg.gpus)", "gpus: 2\nstrategy: ddp_find_unused_parameters_true", ""),
        ("pl.Trainer(devices=cfg.gpus)", "gpus: 2\nprecision: 32-true", ""),
        ("pl.Trainer(gpus=cfg.gpus)", "gpus: 2\nprecision: bf16-mixed", "1.9.0"),
        ("pl.Trainer(devices=cfg.gpus)", "gpus: 2\nprecision: 16", "1.5.0"),
        ("pl.Trainer(devices=cfg.gpus)", "gpus: 2\nprecision: 16  # 16-mixed\n", "1.5.0"),
        ("pl.Trainer(devices=cfg.gpus)", "gpus: 2\nname: unet-16-mixed\n", "1.5.0"),
        ("def training_epoch_end(self, o): 0", "gpus: 2\nprecision: 16-mixed", "1.9.0"),
    ],
)
def test_a_key_of_old_settings_says_less_than_a_new_value(
    code: str, settings: str, version: str
) -> None:
    program = f"import pytorch_lightning as pl\nclass A(pl.LightningModule):\n    {code}\n"
    sources = [
        Material(Path("train.py"), program.encode()),
        ConfigFile("config.yaml", settings, Table({}, Location("config.yaml", 1))),
    ]
    assert Versions(sources, Config()).judged("train.py").version == version


@pytest.mark.parametrize(
    ("line", "version"),
    [
        ("gpus = torch.cuda.device_count()", ""),
        ("def main(path, gpus=1, resume_from_checkpoint=None): ...", ""),
        ("tpu_cores = 8", ""),
        ("trainer.train(resume_from_checkpoint=True)", ""),
        ("pl.Trainer(\n    # all\n    gpus=-1)", "1.5.0"),
        ("options = dict(gpus=2)", "1.5.0"),
        ("options.update(gpus=2)", "1.5.0"),
        ("make = functools.partial(pl.Trainer, tpu_cores=8)", "1.5.0"),
        ("trainer = make_trainer(args, resume_from_checkpoint=path)", "1.5.0"),
    ],
)
def test_arguments_are_old_where_a_trainer_gets_them(line: str, version: str) -> None:
    assert judged(f"import pytorch_lightning as pl\n{line}\n").version == version


@pytest.mark.parametrize(
    ("code", "version"),
    [
        ("def training_step(self, batch, n: int = int(0), optimizer_idx=0): ...", "1.5.0"),
        ("def training_step(self, batch, batch_idx=(0), *, optimizer_idx): ...", "1.5.0"),
        ("def training_step(self, batch):\n    for optimizer_idx in 0, 1: ...", ""),
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


MODULE = "class Model(pl.LightningModule):\n    def __init__(self, hparams):\n        {}\n"
SETS = MODULE.format("self.hparams = hparams")
KEEP = "from pytorch_lightning.callbacks import ModelCheckpoint as Keep\nKeep(filepath='best')"
OTHER = "from keras.callbacks import ModelCheckpoint\nModelCheckpoint(filepath='best')"
SAVER = "pl.callbacks.ModelCheckpoint"
OLD_TRAINER = "pl.Trainer(gpus=2)\n"


@pytest.mark.parametrize(
    ("code", "version"),
    [
        (f"{OLD_TRAINER}{SAVER}(filepath='best')", "1.1.0"),
        (f"{OLD_TRAINER}{KEEP}", "1.1.0"),
        (f"{OLD_TRAINER}{SAVER}(period=5)", "1.4.0"),
        (f"{OLD_TRAINER}{OTHER}", "1.5.0"),
        (f"class Trainer: ...\n{OLD_TRAINER}Trainer(use_amp=True)", "1.5.0"),
        (f"{OLD_TRAINER}try:\n    {SAVER}(filepath='best')\nexcept TypeError: ...", "1.5.0"),
        (f"{OLD_TRAINER}if pl.__version__ < '1.2':\n    {SAVER}(filepath='best')", "1.5.0"),
        (f"pl.Trainer(gpus=2, strategy='ddp')\n{SAVER}(filepath='best')", "1.5.0"),
        ("pl.Trainer(distributed_backend='ddp')", "1.4.0"),
        ("pl.Trainer(gpus=2, early_stop_callback=stop)\nself.log('a', 1)", "1.0.0"),
        (SETS, "1.2.0"),
        (SETS.replace("pl.Lightning", "nn."), "1.5.0"),
        (SETS.replace("    def", "    hparams = None\n    def", 1), "1.5.0"),
        (f"{OLD_TRAINER}{MODULE.format('self.hparams.rate = 1')}", "1.5.0"),
    ],
)
def test_what_no_later_version_takes_is_a_ceiling(code: str, version: str) -> None:
    assert judged(f"import pytorch_lightning as pl\n{code}\n").version == version


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("FROM pytorch/pytorch:1.8.1-cuda11.1-cudnn8-runtime\n", "1.6"),
        ("ARG TORCH=1.8.1\nFROM pytorch/pytorch:${TORCH}-cuda11.1\nRUN pip install wandb\n", "1.6"),
        ("FROM python:3.8\nRUN pip install pytorch-lightning==1.4.9\n", "1.4"),
        ("FROM pytorch/pytorch:latest\nRUN pip install pytorch-lightning\n", ""),
        ("FROM ${BASE}\n# pytorch-lightning==1.4.9\n", ""),
    ],
)
def test_an_image_says_what_is_installed(image: str, version: str) -> None:
    Path("Dockerfile").write_text(image)
    found = judged("import pytorch_lightning as pl\n")
    assert found.version == version
    assert not version or "Dockerfile" in found.because
