"""What hooks return, what attributes hold, what is read of Lightning, which names are imported."""

from __future__ import annotations

import ast
from textwrap import dedent, indent

import pytest

from pl_lint.config import Config
from pl_lint.facts.origins import FunctionCall
from pl_lint.facts.sites import ClassFacts, ProjectFacts
from pl_lint.facts.values import Known, Made, Several, Table
from pl_lint.static.project import gather
from pl_lint.static.sources import SourceFile
from pl_lint.static.specifiers import newest_admitted
from pl_lint.static.suppressions import Suppressions

HEAD = """
import torch
import lightning.pytorch as pl
from torch import nn

class Block(nn.Module):
    pass

class Model(pl.LightningModule):
"""


def facts(body: str, *watched: str) -> ProjectFacts:
    text = HEAD + indent(dedent(body).strip("\n"), " " * 4)
    source = SourceFile("model.py", text, ast.parse(text), Suppressions(text))
    return gather([source], Config(), frozenset(watched))


def model(body: str, *watched: str) -> ClassFacts:
    (owner,) = facts(body, *watched).modules()
    return owner


def test_every_way_out_of_a_hook_is_a_site():
    owner = model("""
        def training_step(self, batch, batch_idx):
            if batch_idx:
                return {"loss": self._loss(batch)}
            self.log("a", 1)

        def _loss(self, batch):
            return 1
    """)
    written, fallen = sorted(owner.returns, key=lambda site: not site.written)
    assert isinstance(written.value, Table) and written.value.get("loss") == Known(1)
    assert written.guards == ("batch_idx",)
    assert fallen.value == Known(None) and not fallen.written


def test_a_return_knows_the_methods_that_it_ends_with():
    owner = model(
        "def training_step(self, batch, batch_idx):\n    return batch.sum().detach().cpu()"
    )
    assert owner.returns[0].methods == ("sum", "detach", "cpu")


def test_optimizers_and_schedulers_keep_their_shape():
    owner = model("""
        def configure_optimizers(self):
            optimizer = torch.optim.SGD(self.parameters(), lr=0.1)
            return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, 1)]
    """)
    match owner.returns[0].value:
        case Several((Several((Made("torch.optim.SGD"),)), Several((Made(name),)))):
            assert name == "torch.optim.lr_scheduler.StepLR"
        case other:
            pytest.fail(repr(other))


@pytest.mark.parametrize(
    "line, maker, held",
    [
        ("self.x = [nn.Linear(1, 1)]", "", ("torch.nn.Linear",)),
        ("self.x = nn.ModuleList([nn.Linear(1, 1)])", "torch.nn.ModuleList", ("torch.nn.Linear",)),
        ("self.x = []\n    self.x.append(Block())", "", ("model.Block",)),
        ("self.x = nn.ModuleDict()\n    self.x['a'] = Block()", "torch.nn.ModuleDict",
         ("model.Block",)),
        ("self.x = [1, 2]", "", ()),
    ],
)  # fmt: skip
def test_containers_know_what_registers_their_modules(line: str, maker: str, held: tuple[str, ...]):
    owner = model(f"def __init__(self):\n    {line}")
    (container,) = owner.containers
    assert (container.attribute, container.maker, container.modules) == ("x", maker, held)


def test_what_lightning_gives_is_read_unless_the_class_has_it():
    owner = model("""
        def __init__(self, logger):
            self.logger = logger
            self.epochs = self.trainer.max_epochs
            self.logger.info("built")
    """)
    assert [(read.attribute, read.hook) for read in owner.reads] == [("trainer", "__init__")]


@pytest.mark.parametrize(
    "line, who",
    [
        ("x = 1", "automatic"),
        ("automatic_optimization = False", "manual"),
        ("def __init__(self):\n        self.automatic_optimization = False", "manual"),
        ("def __init__(self, x):\n        self.automatic_optimization = not x", "unknown"),
    ],
)
def test_who_steps_the_optimizers(line: str, who: str):
    assert model(line).optimization == who


def test_a_call_knows_where_its_result_goes():
    found = facts(
        "def __init__(self):\n    self.x = torch.zeros(3).to('cpu')\n    y = abs(torch.zeros(1))",
        "torch.zeros",
    )
    first, second = found.calls
    assert (first.assigned, first.then) == ("self.x", ("to",))
    assert (second.assigned, second.then) == ("", ())


def test_what_lightning_hands_out_keeps_its_name():
    found = facts(
        "def training_step(self, batch, batch_idx):\n    a, b = self.optimizers()\n    b.step()",
        ".step",
    )
    (site,) = found.calls
    assert "self.optimizers" in repr(site.receiver_origin)
    assert FunctionCall("self.optimizers") != site.receiver_origin  # one of several


def test_imports_by_the_name_that_they_spell():
    found = facts("x = 1")
    assert [(site.name, site.optional) for site in found.imports] == [("lightning.pytorch", False)]


@pytest.mark.parametrize(
    "pin, newest",
    [
        ("==2.5.0.post0", "2.5"),
        (">1.7.0, <2.0.0", "1.9"),
        ("<2.0", "1.9"),
        ("<2.0.1", "2.0"),
        (">=2.0", None),
    ],
)
def test_the_newest_version_that_a_pin_admits(pin: str, newest: str | None):
    assert newest_admitted(pin) == newest


def test_a_dict_that_a_branch_completed_keeps_both_of_its_states():
    sites = model(
        """
        def configure_optimizers(self):
            config = {"interval": "step"}
            if self.kind == "plateau":
                config.update({"monitor": "val_loss", "interval": "epoch"})
            config.update({"scheduler": torch.optim.lr_scheduler.StepLR(self.optimizer, 1)})
            return [self.optimizer], [config]
        """
    ).schedulers
    assert {(site.monitor, site.interval) for site in sites} == {
        (Known("val_loss"), Known("epoch")),
        (Known(None), Known("step")),
    }


def test_what_steps_leave_for_the_end_of_the_epoch():
    owner = model("""
        def validation_step(self, batch, batch_idx):
            self.kept.append({"loss": self(batch)})
            for one in batch:
                self.single.append(self(one))
            return {"loss": self(batch)}
    """)
    left = {(site.attribute, site.key, site.looped) for site in owner.held}
    assert left == {("kept", "loss", False), ("single", "", True), ("", "loss", False)}


def test_a_value_that_is_worked_out_from_what_the_attribute_held():
    owner = model("""
        def training_step(self, batch, batch_idx):
            self.mean = 0.9 * self.mean + batch
            self.first, self.second = batch
    """)
    carried = {site.attribute: site.carried for site in owner.assignments}
    assert carried == {"mean": True, "first": False, "second": False}


def test_all_devices_there_are_are_spelled_as_a_trainer_does():
    found = facts("""
        def trainer(self):
            count = max(1, torch.cuda.device_count())
            return pl.Trainer(devices=count, max_epochs=torch.cuda.device_count())
    """)
    (trainer,) = found.trainers
    assert trainer.argument("devices") == Known(-1)
    assert trainer.argument("max_epochs") != Known(-1)
