"""What is to be written instead, in the words of the file and of the class that it is about."""

from __future__ import annotations

from pathlib import Path

import pytest

from pl_lint.config import Config
from pl_lint.findings import Finding
from pl_lint.rules.registry import all_rules
from pl_lint.static.engine import read

SETTINGS = """\
seed_everything: 1
trainer:
  callbacks:
    - class_path: lightning.pytorch.callbacks.ModelCheckpoint
      init_args:
        monitor: val_acc
"""
MODULE = """\
import lightning.pytorch as pl
from torch.optim import Adam


class Net(pl.LightningModule):
    def training_step(self, batch, batch_idx, optimizer_idx):
        return self.loss(batch)

    def configure_optimizers(self):
        return {returned}
"""


def _findings(path: Path, text: str, code: str) -> tuple[Finding, ...]:
    path.write_text(text)
    config = Config(root=path.parent, select=(code,), target="2.6")
    return tuple(read([path.parent], config, all_rules()).findings)


@pytest.mark.parametrize("mode", ["", "        mode: min\n"])
def test_settings_are_told_in_yaml(mode: str, tmp_path: Path) -> None:
    """At the line that is wrong, or that lacks one below it."""
    text = SETTINGS + mode
    (finding,) = _findings(tmp_path / "fit.yaml", text, "LTN301")
    assert finding.remedy == "write mode: max"
    assert finding.location.line == text.count("\n")


def test_the_line_of_the_mode_is_where_it_is_silenced(tmp_path: Path) -> None:
    text = SETTINGS + "        mode: min  # noqa: LTN301\n"
    assert not _findings(tmp_path / "fit.yaml", text, "LTN301")


@pytest.mark.parametrize(
    ("returned", "remedy"),
    [
        ("Adam(self.parameters())", "drop optimizer_idx"),
        ("[Adam(self.parameters())], []", "drop optimizer_idx"),
        ('{"optimizer": Adam(self.parameters())}', "drop optimizer_idx"),
        ("self.several()", "set self.automatic_optimization = False"),
    ],
)
def test_one_optimizer_needs_no_index(returned: str, remedy: str, tmp_path: Path) -> None:
    text = MODULE.format(returned=returned)
    (finding,) = _findings(tmp_path / "net.py", text, "LTN704")
    assert (finding.remedy or "").startswith(remedy)
    assert ("several" in finding.message) is (remedy != "drop optimizer_idx")


WATCHED = """\
import lightning.pytorch as pl
from lightning.pytorch.callbacks import ModelCheckpoint
from sklearn.metrics import f1_score


class Hives(pl.LightningModule):
    def validation_step(self, batch, batch_idx):
        self.log("val", {value})

    def configure_callbacks(self):
        return [ModelCheckpoint(monitor="val")]


pl.Trainer(devices=2).fit(Hives())
"""


@pytest.mark.parametrize(
    ("value", "remedy"),
    [
        ("self.loss(batch)", "log it with sync_dist=True at "),
        ("f1_score(self(batch[0]), batch[1])", "log a torchmetrics object at "),
    ],
)
def test_what_no_mean_suits_is_not_to_be_averaged_over_processes(
    value: str, remedy: str, tmp_path: Path
) -> None:
    text = WATCHED.replace("{value}", value)
    (finding,) = _findings(tmp_path / "hives.py", text, "LTN107")
    assert finding.remedy.startswith(remedy)
    assert "hives.py:8:9" in finding.remedy


LOGGED = """\
import lightning.pytorch as pl
import torchmetrics


class Hives(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.f1 = torchmetrics.F1Score(task="binary")
        self.scores = torchmetrics.MetricCollection([torchmetrics.F1Score(task="binary")])

    def validation_step(self, batch, batch_idx):
        self.log_dict({values})
"""


@pytest.mark.parametrize(
    ("values", "code", "call"),
    [
        ('{"loss": self.loss(batch), "f1": self.f1(*batch)}', "LTN102", "log('f1', self.f1)"),
        ('{"f1": self.f1.compute()}', "LTN101", "log('f1', self.f1)"),
        ("self.scores(*batch)", "LTN213", "log_dict(self.scores)"),
        ("self.scores.compute()", "LTN101", "log_dict(self.scores)"),
    ],
)
def test_one_metric_is_logged_under_its_key(
    values: str, code: str, call: str, tmp_path: Path
) -> None:
    (finding,) = _findings(tmp_path / "hives.py", LOGGED.replace("{values}", values), code)
    assert finding.remedy.endswith(f"self.{call}")


@pytest.mark.parametrize(
    ("beside", "remedy"),
    [
        ('"frequency": 5', "drop it, and step this optimizer by hand"),
        ('"interval": "step"', "drop it: there is no scheduler"),
        ('"interval": "step", "lr_scheduler": self.scheduler', "write it in the dict of"),
        ('"lr_schedular": self.scheduler', 'call it "lr_scheduler"'),
    ],
)
def test_what_is_dropped_beside_an_optimizer(beside: str, remedy: str, tmp_path: Path) -> None:
    returned = f'{{"optimizer": Adam(self.parameters()), {beside}}}'
    text = MODULE.format(returned=returned).replace(", optimizer_idx", "")
    (finding,) = _findings(tmp_path / "net.py", text, "LTN711")
    assert (finding.remedy or "").startswith(remedy)


