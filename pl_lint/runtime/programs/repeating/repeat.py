"""Two seeded fits in one process, and what the training data draw in loader workers.

This run is at the same time the fit that is compared with the first one of another process: it is
made under another hash seed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pl_lint.facts.records import FitRecord, RepeatRecord
from pl_lint.facts.repetition import ActiveDropout, WorkerDraws
from pl_lint.findings import Location
from pl_lint.runtime.data import as_list
from pl_lint.runtime.programs.common import Subject, fresh
from pl_lint.runtime.programs.fitting.fit import trained
from pl_lint.runtime.programs.fitting.own_workers import is_unordered
from pl_lint.runtime.programs.repeating.workers import in_workers, look_at
from pl_lint.runtime.specs import RunSpec
from pl_lint.runtime.watching.logged.metrics import OriginTap
from pl_lint.runtime.watching.repeated.dropouts import dropout_watcher
from pl_lint.runtime.watching.repeated.leftovers import changed, outside_state


def run(spec: RunSpec, directory: Path, rank: int) -> RepeatRecord:
    """``options``: those of a fit. The second fit's files lie beside the first one's."""
    before = outside_state()
    first = _fitted(spec, directory, rank, lambda loaders: None, {})
    case, between = first.record.case, outside_state()
    if first.record.error is not None:
        return RepeatRecord(rank=rank, case=case, fits=(first.record,))
    looked = [look_at(loader, spec.seed) for loader in first.loaders]
    draws: list[WorkerDraws] = []
    dropping: dict[Location, str] = {}

    def ask(loaders: list[Any]) -> None:
        """Before this fit has asked them for anything."""
        pairs = zip(loaders, looked, strict=False)
        draws.extend(in_workers(loader, look) for loader, look in pairs)

    beside = directory.with_name(f"{directory.name}-again")
    second = _fitted(spec, beside, rank, ask, dropping)
    return RepeatRecord(
        rank=rank,
        case=case,
        fits=(first.record, second.record),
        shared=first.shared_with(second),
        leftovers=changed(before, between),
        draws=tuple(draws),
        dropouts=tuple(ActiveDropout(call, place) for place, call in dropping.items()),
        workers=max((getattr(loader, "num_workers", 0) for loader in first.asked), default=0),
        unordered=any(map(is_unordered, first.asked)),
    )


@dataclass
class Fitted:
    """One fit of a fresh case: what it saw, and what the case had handed out for it."""

    record: FitRecord
    module: Any
    data: list[Any]
    loaders: list[Any]
    asked: list[Any]
    """All loaders of the user's own, those of validation too, each time Lightning asked."""

    def shared_with(self, other: Fitted) -> tuple[str, ...]:
        """What the case gave out twice instead of building it anew."""
        data = {id(item) for item in self.data if item is not None}
        shared = {
            "module": self.module is other.module,
            "data": any(id(item) in data for item in other.data),
        }
        return tuple(name for name, twice in shared.items() if twice)


def _fitted(
    spec: RunSpec,
    directory: Path,
    rank: int,
    when_loaded: Callable[[list[Any]], None],
    dropping: dict[Location, str],
) -> Fitted:
    """A seeded fit of a fresh case; ``when_loaded`` gets the user's own training loaders as soon as
    they exist, ``dropping`` the lines that drop while validating."""
    directory.mkdir(exist_ok=True)
    served = _Served(when_loaded)
    with OriginTap().installed() as tap:
        subject = _beside_its_callbacks(fresh(spec), dropping)
        given = subject.supply.data
        data = [given, *(given.values() if isinstance(given, dict) else ())]
        subject.supply.change("train", served.keep)
        for stage in {"train", "validate"} & set(subject.stages):
            subject.supply.change(stage, served.note)
        _, record = trained(subject, tap, directory, rank)
    return Fitted(record, subject.module, data, served.loaders, served.asked)


@dataclass
class _Served:
    """The user's own loaders, as Lightning asks for them: those of training the first time, for it
    may load them again, and all of them each time."""

    when_loaded: Callable[[list[Any]], None]
    loaders: list[Any] = field(default_factory=list)
    asked: list[Any] = field(default_factory=list)

    def keep(self, served: Any) -> Any:
        if not self.loaders:
            self.loaders.extend(as_list(served))
            self.when_loaded(self.loaders)
        return served

    def note(self, served: Any) -> Any:
        self.asked.extend(as_list(served))
        return served


def _beside_its_callbacks(subject: Subject, dropping: dict[Location, str]) -> Subject:
    callbacks = [*subject.callbacks, dropout_watcher(subject.namespace, dropping)]
    return replace(subject, arguments={**subject.arguments, "callbacks": callbacks})
