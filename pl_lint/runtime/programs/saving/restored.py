"""Resume or load with some of what was lost put back: which of it makes the difference?

The values are those of a fit that is made again: it has the seed of the one that left the
checkpoints, and is asked for only where two such fits are the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pl_lint.facts.records import FitRecord, Outputs, RestoredRecord
from pl_lint.runtime.programs.common import fresh
from pl_lint.runtime.programs.fitting.checkpoints import StateDiary
from pl_lint.runtime.programs.fitting.fit import tested_weights, trained
from pl_lint.runtime.programs.outputs import outputs_of
from pl_lint.runtime.programs.saving.resume import resumed
from pl_lint.runtime.specs import RunSpec
from pl_lint.runtime.watching.logged.metrics import MetricTap
from pl_lint.runtime.watching.saved.construction import watched_construction
from pl_lint.runtime.watching.saved.putting_back import kept, put_back


def run(spec: RunSpec, directory: Path, rank: int) -> RestoredRecord:
    """``options`` as in ``fit``; ``put_back`` is a list of lists of names as ``states`` has them,
    ``moment`` when a resumed fit gets them back; none for a loaded module. ``arguments`` are for
    loading. ``inputs``: the ``checkpoint``."""
    keeping = _Keeping(names=sorted({name for names in _asked(spec) for name in names}))
    whole = directory / "whole"
    whole.mkdir()
    with MetricTap().installed() as tap:
        subject = fresh(spec)
        trainer, record = trained(subject, tap, whole, rank, keeping)
        if record.error is not None:
            return RestoredRecord(rank=rank, case=record.case, error=record.error)
        moment = spec.options.get("moment")
        if moment is not None:
            fits = tuple(_resumed(spec, directory, rank, keeping.values.get(moment, {})))
            return RestoredRecord(rank=rank, case=record.case, fits=fits)
        tested_weights(subject, trainer, whole)
        values = kept(keeping.names, subject.module, ())
        outputs = tuple(_loaded(spec, directory, type(subject.module), values))
        return RestoredRecord(rank=rank, case=record.case, outputs=outputs)


def _asked(spec: RunSpec) -> Sequence[Sequence[str]]:
    return spec.options["put_back"]


def _of(names: Sequence[str], values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: values[name] for name in names if name in values}


def _resumed(
    spec: RunSpec, directory: Path, rank: int, values: Mapping[str, Any]
) -> Iterator[FitRecord]:
    moment, arguments = spec.options["moment"], spec.options["arguments"]
    for number, names in enumerate(_asked(spec)):
        states = _PuttingBack(moment=moment, values=_of(names, values))
        place = directory / f"resumed-{number}"
        yield resumed(spec, place, rank, spec.inputs["checkpoint"], arguments, states)


def _loaded(
    spec: RunSpec, directory: Path, kind: Any, values: Mapping[str, Any]
) -> Iterator[Outputs]:
    """Loading has worked before, with these arguments and those that the module leaves out."""
    with watched_construction(kind) as built:
        fresh(spec)
    left_out = {name: built.arguments[name] for name in built.ignored if name in built.arguments}
    arguments = {**left_out, **spec.options["arguments"], "map_location": "cpu"}
    for names in _asked(spec):
        module = kind.load_from_checkpoint(spec.inputs["checkpoint"], **arguments)
        put_back(_of(names, values), module, ())
        yield outputs_of(module, spec, directory)


@dataclass
class _Keeping(StateDiary):
    """Notes states, and keeps copies of what is to be put back."""

    names: Sequence[str] = ()
    values: dict[str, dict[str, Any]] = field(default_factory=dict)

    def note(self, moment: str, trainer: Any) -> None:
        super().note(moment, trainer)
        self.values[moment] = kept(self.names, trainer.lightning_module, trainer.callbacks)


@dataclass
class _PuttingBack(StateDiary):
    """Puts values back at the moment at which they would be noted."""

    moment: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)

    def note(self, moment: str, trainer: Any) -> None:
        if moment == self.moment:
            put_back(self.values, trainer.lightning_module, trainer.callbacks)
        super().note(moment, trainer)
