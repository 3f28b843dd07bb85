"""The checks as a function, and as a fixture of people's own tests."""

from __future__ import annotations

import functools
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pl_lint.checks.registry import Verdict
from pl_lint.library import Checker, checker
from pl_lint.runtime import versions

SCRIPT = """
import lightning as L, torch
from torch.utils.data import DataLoader
from torchmetrics.classification import BinaryF1Score
import pl_lint

class Lit(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.net, self.f1 = torch.nn.Linear(3, 1), BinaryF1Score()
    def training_step(self, batch, batch_idx):
        return self.net(batch[0]).pow(2).mean()
    def validation_step(self, batch, batch_idx):
        x, y = batch
        f1 = self.f1(self.net(x).squeeze(-1).sigmoid(), y)
        self.log("val_f1", LOGGED)
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)

generator = torch.Generator().manual_seed(3)
x = torch.randn(60, 3, generator=generator)
data = list(zip(x, (x[:, 0] > 0.3).long()))

report = pl_lint.check(
    lambda: (Lit(), {"train": DataLoader(data, 8), "val": DataLoader(data, 8)}), ["logged-values"]
)
print(report)
print("ok" if report.ok else "not ok")
"""


@pytest.mark.parametrize(
    ("logged", "said"), [("f1", "not ok"), ("self.f1", "ok")], ids=["sick", "healthy"]
)
def test_a_script_checks_a_closure_over_its_own_class(
    tmp_path: Path, logged: str, said: str
) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.replace("LOGGED", logged), encoding="utf-8")
    run = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert run.stdout.endswith(f"\n{said}\n"), run.stdout + run.stderr
    assert ("LTN102 (proved by a run)" in run.stdout) == (said == "not ok"), run.stdout


def test_a_name_that_is_no_check_names_the_nearest() -> None:
    with checker() as check_one, pytest.raises(ValueError, match="did you mean 'logged-values'"):
        check_one(lambda: None, ["logged-value"])


def test_a_logger_that_is_not_installed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "is_installed", lambda name: False)
    with checker() as check_one, pytest.raises(ModuleNotFoundError, match=r"^loggers= needs wandb"):
        check_one(print, loggers="wandb")


def test_a_factory_that_raises_is_one_failure(pl_check: Checker) -> None:
    def broken() -> object:
        raise RuntimeError("no data here")

    report = pl_check(broken)
    assert not report.ok
    assert report.results["fast-dev-run"].verdict is Verdict.FAILED
    assert "no data here" in report.findings[0].message
    assert Path(report.findings[0].location.path) == Path(__file__)
    others = [result for name, result in report.results.items() if name != "fast-dev-run"]
    assert {result.verdict for result in others} == {Verdict.NOT_DECIDED}


@pytest.mark.parametrize("wrap", [lambda function: function, functools.partial])
def test_what_a_factory_returned_is_told_at_a_line_of_the_users_own(
    pl_check: Checker, wrap: Callable[..., Callable[[], object]]
) -> None:
    """Of the function, or of the call that was given an object without one."""
    report = pl_check(wrap(lambda: (1, 2)), ["fast-dev-run"])
    [finding] = report.findings
    assert "returned is a int, not a LightningModule" in finding.message
    line = Path(__file__).read_text("utf-8").splitlines()[finding.location.line - 1]
    assert "pl_check(wrap(lambda: (1, 2))" in line