ALONE = """\
import lightning.pytorch as pl
from lightning.pytorch.callbacks import ModelCheckpoint


class Hives(pl.LightningModule):
    def validation_step(self, batch, batch_idx):
        if self.trainer.is_global_zero:
            self.log_dict(self.of_batch(batch))

    def on_validation_epoch_end(self):
        if self.trainer.is_global_zero:
            self.log_dict({values})

    def configure_callbacks(self):
        return [ModelCheckpoint(monitor="val")]


pl.Trainer(devices=2).fit(Hives())
"""


@pytest.mark.parametrize(
    ("values", "places"),
    [
        ('{"val": self.worst}', "hives.py:12:13"),
        ("self.means()", "hives.py:8:13, or hives.py:12:13"),
    ],
)
def test_a_place_is_where_the_key_is_logged(values: str, places: str, tmp_path: Path) -> None:
    text = ALONE.replace("{values}", values)
    (finding,) = _findings(tmp_path / "hives.py", text, "LTN111")
    found = (finding.remedy or "").replace(f"{tmp_path}/", "")
    assert found == f"log it on all processes at {places}"


@pytest.mark.parametrize(
    ("stage", "calls"),
    [
        ("training", "trainer.fit"),
        ("validation", "trainer.fit and trainer.validate"),
        ("test", "trainer.test"),
    ],
)
def test_the_call_that_refuses_is_named(stage: str, calls: str, tmp_path: Path) -> None:
    """Tried with Lightning 2.6.6: the other calls run."""
    text = MODULE.format(returned="Adam(self.parameters())")
    text += f"\n    def {stage}_epoch_end(self, outputs):\n        self.last = outputs\n"
    (finding,) = _findings(tmp_path / "net.py", text, "LTN701")
    assert finding.message.endswith(f"is refused by {calls}")


ON_RANKS = """\
import lightning.pytorch as pl


class Net(pl.LightningModule):
    def validation_step(self, batch, batch_idx):
        x, y = batch
        if (y > 0).any():
            {logged}


trainer = pl.Trainer(devices=2)
"""


@pytest.mark.parametrize(
    ("logged", "how"),
    [
        ('self.log("val_loss", self.loss(x, y))', "add sync_dist=True"),
        ('self.log("val_iou", self.iou(x, y))', "log a torchmetrics object"),
        ('self.log("val/corr", self.together(x, y))', "log a torchmetrics object"),
        ('self.log("val_iou", self.iou(x, y).mean())', "add sync_dist=True"),
    ],
)
def test_no_mean_over_processes_is_told_where_none_is_right(
    logged: str, how: str, tmp_path: Path
) -> None:
    (finding,) = _findings(tmp_path / "net.py", ON_RANKS.format(logged=logged), "LTN106")
    assert finding.remedy.startswith(how)
    assert (finding.fix is not None) is (how == "add sync_dist=True")


@pytest.mark.parametrize(
    ("flags", "late"),
    [("", True), ("on_step=False, on_epoch=True, ", True), ("on_step=True, ", False)],
)
def test_processes_meet_in_the_step_or_at_the_end_of_the_epoch(
    flags: str, late: bool, tmp_path: Path
) -> None:
    logged = f'self.log("seen", self.loss(x, y), {flags}sync_dist=True)'
    (finding,) = _findings(tmp_path / "net.py", ON_RANKS.format(logged=logged), "LTN110")
    assert ("no batch of an epoch" in finding.condition) is late
    assert ("in an epoch" in finding.message) is late


FED = """\
import lightning.pytorch as pl
import torchmetrics


class Net(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.score = torchmetrics.MeanMetric()

    def validation_step(self, batch, batch_idx):
        x, y = batch
        score = self(x).sigmoid()
        mask = y > 0
        self.score.update({given})
        self.log("score", self.score)
"""


@pytest.mark.parametrize(
    ("given", "weight", "fixed"),
    [
        ("score.mean()", "<samples in the batch>", True),
        ("score[:, 0].mean()", "<samples in the batch>", True),
        ("score[mask].mean()", "score[mask].numel()", False),
        ("score[~mask].mean()", "score[~mask].numel()", False),
        ("score[y == 1].mean()", "score[y == 1].numel()", False),
    ],
)
def test_a_mean_weighs_as_much_as_the_numbers_it_is_made_of(
    given: str, weight: str, fixed: bool, tmp_path: Path
) -> None:
    text = FED.replace("{given}", given)
    (finding,) = _findings(tmp_path / "net.py", text, "LTN218")
    assert finding.remedy == f"self.score.update({given}, weight={weight})"
    assert (finding.fix is not None) is fixed


DETECTED = """\
import lightning.pytorch as pl
from torchmetrics import F1Score
from torchmetrics.detection import MeanAveragePrecision


class Net(pl.LightningModule):
    def validation_step(self, batch, batch_idx):
        metric = {made}
        metric.update(self(batch[0]), batch[1])
        self.log("score", metric.compute(){item})
"""


@pytest.mark.parametrize(
    ("made", "item", "then"),
    [
        ('F1Score(task="binary")', "", "log the object"),
        ("MeanAveragePrecision()", '["map"]', "log what it computes once, when the epoch ends"),
    ],
)
def test_no_object_is_to_be_logged_whose_value_is_a_dict(
    made: str, item: str, then: str, tmp_path: Path
) -> None:
    text = DETECTED.replace("{made}", made).replace("{item}", item)
    (finding,) = _findings(tmp_path / "net.py", text, "LTN102")
    assert finding.remedy.endswith(f"update it in the step and {then}")
