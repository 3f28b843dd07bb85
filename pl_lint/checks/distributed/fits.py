"""One fit, as its ranks lived it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from pl_lint.checks.distributed.script import Script
from pl_lint.checks.proving import found
from pl_lint.checks.registry import Runs
from pl_lint.checks.values.lines import line_of_part
from pl_lint.checks.values.numbers import same, sizes_in_words
from pl_lint.checks.values.randomness import value_tolerance
from pl_lint.facts.events import CaseFacts, EpochValues, LogEvent
from pl_lint.facts.ranks import RankFit
from pl_lint.findings import Evidence, Finding, Location


@dataclass(frozen=True)
class Fits:
    """The fits of all ranks, rank zero's first."""

    ranks: Sequence[RankFit]
    case: CaseFacts
    runs: Runs
    world: str

    @property
    def monitors(self) -> set[str]:
        return {best.monitor for rank in self.ranks for best in rank.best}

    def events(self, name: str) -> list[LogEvent]:
        return [event for rank in self.ranks for event in rank.events if event.name == name]

    def line(self, name: str) -> Location:
        """The call that logs a key."""
        found = self.events(name) or self.events(re.sub("_(step|epoch)$", "", name))
        return found[0].location if found else self.home

    @property
    def home(self) -> Location:
        return self.case.home

    def epochs(self) -> Iterator[tuple[EpochValues, ...]]:
        """The same epoch of the same stage on every rank."""
        yield from zip(*(rank.epochs for rank in self.ranks), strict=False)

    def place(self, name: str) -> Location:
        return line_of_part(name, self.ranks[0].places, self.case)

    def is_chance(self, name: str) -> bool:
        """Whether a key differs between two equal fits in one process: a time, a load."""
        one, other = (
            [epoch.values.get(name) for epoch in fit.epochs]
            for fit in (self.runs.fit(), self.runs.fit_again())
        )
        return one != other

    def right_alone(self, name: str) -> bool:
        """Whether a metric logged in one process what its inputs say."""
        replays = [one for one in self.runs.fit().replays if one.name == name]
        return all(
            same(one.logged, one.true, value_tolerance(self.case, name, one.true))
            for one in replays
        )

    def finding(
        self,
        code: str,
        message: str,
        place: Location,
        remedy: str,
        *evidence: Evidence,
        script: Script | None = None,
    ) -> Finding:
        building = self.case.building
        text = script(building, message, len(self.ranks)) if script and building else ""
        shown = tuple(map(self._with_sizes, evidence))
        return found(self.case, code, message, remedy, place, shown, script=text)

    def _with_sizes(self, one: Evidence) -> Evidence:
        """What a rank was given in the epoch that the numbers are of."""
        epochs = (epoch for epoch in reversed(self.ranks[0].epochs) if one.key in epoch.values)
        sizes = next((epoch.sizes for epoch in epochs), ())
        return replace(one, how=f"{one.how}; rank 0 had {sizes_in_words(sizes)}") if sizes else one


def each(texts: Sequence[str]) -> str:
    """``0.4 on rank 0 and 0.6 on rank 1``."""
    return " and ".join(f"{text} on rank {rank}" for rank, text in enumerate(texts))
