"""The emulated GPU: healthy models run on it with the values of the CPU, and it refuses what CUDA
refuses. Everything is asked in processes of its own, which get the device for good."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

MODELS = Path(__file__).with_name("emulated_models.py")
OPERATIONS = Path(__file__).with_name("emulated_operations.py")
ROUNDED = {"recurrent": 1e-4, "conv": 1e-6}
"""Recurrent cells are computed in parts, and which kernel a convolution gets depends on processor
and memory; rounding is another one. All else is equal to the bit."""


def told_by(script: Path, *arguments: str) -> Any:
    done = subprocess.run(
        [sys.executable, str(script), *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return told_by(MODELS, str(tmp_path_factory.mktemp("models")))


@pytest.fixture(scope="module")
def operations() -> Any:
    return told_by(OPERATIONS)


@pytest.mark.parametrize("name", ["conv", "recurrent", "attention", "tied", "gan", "metrics"])
def test_healthy_models_have_the_values_of_the_cpu(models: Any, name: str) -> None:
    told = models[name]
    assert told["refused"] == []
    assert len(told["cpu"]) >= 3
    bound = ROUNDED.get(name, 0.0)
    assert told["emulated"] == pytest.approx(told["cpu"], rel=bound, abs=bound)
    assert len(models["metrics"]["cpu"]) > 60


def test_what_cuda_refuses_is_refused_and_nothing_else(operations: Any) -> None:
    assert operations["refused"] == operations["expected to be refused"]
    assert operations["accepted"] == operations["expected to be accepted"]


def test_a_tensor_behaves_as_one_on_a_device(operations: Any) -> None:
    wrong = {name: value for name, value in operations["facts"].items() if value is not True}
    assert not wrong
