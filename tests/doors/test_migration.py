"""Which Lightning 1.x code is judged by: its own, or with ``--target 2`` the newest."""

from __future__ import annotations

from pathlib import Path

import pytest

from pl_lint.cli import main
from pl_lint.config import Config, ConfigError, load
from pl_lint.rules.registry import all_rules
from pl_lint.static.engine import read
from pl_lint.static.surroundings import Surroundings
from pl_lint.static.versions import installed
from pl_lint.trail import Trail

OLD = """\
import pytorch_lightning as pl
from pytorch_lightning.callbacks.base import Callback
from pytorch_lightning.utilities.seed import seed_everything


class Watch(Callback):
    def on_epoch_end(self, trainer, pl_module):
        print("over")


class Net(pl.LightningModule):
    def training_step(self, batch, batch_idx, optimizer_idx):
        return self(batch).mean()

    def validation_epoch_end(self, outputs):
        self.log("epoch", 1.0)


def train(model):
    seed_everything(1, workers=True)
    trainer = pl.Trainer(
        gpus=1,
        precision=16,  # half
        weights_summary=None,
        callbacks=[Watch()],
    )
    trainer.tune(model)
    trainer.fit(model)
"""
MENDED = """\
import pytorch_lightning as pl
from pytorch_lightning import Callback
from pytorch_lightning import seed_everything


class Watch(Callback):
    def on_epoch_end(self, trainer, pl_module):
        print("over")


class Net(pl.LightningModule):
    def training_step(self, batch, batch_idx, optimizer_idx):
        return self(batch).mean()

    def on_validation_epoch_end(self):
        self.log("epoch", 1.0)


def train(model):
    seed_everything(1, workers=True)
    trainer = pl.Trainer(
        devices=1,
        precision="16-mixed",  # half
        enable_model_summary=False,
        callbacks=[Watch()],
        accelerator="gpu",
    )
    trainer.tune(model)
    trainer.fit(model)
"""
BREAKS = {"LTN605", "LTN701", "LTN702", "LTN703", "LTN704", "LTN733", "LTN734"}
"""What only a newer Lightning minds; the rest of what is found in it has other reasons."""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "train.py").write_text(OLD, "utf-8")
    (tmp_path / "requirements.txt").write_text("pytorch-lightning==1.5.10\n", "utf-8")
    return tmp_path


def codes(project: Path, config: Config) -> set[str]:
    reading = read([project], config, all_rules())
    return {one.code for one in reading.findings}


def test_code_for_one_is_judged_as_such_unless_two_is_the_target(project: Path) -> None:
    assert not codes(project, Config(root=project)) & BREAKS
    assert codes(project, Config(root=project, target="2")) >= BREAKS


def test_a_folder_of_requirements_pins_as_well(project: Path) -> None:
    (project / "requirements.txt").unlink()
    (project / "requirements").mkdir()
    (project / "requirements" / "base.txt").write_text("pytorch-lightning>=1.7,<2.0\n", "utf-8")
    reading = read([project], Config(root=project), all_rules())
    assert {version for _, version in reading.project.lightning} == {"1.9"}


BESIDE_TORCH = {
    "pytorch-lightning>=1.2.4\ntorch==1.8.0+cu111\ntorchvision==0.9.0+cu111\n": "1.6",
    "pytorch-lightning\ntorch>=1.7,<1.10  # torch==2.1 is too new\n": "1.8",
    "pytorch-lightning\ntorch\ntorchvision==0.9.0\n": "1.6",
    "pytorch-lightning<2\ntorch==1.11\n": "1.9",
    "torch==1.7.1\nnumpy\n": "1.5",
    "pytorch-lightning==1.4.9\ntorch==1.9.0\n": "1.4",
    "pytorch-lightning>=2.0\ntorch==1.8.0\n": "",
    "pytorch-lightning\ntorch>=1.8\n": "",
    "pytorch-lightning\ntorch==2.7.0\n": "",
    "pytorch-lightning\ntorch==1.8.0; python_version < '3.7'\n": "",
    "pytorch-lightning\ntorch-geometric==1.7\n": "",
}


