"""Which loggers a user has: those of the case's Trainer, or else those that the project builds."""

from __future__ import annotations

from dataclasses import dataclass

from pl_lint.checks.registry import Runs
from pl_lint.facts.loggers import NONE, TOGETHER
from pl_lint.findings import Status


@dataclass(frozen=True)
class Use:
    """``first`` is what ``self.logger`` is, or nothing where that is not known; ``names`` are all
    loggers that there are, none where nobody says."""

    first: str
    names: frozenset[str]

    @classmethod
    def of(cls, runs: Runs) -> Use:
        stated = runs.case().loggers
        if stated is not None:
            return cls(next(iter(stated), NONE), frozenset(stated or [NONE]))
        built = runs.loggers_built()
        return cls(built[0] if len(built) == 1 else "", frozenset(built))

    def when_first(self, *firsts: str) -> Status:
        """What is wrong where one of these is ``self.logger``, or where several are there."""
        return Status.PROVED if any(map(self._has, firsts)) else Status.SUSPECTED

    def _has(self, first: str) -> bool:
        """Of several that a project builds nobody knows whether they are there together."""
        there = bool(self.first) and TOGETHER in first and {*first.split(TOGETHER)} <= self.names
        return first == self.first or there

    def when_there(self, logger: str) -> Status:
        """What is wrong in what a logger holds. Where nobody says which there are, code that wrote
        it to this one was written for it."""
        return Status.PROVED if not self.names or logger in self.names else Status.SUSPECTED
