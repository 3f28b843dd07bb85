"""``load_from_checkpoint``: does what was saved come back as what was trained?"""

from __future__ import annotations

import io
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from pl_lint.facts.events import RunError
from pl_lint.facts.records import Outputs, ReloadRecord
from pl_lint.runtime.digests import digests_of
from pl_lint.runtime.programs.common import (
    caught,
    fresh,
    make_trainer,
    seed_all,
    with_module,
)
from pl_lint.runtime.programs.fitting.checkpoints import can_trust, is_refusal
from pl_lint.runtime.programs.fitting.fit import VALIDATION_BATCHES, shorten
from pl_lint.runtime.programs.outputs import outputs_of
from pl_lint.runtime.specs import RunSpec
from pl_lint.runtime.watching.logged.served import Served
from pl_lint.runtime.watching.saved.construction import Construction, watched_construction
from pl_lint.runtime.watching.saved.states import module_state


def run(spec: RunSpec, directory: Path, rank: int) -> ReloadRecord:
    """``inputs``: ``checkpoint``, and ``first`` where the first epoch's is to be validated."""
    trained = fresh(spec)
    built_state = module_state(trained.module)
    kind, path = type(trained.module), spec.inputs["checkpoint"]
    with watched_construction(kind) as built:
        fresh(spec)
    left_out = {name: built.arguments[name] for name in built.ignored if name in built.arguments}
    loaded = _loaded(kind, path, left_out)
    record = ReloadRecord(
        rank=rank,
        case=trained.facts(),
        error=loaded.error,
        refused=loaded.refused,
        refused_in=_refused_entries(path) if loaded.refused or _refuses(loaded.error) else (),
        ignored=tuple(sorted(left_out)),
        built=built_state,
        arguments=_differing(built, loaded.rebuilt) if loaded.was_built else {},
    )
    if loaded.module is None:
        return record
    record = replace(
        record,
        weights=_differing_weights(path, loaded.module),
        outputs=outputs_of(loaded.module, spec, directory),
        again=outputs_of(loaded.module, spec, directory),
    )
    # Last: a network that was left out is the same object in every module that is loaded.
    return _with_first(record, kind, left_out, spec, directory)


def _with_first(
    record: ReloadRecord, kind: Any, left_out: Mapping[str, Any], spec: RunSpec, directory: Path
) -> ReloadRecord:
    """What the checkpoint of the first epoch scores, where it is asked for."""
    path = spec.inputs.get("first")
    if path is None:
        return record
    trusting = {"weights_only": False} if record.refused is not None else {}
    first = _tried(kind, path, {**left_out, **trusting}).module
    return replace(
        record,
        first_digests=digests_of(first.state_dict()) if first is not None else {},
        first=_validated(first, spec, directory, spec.seed),
        first_again=_validated(first, spec, directory, spec.seed + 1),
        # Last: a callback may put weights of its own into the module.
        first_restored=_validated(first, spec, directory, spec.seed, path),
    )


def _validated(
    module: Any, spec: RunSpec, directory: Path, seed: int, restored: str = ""
) -> Outputs:
    """What it logs for the validation data of the fit; with the user's callbacks as a checkpoint
    has them, if one is named."""
    subject = with_module(spec, module)
    shorten(subject, "validate", VALIDATION_BATCHES)
    served = Served()
    subject.supply.change("validate", served.noting)
    errors: list[RunError] = []
    values: dict[str, float] = {}
    with caught(errors, "validate"):
        seed_all(seed)
        trainer = make_trainer(subject, directory, limit_val_batches=VALIDATION_BATCHES)
        if restored:
            _restore_callbacks(trainer, restored)
        trainer.validate(module, **subject.supply.arguments("validate"), verbose=False)
        values = {name: float(value) for name, value in trainer.callback_metrics.items()}
    error = errors[0] if errors else None
    return Outputs(stage="validate", values=values, error=error, seen=served.taken())


def _restore_callbacks(trainer: Any, path: str) -> None:
    """As ``fit(ckpt_path=...)`` does, and ``validate(ckpt_path=...)`` does not
    (``_CheckpointConnector._restore_modules_and_callbacks``, 2.6.6)."""
    states = torch.load(path, weights_only=False).get("callbacks", {})  # our own file
    for callback in trainer.callbacks:
        if callback.state_key in states:
            callback.load_state_dict(states[callback.state_key])


@dataclass(frozen=True)
class _Loaded:
    """The module if it could be loaded, how it was built, and what was raised; ``refused`` is what
    was raised before all of the file was trusted."""

    module: Any
    rebuilt: Construction
    error: RunError | None
    refused: RunError | None = None

    @property
    def was_built(self) -> bool:
        """One that could not take the weights counts: lost arguments change their shapes."""
        return self.module is not None or bool(self.rebuilt.arguments)


def _loaded(kind: Any, path: str, arguments: Mapping[str, Any]) -> _Loaded:
    loaded = _tried(kind, path, arguments)
    if not _refuses(loaded.error) or not can_trust(kind.load_from_checkpoint):
        return loaded
    trusted = _tried(kind, path, {**arguments, "weights_only": False})
    return replace(trusted, refused=loaded.error)


def _tried(kind: Any, path: str, arguments: Mapping[str, Any]) -> _Loaded:
    errors: list[RunError] = []
    module = None
    with watched_construction(kind) as rebuilt, caught(errors, "load_from_checkpoint"):
        module = kind.load_from_checkpoint(path, map_location="cpu", **arguments)
    return _Loaded(module, rebuilt, errors[0] if errors else None)


def _refuses(error: RunError | None) -> bool:
    return error is not None and is_refusal(error)


def _refused_entries(path: str) -> tuple[str, ...]:
    """What of the checkpoint ``weights_only`` refuses: the error names a class, not its place."""
    saved = torch.load(path, weights_only=False)  # our own file
    return tuple(name for name, value in saved.items() if not _is_plain(value))


def _is_plain(value: Any) -> bool:
    file = io.BytesIO()
    torch.save(value, file)
    file.seek(0)
    try:
        torch.load(file, weights_only=True)
    except pickle.UnpicklingError:
        return False
    return True


def _differing_weights(path: str, loaded: Any) -> tuple[str, ...]:
    """Tensors that came back as something else than the checkpoint holds."""
    saved = torch.load(path, weights_only=False)["state_dict"]  # our own file
    before, after = digests_of(saved), digests_of(loaded.state_dict())
    return tuple(sorted(k for k in before.keys() | after.keys() if before.get(k) != after.get(k)))


def _differing(built: Construction, rebuilt: Construction) -> dict[str, tuple[str, str]]:
    """Arguments that came back as something else, with both values as text."""
    return {
        name: (repr(value)[:80], _shown(rebuilt.arguments, name))
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