@pytest.mark.parametrize("text", BESIDE_TORCH)
def test_no_lightning_is_newer_than_the_torch_beside_it_allows(project: Path, text: str) -> None:
    (project / "train.py").write_text("import pytorch_lightning as pl\n", "utf-8")
    (project / "requirements.txt").write_text(text, "utf-8")
    (read_as,) = read([project], Config(root=project), all_rules()).project.lightning
    assert read_as[1] == BESIDE_TORCH[text]


def test_it_is_told_which_torch_lowers_the_version(project: Path) -> None:
    (project / "train.py").write_text("import pytorch_lightning as pl\n", "utf-8")
    (project / "requirements.txt").unlink()
    lines = ["channels:", "  - pytorch", "dependencies:", "  - pytorch=1.7", "  - pip: [x]"]
    (project / "environment.yml").write_text("\n".join(lines), "utf-8")
    reading = read([project], Config(root=project), all_rules())
    because = dict(reading.project.because)[str(project / "train.py")]
    assert because.startswith("pytorch=1.7 in ") and because.endswith("environment.yml")


def test_a_file_that_imports_lightning_2_is_not_older_than_that(project: Path) -> None:
    (project / "train.py").write_text("import lightning.pytorch as pl\n", "utf-8")
    (project / "requirements.txt").write_text("lightning\ntorch==1.8.0\n", "utf-8")
    (read_as,) = read([project], Config(root=project), all_rules()).project.lightning
    assert read_as[1] == ""


def test_a_target_goes_before_the_version_of_the_settings(project: Path) -> None:
    both = Config(root=project, lightning_version="1.7", target="2")
    assert codes(project, both) >= BREAKS


def test_what_a_later_version_removed_is_there_in_an_earlier_one(project: Path) -> None:
    (project / "train.py").write_text(
        "from lightning.pytorch.accelerators import IPUAccelerator\n", "utf-8"
    )
    assert "LTN733" not in codes(project, Config(root=project, target="2.0"))
    assert "LTN733" in codes(project, Config(root=project, target="2.1"))


