"""Runs of one case that were made, each once."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from pl_lint.facts.codec import from_json
from pl_lint.runtime.failures import failure_of
from pl_lint.runtime.isolation.outcome import RunOutcome
from pl_lint.runtime.isolation.runs import Runner
from pl_lint.runtime.kinds import Kind, Record
from pl_lint.runtime.specs import CaseRef, RunSpec


@dataclass(frozen=True)
class Made:
    """The records of what was run, decoded once, and the outcomes of runs that broke off.

    An outcome that broke off is kept, not an exception: each who asks is given one of his own,
    since several kinds of runs, and so several checks, may ask for the same specification.
    """

    runner: Runner
    case: CaseRef
    timeout: float
    _records: dict[str, list[Any]] = field(default_factory=dict)
    _broken: dict[str, RunOutcome] = field(default_factory=dict)

    def records(self, kind: Kind[Record], **parts: Any) -> list[Record]:
        """One of each rank; ``parts`` are those of the specification. Raises ``RunFailed``."""
        limit = kind.patience * self.timeout
        spec = RunSpec(self.case, kind.record.program, timeout=limit, **parts)
        name = repr(spec)
        if name not in self._records and name not in self._broken:
            self._keep(name, kind, self.runner.run(spec))
        if name in self._broken:
            raise failure_of(self._broken[name], kind.owner)
        return self._records[name]

    def _keep(self, name: str, kind: Kind[Any], outcome: RunOutcome) -> None:
        if not outcome.finished:
            self._broken[name] = outcome
            return
        decoded = (from_json(kind.record, data) for data in outcome.records)
        self._records[name] = [replace(one, directory=outcome.directory) for one in decoded]
