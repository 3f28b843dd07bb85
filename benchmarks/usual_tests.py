"""What people write by hand to test a module: it runs, it runs on two processes, it resumes.

Three tests that the templates of the field have, for the demo's species classifier. They prove that
code runs; none of them looks at a number that was logged.

    pytest benchmarks/usual_tests.py
"""

from __future__ import annotations

import sys
from pathlib import Path

import lightning as L

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "fixtures" / "demo"))

from flowers.data import FlowerData
from flowers.species import SpeciesClassifier


def trainer(folder: Path, **arguments: object) -> L.Trainer:
    settings = {
        "accelerator": "cpu",
        "devices": 1,
        "logger": False,
        "default_root_dir": folder,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        **arguments,
    }
    return L.Trainer(**settings)


def test_fast_dev_run(tmp_path: Path) -> None:
    trainer(tmp_path, fast_dev_run=True).fit(SpeciesClassifier(), datamodule=FlowerData("species"))


def test_ddp_spawn(tmp_path: Path) -> None:
    two = trainer(
        tmp_path,
        devices=2,
        strategy="ddp_spawn",
        max_epochs=1,
        limit_train_batches=3,
        limit_val_batches=3,
        enable_checkpointing=False,
    )
    two.fit(SpeciesClassifier(), datamodule=FlowerData("species"))


def test_resume(tmp_path: Path) -> None:
    limits = {"limit_train_batches": 3, "limit_val_batches": 3}
    first = trainer(tmp_path, max_epochs=1, **limits)
    first.fit(SpeciesClassifier(), datamodule=FlowerData("species"))
    second = trainer(tmp_path, max_epochs=2, **limits)
    last = first.checkpoint_callback.best_model_path
    second.fit(SpeciesClassifier(), datamodule=FlowerData("species"), ckpt_path=last)
    assert second.current_epoch == 2