def test_spellings_are_told_with_a_target_alone(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(
        "import lightning as L\n\ntrainer = L.Trainer(precision=16)\n", "utf-8"
    )
    assert "LTN605" not in codes(tmp_path, Config(root=tmp_path))
    assert "LTN605" in codes(tmp_path, Config(root=tmp_path, target="2"))
    off = Config(root=tmp_path, target="2", ignore=("LTN605",))
    assert "LTN605" not in codes(tmp_path, off)


def test_fixing_changes_what_means_the_same_and_nothing_else(project: Path) -> None:
    file = project / "train.py"
    main(["check", "--target", "2", "--fix", str(project)])
    assert file.read_text("utf-8") == MENDED
    main(["check", "--target", "2", "--fix", str(project)])
    assert file.read_text("utf-8") == MENDED


def test_a_parameter_that_is_no_longer_passed_goes_where_nothing_reads_it(project: Path) -> None:
    head = "import pytorch_lightning as pl\n\n\nclass Watch(pl.Callback):\n"
    hook = "    def on_train_batch_end(self, trainer, model, outputs, batch, batch_idx{}):\n"
    file = project / "train.py"
    unread = head + hook.format(", dataloader_idx") + "        print(batch_idx)\n"
    file.write_text(unread, "utf-8")
    main(["check", "--target", "2", "--fix", str(project)])
    assert file.read_text("utf-8") == head + hook.format("") + "        print(batch_idx)\n"
    read_by_it = unread.replace("print(batch_idx)", "print(dataloader_idx)")
    file.write_text(read_by_it, "utf-8")
    main(["check", "--target", "2", "--fix", str(project)])
    assert file.read_text("utf-8") == read_by_it


EXTENDED = """\
import pytorch_lightning as pl


class Base(pl.LightningModule):
    def on_test_epoch_end(self):
        self.log("tested", 1.0)

    def validation_epoch_end(self, outputs):
        self.log("epoch", 1.0)


class Extending(Base):
    def validation_epoch_end(self, outputs):
        super().validation_epoch_end(outputs)

    def test_epoch_end(self, outputs):
        self.log("over", 1.0)

    def training_epoch_end(self, outputs):
        self.log("outputs", float(len(outputs)))
"""
"""Another class calls the first; a base has the hook of the second; the third needs its outputs."""


def test_a_hook_that_others_know_is_changed_by_hand(project: Path) -> None:
    file = project / "train.py"
    file.write_text(EXTENDED, "utf-8")
    reading = read([project], Config(root=project, target="2", select=("LTN701",)), all_rules())
    assert [one.fix for one in reading.findings] == [None] * 4


def test_without_a_target_nothing_of_it_is_fixed(project: Path) -> None:
    main(["check", "--fix", "--unsafe-fixes", str(project)])
    assert (project / "train.py").read_text("utf-8") == OLD


def test_the_command_line_and_the_file_of_settings_say_the_same(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["check", "--output-format", "concise", "--no-cache"]
    main([*options, "--target", "2", str(project)])
    told = capsys.readouterr().out
    assert "LTN703" in told
    (project / "pyproject.toml").write_text('[tool.pl-lint]\ntarget = "2"\n', "utf-8")
    main([*options, str(project)])
    assert capsys.readouterr().out == told


@pytest.mark.parametrize("value", ["1.9", "3", "newest", 2])
def test_a_target_is_a_version_of_two(value: object) -> None:
    with pytest.raises(ConfigError, match="must be a version of Lightning 2"):
        load(overrides={"target": value})


def test_an_installed_lightning_is_known_by_its_folder(tmp_path: Path) -> None:
    for name in ("lightning_utilities-0.11.2.dist-info", "numpy-2.0.0.dist-info"):
        (tmp_path / name).mkdir()
    assert installed(Surroundings(Trail()), [str(tmp_path)]) is None
    (tmp_path / "pytorch_lightning-1.7.7.dist-info").mkdir()
    assert installed(Surroundings(Trail()), [str(tmp_path / "none"), str(tmp_path)]) == "1.7"


@pytest.mark.parametrize(("version", "judged"), [("1.4.9", True), ("2.6.1", False)])
def test_an_old_lightning_beside_pl_lint_decides_where_no_pin_does(
    project: Path, monkeypatch: pytest.MonkeyPatch, version: str, judged: bool
) -> None:
    """1.4 had no ``show_progress_bar``; undated code is not judged by its arguments."""
    packages = project / "env" / "site-packages"
    (packages / f"pytorch_lightning-{version}.dist-info").mkdir(parents=True)
    monkeypatch.setattr("sys.path", [str(packages)])
    (project / "train.py").write_text(
        "import pytorch_lightning as pl\n\npl.Trainer(gpus=1, show_progress_bar=False)\n", "utf-8"
    )
    (project / "requirements.txt").unlink()
    assert ("LTN703" in codes(project, Config(root=project))) is judged


@pytest.mark.parametrize(
    "line",
    [
        "get_ipython().system('pip install pytorch-lightning==1.1.5')",
        "get_ipython().run_cell_magic('capture', '', '!pip install pytorch-lightning==1.1.5\\n')",
        'os.system("pip3 install -q pytorch-lightning==1.1.5")',
    ],
)
def test_a_script_that_installs_a_lightning_is_for_that_one(tmp_path: Path, line: str) -> None:
    code = "from pytorch_lightning.metrics import Accuracy\n"
    shown = "# os.system('pip install pytorch-lightning==1.1.5')"
    for name, first in (("told", line), ("open", shown)):
        (tmp_path / name / ".git").mkdir(parents=True)
        (tmp_path / name / "train.py").write_text(f"import os\n{first}\n{code}")
    assert "LTN208" not in codes(tmp_path / "told", Config())
    assert "LTN208" in codes(tmp_path / "open", Config())
