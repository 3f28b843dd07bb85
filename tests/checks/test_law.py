"""A law: a linear mean logged with the right weights is never called wrong, and with a wrong weight
always, whatever the module, the data and their sizes."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pl_lint.checks.logged_values import logged_values
from pl_lint.checks.registry import Result, Verdict
from pl_lint.facts.events import CaseFacts
from pl_lint.facts.records import EvaluationRecord
from pl_lint.runtime.passes import REBATCHED_SAMPLES, REBATCHING
from pl_lint.runtime.programs import evaluate
from pl_lint.runtime.programs.common import fresh
from pl_lint.runtime.specs import CaseRef, RunSpec

MODULE = """
import lightning as L
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

import pl_lint


class Generated(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.net = nn.Linear({features}, 1)

    def {stage}_step(self, batch, batch_idx):
        x, y = {unpack}
        error = self.net(x).squeeze(-1) - y
        self.log("{key}", {value}, {weight})


def samples():
    g = torch.Generator().manual_seed({seed})
    x = torch.randn({samples}, {features}, generator=g)
    # The mean drifts along the data, so that no two batches are alike.
    y = torch.linspace(0.0, 3.0, {samples}) + 0.3 * torch.randn({samples}, generator=g)
    return list(zip(x, y))


def collate(items):
    x, y = torch.stack([i[0] for i in items]), torch.stack([i[1] for i in items])
    return {layout}


@pl_lint.case
def generated():
    loader = DataLoader(samples(), batch_size=8, collate_fn=collate)
    return Generated(), {{"{loaders}": loader}}
"""
VALUES = (
    "error.pow(2).mean()",
    "error.abs().mean()",
    "(error.abs() < 1).float().mean()",
    "y.mean()",
)
# How a batch is laid out, how it is unpacked, and whether Lightning infers the right size from it.
LAYOUTS = {
    "(x, y)": ("batch", True),
    '{"x": x, "y": y}': ('(batch["x"], batch["y"])', True),
    "(x.T, y)": ("(batch[0].T, batch[1])", False),  # features first
    '{"scale": torch.ones(1), "x": x, "y": y}': ('(batch["x"], batch["y"])', False),
}
RIGHT = "batch_size=len(y)"
WRONG = ("batch_size=1", "batch_size=len(y) + 3", "batch_size=len(y) ** 2")


@st.composite
def modules(draw: st.DrawFn, healthy: bool) -> str:
    """The source of a module that logs one linear mean."""
    layout, (unpack, inferred) = draw(st.sampled_from(sorted(LAYOUTS.items())))
    stage = draw(st.sampled_from(("validation", "test")))
    right = [RIGHT, ""] if inferred else [RIGHT]
    wrong = [*WRONG] if inferred else [*WRONG, ""]
    return MODULE.format(
        layout=layout,
        unpack=unpack,
        weight=draw(st.sampled_from(right if healthy else wrong)),
        value=draw(st.sampled_from(VALUES)),
        stage=stage,
        loaders="val" if stage == "validation" else "test",
        key=draw(st.sampled_from(("val_loss", "val/mae", "score"))),
        features=draw(st.integers(2, 5)),
        samples=draw(st.integers(12, 90)),
        seed=draw(st.integers(0, 2**20)),
    )


class InThisProcess:
    """The records of one case file, made here: nothing to isolate in modules that we wrote."""

    def __init__(self, file: Path) -> None:
        self.ref = CaseRef(str(file), "generated")
        self.directory = file.parent / file.stem

    @cache  # noqa: B019  (they live as long as the test)
    def case(self) -> CaseFacts:
        return fresh(RunSpec(self.ref, "evaluate")).facts()

    @cache  # noqa: B019
    def rebatched(self, stage: str) -> EvaluationRecord:
        options = {"stage": stage, "limit": REBATCHED_SAMPLES, "passes": REBATCHING}
        return evaluate.run(RunSpec(self.ref, "evaluate", options=options), self.directory, 0)


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Names that no other test has: they are imported into this process."""
    monkeypatch.syspath_prepend(tmp_path)
    return (tmp_path / f"{tmp_path.name}_{number}.py" for number in itertools.count())


def judge(source: str, file: Path) -> Result:
    file.write_text(textwrap.dedent(source), encoding="utf-8")
    return logged_values(InThisProcess(file))  # type: ignore[arg-type]


LAW = settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@LAW
@given(source=modules(healthy=True))
def test_right_weights_never_fail(source: str, files: Iterator[Path]) -> None:
    result = judge(source, next(files))
    assert result.verdict is not Verdict.FAILED, result.findings
    assert result.verdict is Verdict.PASSED, (result.reason, result.notes)


@LAW
@given(source=modules(healthy=False))
def test_wrong_weights_always_fail(source: str, files: Iterator[Path]) -> None:
    result = judge(source, next(files))
    assert result.verdict is Verdict.FAILED, (result.reason, result.notes)
    assert {finding.code for finding in result.findings} == {"LTN104"}
