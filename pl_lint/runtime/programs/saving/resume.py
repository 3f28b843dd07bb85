"""``fit(ckpt_path=...)``: is a fit that was interrupted the fit that was not?"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pl_lint.facts.events import RunError
from pl_lint.facts.records import FitRecord, ResumeRecord
from pl_lint.runtime.namespace import Namespace
from pl_lint.runtime.programs.common import fresh
from pl_lint.runtime.programs.fitting.checkpoints import StateDiary, can_trust, is_refusal
from pl_lint.runtime.programs.fitting.fit import trained
from pl_lint.runtime.specs import RunSpec
from pl_lint.runtime.watching.logged.metrics import OriginTap


def run(spec: RunSpec, directory: Path, rank: int) -> ResumeRecord:
    """``options`` as in ``fit``. ``inputs``: the checkpoints ``epoch`` and, if there is one,
    ``middle``. A checkpoint that ``weights_only`` refuses is loaded without."""
    arguments: dict[str, Any] = {}
    refused: RunError | None = None
    found = resumed(spec, directory / "epoch", rank, spec.inputs["epoch"], arguments)
    if found.error is not None and is_refusal(found.error) and _trusting(spec):
        refused, arguments = found.error, {"weights_only": False}
        found = resumed(spec, directory / "trusted", rank, spec.inputs["epoch"], arguments)
    middle, anew = None, found.case is not None and _starts_anew(Namespace(found.case.namespace))
    if "middle" in spec.inputs and found.error is None and not anew:
        middle = resumed(spec, directory / "middle", rank, spec.inputs["middle"], arguments)
    return ResumeRecord(
        rank=rank,
        case=found.case,
        refused=refused,
        from_epoch=found,
        from_middle=middle,
        starts_anew=anew,
    )


def resumed(
    spec: RunSpec,
    directory: Path,
    rank: int,
    checkpoint: str,
    arguments: Mapping[str, Any],
    states: StateDiary | None = None,
) -> FitRecord:
    directory.mkdir()
    arguments = {**arguments, "ckpt_path": checkpoint}
    with OriginTap().installed() as tap:
        return trained(fresh(spec), tap, directory, rank, states, **arguments)[1]


def _starts_anew(namespace: Namespace) -> bool:
    """Whether Lightning runs the hooks of an epoch's start once more where it goes on inside one:
    those that do not know that they do, do (``loops/fit_loop.py``, 2.4 and 2.6.6)."""
    return not hasattr(namespace.part("loops.fit_loop._FitLoop"), "restarted_mid_epoch")


def _trusting(spec: RunSpec) -> bool:
    return can_trust(fresh(spec).namespace.Trainer.fit)
