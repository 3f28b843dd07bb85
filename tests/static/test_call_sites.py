"""Calls and assignments as facts, and what stands around them."""

from __future__ import annotations

import ast
from textwrap import dedent, indent

import pytest

from pl_lint.config import Config
from pl_lint.facts.origins import Derived, is_listing
from pl_lint.facts.sites import CallSite, ProjectFacts
from pl_lint.facts.values import UNKNOWN, Known, Made, Named, Several
from pl_lint.static.project import gather
from pl_lint.static.sources import SourceFile
from pl_lint.static.suppressions import Suppressions

HEAD = """
import torch
import torchmetrics
import pytorch_lightning as pl
from torch.utils.data import DataLoader as Loader
from pytorch_lightning.strategies import DDPStrategy

class Model(pl.LightningModule):
    def training_step(self, batch, batch_idx):
"""


def facts(body: str, *watched: str) -> ProjectFacts:
    text = HEAD + indent(body.strip("\n"), " " * 8)
    source = SourceFile("model.py", text, ast.parse(text), Suppressions(text))
    return gather([source], Config(), frozenset(watched))


def only(body: str, *watched: str) -> CallSite:
    (site,) = facts(body, *watched).calls
    return site


def test_a_library_s_function_by_its_own_name():
    site = only("Loader(self.data, 16, shuffle=True)", "torch.utils.data.DataLoader")
    assert site.argument("shuffle", 2) == Known(True)
    assert site.argument("batch_size", 1) == Known(16)
    assert site.argument("num_workers", 5) == Known(None)
    assert (site.hook, site.stage, site.function) == ("training_step", "train", "training_step")


def test_what_nobody_asked_for_leaves_no_site():
    assert facts("Loader(self.data)", "torch.optim.Adam").calls == ()


def test_hidden_arguments_are_unknown():
    site = only("Loader(self.data, **self.options)", "torch.utils.data.DataLoader")
    assert site.argument("shuffle", 2) == UNKNOWN and not site.complete


def test_lightning_by_its_canonical_name():
    site = only(
        "pl.Trainer(strategy=DDPStrategy(find_unused_parameters=True), plugins=[torch.median])",
        "lightning.pytorch.Trainer",
    )
    strategy = site.argument("strategy")
    assert isinstance(strategy, Made)
    assert strategy.argument("find_unused_parameters") == Known(True)
    assert site.argument("plugins") == Several((Named("torch.median"),))


@pytest.mark.parametrize(
    "body", ["self.net(batch).backward()", "loss = self.net(batch)\nloss.backward()"]
)
def test_a_method_of_anything(body: str):
    assert only(body, ".backward").name == ".backward"


def test_a_method_of_the_class():
    assert only("self.manual_backward(batch)", "self.manual_backward").receiver == "self"


@pytest.mark.parametrize(
    "body",
    [
        "if self.trainer.is_global_zero:\n    print(1)",
        "if self.trainer.is_global_zero:\n    pass\nelse:\n    print(1)",
        "if not self.trainer.is_global_zero:\n    return\nprint(1)",
        "self.trainer.is_global_zero and print(1)",
        "batch or self.trainer.is_global_zero or print(1)",
        "x = print(1) if self.trainer.is_global_zero else 0",
    ],
)
def test_conditions_guard_what_stands_under_them(body: str):
    assert "is_global_zero" in only(body, "builtins.print").guards


@pytest.mark.parametrize(
    "body",
    [
        "if self.trainer.is_global_zero:\n    x = 1\nprint(1)",
        "for x in batch:\n    if self.trainer.is_global_zero:\n        continue\nprint(1)",
        "print(1) and self.trainer.is_global_zero",
        "x = self.trainer.is_global_zero and batch\nprint(1)",
        "x = 1 if self.trainer.is_global_zero else 0\nprint(1)",
    ],
)
def test_and_nothing_else(body: str):
    assert "is_global_zero" not in only(body, "builtins.print").guards


def test_context_managers():
    assert only("with torch.no_grad():\n    print(1)", "builtins.print").within == ("no_grad",)


def test_assignments_to_the_module():
    (owner,) = facts("self.total = torch.zeros(3)\nself.count += 1").classes
    total, count = owner.assignments
    assert (total.attribute, total.augmented) == ("total", False)
    assert (count.attribute, count.augmented, count.hook) == ("count", True, "training_step")


def test_assignments_to_something_else():
    (site,) = facts("self.trainer.datamodule.data.level = 1").reaches
    assert (site.receiver, site.attribute) == ("self.trainer.datamodule.data", "level")


def test_global_statements():
    (site,) = facts("global seen\nseen = 1").globals
    assert (site.names, site.hook) == (("seen",), "training_step")


