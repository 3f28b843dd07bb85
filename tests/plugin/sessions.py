"""Real sessions of ``pytest --pl-check`` in small projects, as a user starts them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SERVERS = "PL_LINT_TEST_SERVERS"
"""The variable that names the folder where sessions find their servers (``warm_session.py``)."""
NO_CACHE = ("-p", "no:cacheprovider")
HEAD = """\
import lightning as L
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import pl_lint


def pairs(size=40):
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(size, 3, generator=generator)
    return DataLoader(TensorDataset(x, x.sum(dim=1, keepdim=True)), batch_size=8)


class Line(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.net = nn.Linear(3, 1)

    def loss(self, batch):
        x, y = batch
        return nn.functional.mse_loss(self.net(x), y)

    def training_step(self, batch, batch_idx):
        loss = self.loss(batch)
        self.log("loss", loss)
        return loss

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.05)


"""
"""A healthy module, for others to inherit from."""


def plant(folder: Path, files: dict[str, str]) -> Path:
    """Write ``{"models.py": text}``; the text may be indented."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
    return folder


def with_head(text: str) -> str:
    return HEAD + textwrap.dedent(text)


@dataclass(frozen=True)
class Session:
    """What a user sees of a session that has ended."""

    code: int
    output: str
    report: dict[str, Any]

    @property
    def states(self) -> dict[str, str]:
        """State by node id."""
        return {row["nodeid"]: row["state"] for row in self.report["run"]}

    def row(self, nodeid: str) -> dict[str, Any]:
        [found] = [row for row in self.report["run"] if row["nodeid"] == nodeid]
        return dict(found)

    def messages(self, nodeid: str) -> list[str]:
        return [finding["message"] for finding in self.row(nodeid)["findings"]]

    @property
    def closing(self) -> str:
        """What pl-check itself says at the end."""
        return (
            self.output.split("= pl-check =", 1)[1].split("\n", 1)[1].split("\n====", 1)[0].rstrip()
        )

    def table(self) -> dict[str, list[str]]:
        """The words of the closing table by module; a cell of two words is not split."""
        lines = self.closing.split("\n\n")[0].splitlines()[2:]
        cells = [line.replace("not run", "not-run").split() for line in lines]
        return {words[0]: words[1:] for words in cells}


def command(*arguments: str) -> list[str]:
    """A session that loads Lightning itself."""
    return [sys.executable, "-m", "pytest", *arguments]


def session(*arguments: str) -> list[str]:
    """One that finds it loaded."""
    return [
        sys.executable,
        str(Path(__file__).with_name("warm_session.py")),
        os.environ[SERVERS],
        *arguments,
    ]


def environment(**more: str) -> dict[str, str]:
    """That of a terminal: this test's own pytest and its workers leave traces in ours."""
    ours = ("PYTEST_", "COV_", "PL_LINT_TEST")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {**kept, "COLUMNS": "200", "PYTHONDONTWRITEBYTECODE": "", **more}


def pytest_in(folder: Path, *arguments: str, **variables: str) -> Session:
    """Run ``pytest --pl-check`` in a folder, its report beside the folder."""
    report = folder.parent / f"{folder.name}-report.json"
    report.unlink(missing_ok=True)
    given = ("--pl-check", f"--pl-report={report}", *arguments)
    done = subprocess.run(
        session(*given),
        cwd=folder,
        env=environment(**variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
    )
    data = json.loads(report.read_text("utf-8")) if report.exists() else {}
    return Session(done.returncode, done.stdout, data)


def processes_with(variable: str, value: str) -> set[int]:
    """The running processes that were started with this environment variable."""
    mark = f"{variable}={value}".encode()
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if mark in (entry / "environ").read_bytes().split(b"\0"):
                    found.add(int(entry.name))
            except OSError:  # it has ended meanwhile, or is not ours
                continue
    return found
