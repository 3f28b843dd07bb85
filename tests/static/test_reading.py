"""What reading knows of small programs: keys, origins, stages, cases."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from pl_lint.config import Config
from pl_lint.facts.origins import (
    BatchValue,
    Derived,
    Gathered,
    MetricCompute,
    MetricForward,
    MetricObject,
    Number,
)
from pl_lint.facts.sites import ClassFacts, LogSite, ProjectFacts
from pl_lint.facts.values import UNKNOWN, Known, OneOf, Pattern
from pl_lint.static.engine import read

HEAD = """
import torch, torchmetrics
import lightning.pytorch as pl

class Lit(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.f1 = torchmetrics.F1Score(task="binary")
        self.by_stage = torch.nn.ModuleDict({s: torchmetrics.Accuracy() for s in ("a", "b")})
"""


def project(tmp_path: Path, text: str) -> ProjectFacts:
    path = tmp_path / "code.py"
    path.write_text(text, "utf-8")
    return read([path], Config(root=tmp_path), rules=()).project


def lit(tmp_path: Path, methods: str) -> ClassFacts:
    facts = project(tmp_path, HEAD + textwrap.indent(textwrap.dedent(methods), "    "))
    return facts.classes[0]


def log(tmp_path: Path, body: str, hook: str = "validation_step") -> LogSite:
    signature = f"def {hook}(self, batch, batch_idx, flag=None):\n"
    logs = lit(tmp_path, signature + textwrap.indent(textwrap.dedent(body), "    ")).logs
    assert len(logs) == 1
    return logs[0]


@pytest.mark.parametrize(
    "expression, key",
    [
        ("'val/f1'", Known("val/f1")),
        ("f'val_{batch_idx}'", Pattern(("val_", None))),
        ("'val_%s' % batch_idx", Pattern(("val_", None))),
        ("'{}/{}'.format('val', 'f1')", Known("val/f1")),
        ("'_'.join(['val', 'f1'])", Known("val_f1")),
        ("'a' if flag else 'b'", OneOf(("a", "b"))),
        ("('train' if self.training else 'val') + '/f1'", Known("val/f1")),
        ("batch['key']", UNKNOWN),
    ],
)
def test_keys(tmp_path: Path, expression: str, key: object) -> None:
    assert log(tmp_path, f"self.log({expression}, 1)").key == key


@pytest.mark.parametrize(
    "value, origin",
    [
        ("self.f1", MetricObject("f1")),
        ("self.f1(batch).item()", MetricForward("f1")),
        ("float(self.f1.compute())", MetricCompute("f1")),
        ("self.by_stage['b']", MetricObject("by_stage[b]")),
        ("2.5", Number()),
        ("self.loss(batch).mean()", BatchValue()),
        ("self.loss(batch).sqrt()", Derived("sqrt", (BatchValue(),))),
        ("1 - self.f1(batch)", Derived("arithmetic", (MetricForward("f1"),))),
        ("self.all_gather(batch)", Gathered((BatchValue(),))),
    ],
)
def test_origins(tmp_path: Path, value: str, origin: object) -> None:
    assert log(tmp_path, f"self.log('k', {value})").origin == origin


@pytest.mark.parametrize(
    "hook, on_step, on_epoch", [("training_step", True, False), ("validation_step", False, True)]
)
def test_flags_left_out_are_the_hooks_defaults(
    tmp_path: Path, hook: str, on_step: bool, on_epoch: bool
) -> None:
    site = log(tmp_path, "self.log('k', 1)", hook)
    assert (site.on_step, site.on_epoch) == (Known(on_step), Known(on_epoch))


def test_a_helper_is_a_site_for_each_stage(tmp_path: Path) -> None:
    owner = lit(
        tmp_path,
        """
        def _step(self, batch, stage, *, name="loss"):
            self.log(f"{stage}/{name}", self.loss(batch))
        def training_step(self, batch, batch_idx):
            self._step(batch, "train")
        def validation_step(self, batch, batch_idx):
            self._step(batch, stage="val", name="error")
        """,
    )
    found = {(site.stage, site.key, site.via) for site in owner.logs}
    assert found == {
        ("train", Known("train/loss"), ("_step",)),
        ("validate", Known("val/error"), ("_step",)),
    }
    assert len({site.location for site in owner.logs}) == 1


def test_location_is_the_whole_call_in_characters(tmp_path: Path) -> None:
    where = log(tmp_path, "'é'; self.log(\n    'k', 1\n)").location
    assert (where.column, where.end_line - where.line, where.end_column) == (14, 2, 10)


def test_bases_are_found_through_reexports(tmp_path: Path) -> None:
    package = tmp_path / "pkg"
    package.mkdir()
    (package / "__init__.py").write_text(
        "from .base import *\nfrom lightning import LightningModule"
    )
    (package / "base.py").write_text(
        "from lightning.pytorch import LightningModule as LM\nclass Base(LM):\n    pass\n"
    )
    (tmp_path / "train.py").write_text(
        "import pkg\nclass Mine(pkg.Base):\n"
        "    def training_step(self, batch, i):\n        self.log('a', 1)\n"
    )
    classes = read([tmp_path], Config(root=tmp_path), rules=()).project.classes
    mine = next(one for one in classes if one.short_name == "Mine")
    assert not mine.open and mine.logs[0].key == Known("a")


def test_fabric_is_no_module_code(tmp_path: Path) -> None:
    facts = project(tmp_path, "import lightning as L\nclass A(L.Fabric):\n    pass\n")
    assert facts.classes == ()


def test_cases_name_what_they_build(tmp_path: Path) -> None:
    facts = project(
        tmp_path, HEAD + "\nimport pl_lint\n@pl_lint.case\ndef mine():\n    return Lit(), None\n"
    )
    (case,) = facts.cases
    assert case.function == "mine"
    assert case.builds == (facts.classes[0].name,)


def test_a_branch_that_is_not_taken_leaves_no_site(tmp_path: Path) -> None:
    body = "if self.training:\n    self.log('a', 1)\nelse:\n    self.log('b', 1)"
    assert log(tmp_path, body).key == Known("b")