def test_to_build_a_project_s_module_is_to_build_a_module():
    site = only("Model(3)", "lightning.pytorch.LightningModule")
    assert site.name == "lightning.pytorch.LightningModule"


def test_a_step_that_calls_the_module_is_followed_into_forward():
    text = """
import pytorch_lightning as pl
import torch

class Model(pl.LightningModule):
    def forward(self, x, key):
        self.log(key, x.mean())
        return torch.argmax(self.net(x.cuda()), 1)

    def validation_step(self, batch, batch_idx):
        self.log("hits", self(batch, "inner"))
"""
    source = SourceFile("model.py", text, ast.parse(text), Suppressions(text))
    (owner,) = gather([source], Config()).classes
    assert [(log.key, log.stage) for log in owner.logs] == [
        (Known("inner"), "validate"),
        (Known("hits"), "validate"),
    ]
    assert isinstance(owner.logs[1].origin, Derived) and owner.logs[1].origin.operation == "decided"
    assert [site.hook for site in owner.devices] == ["validation_step"]


def test_what_a_checkpoint_gives_is_known_to_be_loaded():
    built, loaded = facts(
        "pl.Trainer().fit(Model())\npl.Trainer().fit(Model.load_from_checkpoint('a.ckpt'))"
    ).trainer_calls
    assert built.model == loaded.model == "model.Model"
    assert (built.from_checkpoint, loaded.from_checkpoint) == (False, True)


def test_parameters_with_what_is_written_about_them():
    text = """
import pytorch_lightning as pl

class Model(pl.LightningModule):
    def __init__(self, net: nn.Module, *, lr: float = 0.1):
        self.net = net
"""
    source = SourceFile("model.py", text, ast.parse(text), Suppressions(text))
    (owner,) = gather([source], Config()).classes
    assert owner.hyperparameters is not None
    net, lr = owner.hyperparameters.details
    assert (net.name, net.annotation, net.attributes) == ("net", "nn.Module", ("net",))
    assert (lr.annotation, lr.default, lr.attributes) == ("float", Known(0.1), ())


def test_what_a_metric_is_given_and_under_which_condition():
    body = """
    if self.trainer.is_global_zero:
        torchmetrics.AUROC(task="binary").update(self.net(batch).argmax(1), batch[1])
    """
    (use,) = facts(dedent(body)).classes[0].uses
    score, target = use.given
    assert score[:2] == ("0", "self.net(batch).argmax(1)") and target[1] == "batch[1]"
    assert isinstance(score[2], Derived) and score[2].operation == "decided"
    assert "is_global_zero" in use.guards


def test_whose_result_is_dropped_and_what_is_an_object():
    dropped, kept = facts(
        "model = Model()\nmodel.load_from_checkpoint('a')\nother = Model.load_from_checkpoint('a')",
        ".load_from_checkpoint",
    ).calls
    assert (dropped.bound, dropped.dropped) == (True, True)
    assert (kept.bound, kept.dropped) == (False, False)


def test_files_have_an_order_once_they_are_sorted():
    listed, ordered = facts(
        "import os\nlen(os.listdir('a'))\nlen(sorted(os.listdir('a')))", "builtins.len"
    ).calls
    assert is_listing(listed.origin("obj", 0))
    assert not is_listing(ordered.origin("obj", 0))


def test_keys_that_a_checkpoint_is_given_by_hand():
    text = """
import pytorch_lightning as pl

class Model(pl.LightningModule):
    def on_save_checkpoint(self, checkpoint):
        checkpoint["seen"] = self.seen
        checkpoint["lost"] = self.lost
        del checkpoint["state_dict"]

    def on_load_checkpoint(self, checkpoint):
        self.seen = checkpoint.get("seen")
"""
    source = SourceFile("model.py", text, ast.parse(text), Suppressions(text))
    (owner,) = gather([source], Config()).classes
    found = [(site.key, site.hook, site.named_again) for site in owner.checkpoint_keys]
    assert found == [
        ("seen", "on_save_checkpoint", True),
        ("lost", "on_save_checkpoint", False),
        ("seen", "on_load_checkpoint", True),
    ]


@pytest.mark.parametrize(
    ("body", "receiver"),
    [
        ("board = self.logger.experiment\nboard.add(1)", "self.logger.experiment"),
        ("logger = self.logger\nboard = logger.experiment\nboard.add(1)", "self.logger.experiment"),
        ("self.seen.mul_(0.9).add(1)", "self.seen"),
        ("board = self.logger.experiment\nboard = open(1)\nboard.add(1)", "board"),
        ("board = batch.board\nboard.add(1)", "board"),
        ("self.seen.mul(0.9).add(1)", ""),
    ],
)
def test_whose_method_it_is_under_another_name(body: str, receiver: str):
    assert only(body, ".add").receiver == receiver
