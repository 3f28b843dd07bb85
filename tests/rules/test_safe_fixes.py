"""Which fixes are safe, and that no fix makes what another rule refuses."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

import pytest

from pl_lint.config import Config
from pl_lint.findings import Finding
from pl_lint.fixes import Applicability
from pl_lint.rules.registry import all_rules
from pl_lint.static.engine import read
from pl_lint.static.fixing.loop import mend

LOGS_VALUES = """
import lightning.pytorch as pl
import torchmetrics
from torchmetrics.classification import MulticlassAccuracy, MulticlassConfusionMatrix


class Model(pl.LightningModule):
    def __init__(self, more):
        super().__init__()
        self.scores = torchmetrics.MetricCollection(MEMBERS)

    def validation_step(self, batch, batch_idx):
        self.scores.update(self(batch[0]), batch[1])
        self.log_dict(self.scores.compute())
"""
ACCURACY = '"acc": MulticlassAccuracy(num_classes=3)'


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return Path("module.py")


def findings(file: Path, text: str, *codes: str) -> list[Finding]:
    file.write_text(textwrap.dedent(text), "utf-8")
    reading = read([Path()], Config(root=Path.cwd(), select=codes), all_rules())
    return list(reading.findings)


@pytest.mark.parametrize(
    ("members", "kind"),
    [
        (f"{{{ACCURACY}}}", Applicability.SAFE),
        (f"{{{ACCURACY}, **more}}", Applicability.UNSAFE),
        ("{'acc': MulticlassAccuracy(num_classes=3, average=more)}", Applicability.UNSAFE),
        (f"{{{ACCURACY}, 'cm': MulticlassConfusionMatrix(num_classes=3)}}", None),
        (f"{{{ACCURACY}, 'each': MulticlassAccuracy(num_classes=3, average='none')}}", None),
    ],
)
def test_a_collection_is_logged_itself_where_each_member_gives_one_number(
    file: Path, members: str, kind: Applicability | None
) -> None:
    found = findings(file, LOGS_VALUES.replace("MEMBERS", members), "LTN101")
    assert found
    assert {one.fix.applicability if one.fix else None for one in found} == {kind}
    if kind is None:
        assert all("self.log_dict(" not in one.remedy for one in found)


WATCHED = """
import lightning.pytorch as pl
import torchmetrics
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint


class Model(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.f1 = torchmetrics.classification.BinaryF1Score()

    def validation_step(self, batch, batch_idx):
        self.f1.update(self(batch[0]), batch[1])
        self.log("val/f1", self.f1)
        self.log("val/acc", self.share(batch))
"""
IN_CODE = """
trainer = pl.Trainer(callbacks=[ModelCheckpoint("out", monitor="KEY", mode="min")])
trainer.fit(Model())
"""
IN_SETTINGS = """
model:
  class_path: module.Model
trainer:
  callbacks:
    - class_path: lightning.pytorch.callbacks.ModelCheckpoint
      init_args:
        monitor: KEY
        mode: min
"""


@pytest.mark.parametrize(
    ("key", "kind", "said"),
    [
        ("val/f1", Applicability.SAFE, "but higher is better"),
        ("val/acc", Applicability.UNSAFE, "but by its name higher is better"),
    ],
)
@pytest.mark.parametrize("where", ["code", "notebook", "settings"])
def test_a_mode_is_turned_safely_where_a_metric_says_so_wherever_it_stands(
    where: str, key: str, kind: Applicability, said: str, file: Path
) -> None:
    code = WATCHED + IN_CODE.replace("KEY", key) * (where != "settings")
    if where == "notebook":
        cell = {"cell_type": "code", "metadata": {}, "outputs": [], "source": code}
        file, code = Path("look.ipynb"), json.dumps({"cells": [cell], "metadata": {}})
    if where == "settings":
        Path("fit.yaml").write_text(IN_SETTINGS.replace("KEY", key), "utf-8")
    (found,) = findings(file, code, "LTN301")
    assert found.message.endswith(said)
    assert found.fix is not None and found.fix.applicability is kind
    assert found.fix.title == found.remedy


def test_no_message_speaks_of_a_key_that_nobody_knows(file: Path) -> None:
    text = LOGS_VALUES.replace("MEMBERS", "more").replace("compute()", "compute(), on_step=True")
    unknown = text.replace("self.scores.compute()", "{self.key: self.acc.compute()}").replace(
        "super().__init__()", "super().__init__()\n        self.acc = torchmetrics.Accuracy()"
    )
    found = findings(file, unknown, "LTN101", "LTN117", "LTN118")
    assert {one.code for one in found} == {"LTN101", "LTN117", "LTN118"}
    assert all("…" not in one.message for one in found)


@pytest.mark.parametrize(
    ("metric", "named"),
    [
        ("torchmetrics.MeanSquaredError(squared=False)", "MeanSquaredError(squared=False)"),
        ("torchmetrics.F1Score(task='binary')", "F1Score over"),
        (
            "torchmetrics.Accuracy(task='multiclass', num_classes=3, average='macro')",
            "Accuracy(average='macro')",
        ),
    ],
)
def test_a_message_names_what_makes_the_mean_wrong(file: Path, metric: str, named: str) -> None:
    text = LOGS_VALUES.replace("MEMBERS", f"{{'score': {metric}}}").replace(
        "self.log_dict(self.scores.compute())",
        "self.log_dict(self.scores(self(batch[0]), batch[1]))",
    )
    (found,) = findings(file, text, "LTN213")
    assert named in found.message


INHERITS = """
import lightning.pytorch as pl
from torch import nn


class Base(pl.LightningModule):
    def __init__(self, lr: float):
        super().__init__()
        self.lr = lr


class Model(Base):
    def __init__(self, net: nn.Module, lr: float):
        super().__init__(lr)
        self.net = net
"""


def test_saved_arguments_leave_out_the_networks_of_classes_that_inherit(file: Path) -> None:
    """What a base class saves are the arguments of the class that is built."""
    assert {one.code for one in findings(file, INHERITS, "LTN306", "LTN307")} == {"LTN306"}
    config = Config(root=Path.cwd(), select=("LTN306",), unsafe_fixes=True)
    mend([Path()], config, all_rules()).write()
    mended = file.read_text("utf-8")
    assert 'ignore=["net"]' in mended
    assert findings(file, mended, "LTN307") == []


SCRIPT = """
import hydra
import lightning.pytorch as pl


@hydra.main(config_path="conf", config_name="train")
def main(cfg):
    trainer = pl.Trainer(gpus={GIVEN})
"""


@pytest.mark.parametrize(
    ("given", "kind"),
    [("1", Applicability.SAFE), ("cfg.trainer.gpus", Applicability.UNSAFE)],
)
def test_what_a_setting_says_today_is_no_reason_for_a_safe_fix(
    file: Path, given: str, kind: Applicability
) -> None:
    """``gpus`` of the settings may be 0 tomorrow, which ``devices`` must not be."""
    Path("requirements.txt").write_text("lightning==2.4\n", "utf-8")
    Path("conf").mkdir()
    Path("conf/train.yaml").write_text("trainer:\n  gpus: 1\n", "utf-8")
    (found,) = findings(file, SCRIPT.replace("{GIVEN}", given), "LTN703")
    assert found.fix is not None and found.fix.applicability is kind
