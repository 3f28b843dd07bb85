"""What ``trainer.test`` says of weights that nobody trained, of others like them, and of trained
ones: the same module, the same samples, the same seeds while testing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch.nn.parameter import is_lazy

from pl_lint.facts.events import RunError
from pl_lint.facts.records import Outputs, UntrainedRecord
from pl_lint.runtime.programs.common import (
    caught,
    cut_stage,
    fresh,
    make_trainer,
    seed_all,
)
from pl_lint.runtime.programs.evaluate import weights_loader
from pl_lint.runtime.programs.outputs import CUT, SAMPLES
from pl_lint.runtime.specs import RunSpec

OTHER_SEED = 2
Weights = Mapping[str, torch.Tensor]


def run(spec: RunSpec, directory: Path, rank: int) -> UntrainedRecord:
    """``inputs``: ``weights``, those that a fit has left."""
    drawn = _trainable(fresh(replace(spec, seed=OTHER_SEED)).module)
    subject = fresh(spec)
    own = _trainable(subject.module)
    trained = weights_loader(subject.namespace, spec.inputs["weights"])
    built = _tested(spec, directory)
    return UntrainedRecord(
        rank=rank,
        case=subject.facts(),
        weights=len(own),
        drawn=sum(not torch.equal(own[name], drawn[name]) for name in own if name in drawn),
        built=built,
        again=_tested(spec, directory),
        other=_tested(spec, directory, weights=drawn),
        trained=_tested(spec, directory, callbacks=[trained]),
    )


def _trainable(module: torch.nn.Module) -> Weights:
    """Copies of what a fit would train; a frozen random projection is left to nobody's training."""
    return {
        name: weight.detach().clone()
        for name, weight in module.named_parameters()
        if weight.requires_grad and not is_lazy(weight)
    }


def _tested(
    spec: RunSpec, directory: Path, callbacks: Sequence[Any] = (), weights: Weights | None = None
) -> Outputs:
    """What a fresh module logs for its test data. Of the weights of another seed only those are
    taken that a fit would train: all else that a constructor draws stays as it is."""
    subject = fresh(spec)
    _take(subject.module, weights or {})
    cut_stage(subject, "test", CUT, SAMPLES)
    errors: list[RunError] = []
    values: dict[str, float] = {}
    with caught(errors, "test"):
        seed_all(spec.seed)
        trainer = make_trainer(subject, directory, callbacks, max_epochs=1)
        results = trainer.test(subject.module, **subject.supply.arguments("test"), verbose=False)
        values = {key: value for result in results for key, value in result.items()}
    return Outputs(stage="test", values=values, error=errors[0] if errors else None)


def _take(module: torch.nn.Module, weights: Weights) -> None:
    with torch.no_grad():
        for name, weight in module.named_parameters():
            if name in weights and weight.shape == weights[name].shape:
                weight.copy_(weights[name])
