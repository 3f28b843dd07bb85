"""``load_from_checkpoint``: does what was saved come back as what was trained?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from pl_lint.facts.events import RunError, RunRecord
from pl_lint.runtime.data import Supply
from pl_lint.runtime.programs.common import (
    Subject,
    caught,
    cut_stage,
    digests_of,
    fresh,
    make_trainer,
    seed_all,
)
from pl_lint.runtime.programs.fit import VALIDATION, VALIDATION_SAMPLES
from pl_lint.runtime.specs import RunSpec
from pl_lint.runtime.watching.construction import Construction, watched_construction

# Predictions say most; a module without predict data is compared by what it logs.
STAGES = ("predict", "validate", "test")


def run(spec: RunSpec, directory: Path, rank: int) -> RunRecord:
    """``inputs``: ``checkpoint``. ``facts``: ``error``, ``arguments`` by name (as built, as
    loaded), ``ignored``, ``stage``, ``values`` (as trained, as loaded), ``weights`` that differ."""
    trained = fresh(spec)
    kind, path = type(trained.module), spec.inputs["checkpoint"]
    errors: list[RunError] = []
    with watched_construction(kind) as built:
        fresh(spec)
    left_out = {name: built.arguments[name] for name in built.ignored if name in built.arguments}
    loaded = None
    with watched_construction(kind) as rebuilt, caught(errors, "load_from_checkpoint"):
        loaded = kind.load_from_checkpoint(path, map_location="cpu", **left_out)
    # One that was built and could not take the weights counts: lost arguments change their shapes.
    was_built = loaded is not None or bool(rebuilt.arguments)
    facts: dict[str, Any] = {
        "ignored": sorted(left_out),
        "arguments": _differing(built, rebuilt) if was_built else {},
    }
    if loaded is not None:
        facts |= _compare(trained, loaded, path, directory)
    return RunRecord("reload", rank, trained.facts(), errors[0] if errors else None, facts=facts)


def _differing(built: Construction, rebuilt: Construction) -> dict[str, list[str]]:
    """Arguments that came back as something else, with both values as text."""
    return {
        name: [repr(value)[:80], _shown(rebuilt.arguments, name)]
        for name, value in built.arguments.items()
        if name not in built.ignored and not _equal(value, rebuilt.arguments.get(name))
    }


def _shown(arguments: Mapping[str, Any], name: str) -> str:
    return repr(arguments[name])[:80] if name in arguments else "nothing"


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, torch.nn.Module):  # a module has no equality; its weights are compared
        return type(one) is type(other)
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and torch.equal(one, other)
    if _is_opaque(one):
        return type(one) is type(other)
    try:
        return bool(one == other) or repr(one) == repr(other)
    except Exception:  # arrays and exotic types whose comparison is no truth value
        return repr(one) == repr(other)


def _is_opaque(value: Any) -> bool:
    """An object without a comparison or a printed form of its own: nothing can be said of it."""
    return type(value).__eq__ is object.__eq__ and " at 0x" in repr(value)


def _compare(trained: Subject, loaded: Any, path: str, directory: Path) -> dict[str, Any]:
    """The loaded module beside one that is built by the case and given the trained weights."""
    stage = next((stage for stage in STAGES if stage in trained.stages), "")
    errors: list[RunError] = []
    values: list[Mapping[str, float]] = []
    weights: list[str] = []
    with caught(errors, "load_state_dict"):
        trained.module.load_state_dict(torch.load(path, weights_only=False)["state_dict"])
        weights += _differing_weights(trained.module, loaded)
    for subject in (trained, _with_module(trained.spec, loaded)):
        with caught(errors, stage):
            seed_all(trained.spec.seed)
            values.append(_outputs(subject, stage, directory))
    return {"weights": weights, "stage": stage, "values": values, "evaluation_errors": errors}


def _differing_weights(one: torch.nn.Module, other: torch.nn.Module) -> list[str]:
    before, after = digests_of(one), digests_of(other)
    return sorted(k for k in before.keys() | after.keys() if before.get(k) != after.get(k))


def _with_module(spec: RunSpec, module: Any) -> Subject:
    """The case with its own fresh data, and the loaded module in place of its own."""
    subject = fresh(spec)
    supply = Supply(subject.namespace, module, subject.supply.data)
    return replace(subject, module=module, supply=supply)


def _outputs(subject: Subject, stage: str, directory: Path) -> Mapping[str, float]:
    """What the module says of some samples: predicted numbers (summed), or logged values."""
    if not stage:
        return {}
    cut_stage(subject, stage, VALIDATION, VALIDATION_SAMPLES)
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
