"""What a module says of some samples: to be held against what it says after loading."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torchmetrics import Metric

from pl_lint.facts.events import RunError
from pl_lint.facts.records import Outputs
from pl_lint.runtime.data import Cut
from pl_lint.runtime.programs.common import (
    Subject,
    caught,
    cut_stage,
    make_trainer,
    seed_all,
    with_module,
)
from pl_lint.runtime.specs import RunSpec
from pl_lint.runtime.watching.saved.states import module_state

# Predictions say most; a module without predict data is compared by what it logs.
STAGES = ("predict", "validate", "test")
SAMPLES, CUT = 47, Cut("usual", 16, uneven=True)


def outputs_of(module: Any, spec: RunSpec, directory: Path) -> Outputs:
    """The module evaluated on the case's fresh data,
    seeded, with its metrics reset."""
    for child in module.modules():
        if isinstance(child, Metric):
            child.reset()
    subject = with_module(spec, module)
    stage = next((stage for stage in STAGES if stage in subject.stages), "")
    errors: list[RunError] = []
    values: Mapping[str, float] = {}
    with caught(errors, stage):
        seed_all(spec.seed)
        values = _outputs(subject, stage, directory) if stage else {}
    error = errors[0] if errors else None
    return Outputs(stage=stage, values=values, error=error, state=module_state(module))


def _outputs(subject: Subject, stage: str, directory: Path) -> Mapping[str, float]:
    """Predicted numbers (summed), or logged values."""
    cut_stage(subject, stage, CUT, SAMPLES)
    trainer = make_trainer(subject, directory, max_epochs=1)
    arguments = subject.supply.arguments(stage)
    if stage == "predict":
        return _numbers(trainer.predict(subject.module, **arguments))
    (results, *_) = getattr(trainer, stage)(subject.module, **arguments, verbose=False)
    return dict(results)


def _numbers(predictions: Any) -> dict[str, float]:
    """Each predicted tensor as one number that any change of an element moves."""
    tensors: list[torch.Tensor] = []
    _collect(predictions, tensors)
    numbers = {}
    for index, tensor in enumerate(tensors):
        flat = tensor.detach().double().reshape(-1)
        weights = torch.linspace(1, 2, flat.numel(), dtype=torch.float64)
        numbers[f"prediction {index}"] = float((flat * weights).sum())
    return numbers


def _collect(value: Any, found: list[torch.Tensor]) -> None:
    if isinstance(value, torch.Tensor):
        found.append(value)
    elif isinstance(value, dict):
        _collect(list(value.values()), found)
    elif isinstance(value, (list, tuple)):
        for item in value:
            _collect(item, found)
