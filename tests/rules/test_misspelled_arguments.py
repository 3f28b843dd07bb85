"""What LTN703 says of an argument that no Lightning ever had."""

from __future__ import annotations

from pathlib import Path

import pytest

from pl_lint.config import Config
from pl_lint.rules.registry import all_rules
from pl_lint.static.engine import read

SCRIPT = "import lightning.pytorch as pl\n\npl.Trainer({name}=4)\n"
SETTINGS = "seed_everything: 1\ntrainer:\n  max_steps: 1\n  devices: 1\n  {name}: 4\n"


@pytest.mark.parametrize(("file", "text"), [("train.py", SCRIPT), ("fit.yaml", SETTINGS)])
@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("acumulate_grad_batches", "did you mean accumulate_grad_batches?"),
        ("max_epoch", "did you mean max_epochs?"),
        (
            "checkpoint_calback",
            "did you mean checkpoint_callback? It is gone: use enable_checkpointing=...",
        ),
        ("hidden_size", "drop hidden_size, or correct its spelling"),
        ("gpus", 'use accelerator="gpu", devices=...'),
    ],
)
def test_what_was_probably_meant_is_named(
    file: str, text: str, name: str, remedy: str, tmp_path: Path
) -> None:
    """And nothing that was meant is dropped by a fix."""
    (tmp_path / file).write_text(text.format(name=name))
    config = Config(root=tmp_path, select=("LTN703",), target="2.6")
    (finding,) = read([tmp_path], config, all_rules()).findings
    assert finding.remedy == remedy
    assert finding.fix is None or name == "gpus"
