"""Searching runs on several ranks that have met once: a Trainer each, and milliseconds an example.

All ranks draw the same runs, because hypothesis draws the same ones everywhere and what it is told
of them has been gathered. What single processes have to say (the weights, the truths) is made
before the ranks meet: afterwards a metric would speak for all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from torch import distributed

from pl_lint.facts.events import CaseFacts, EpochValues, LogEvent
from pl_lint.facts.searches import TEST, VALIDATE, DrawnRun, Observation, Searched, SmallestRun
from pl_lint.runtime.programs.search.making import Made, Maker, watched
from pl_lint.runtime.programs.search.seeking import Oracle, Seeker
from pl_lint.runtime.programs.search.space import other_order, reference
from pl_lint.runtime.specs import RunSpec
from pl_lint.runtime.worlds import World

PATIENCE = 5.0
"""Seconds that a rank waits for another one in so small a run."""
LARGEST, MOST_BATCHES = 2, 2


def on_ranks(
    spec: RunSpec, directory: Path, rank: int, oracle: Oracle, facts: CaseFacts
) -> tuple[Searched, ...]:
    """The search of each stage that evaluates, on all the ranks of ``spec.world``."""
    stages = [stage for stage in (VALIDATE, TEST) if stage in facts.stages]
    ranks = spec.world.ranks
    alone = Maker(replace(spec, world=World()), directory)
    truths = [run for stage in stages for run in _truths(stage, ranks)]
    for run in truths[rank::ranks]:
        alone.make(run)
    spec.world.join(PATIENCE)
    alone.made |= _all_of(alone.made)
    maker = Together(spec, directory, alone=alone)
    examples = -(-int(spec.options["examples"]) // max(1, len(stages)))
    return tuple(_searched(stage, maker, oracle, facts, examples) for stage in stages)


def _searched(
    stage: str, maker: Together, oracle: Oracle, facts: CaseFacts, examples: int
) -> Searched:
    """One stage. All of them have one maker: ranks of which one has failed are done with."""
    spec, directory, before = maker.spec, maker.directory, len(maker.made)
    seeker = Seeker(
        program=stage,
        maker=maker,
        oracle=oracle,
        case=facts,
        strategy=st.sampled_from(list(_runs(stage, spec.world.ranks))),
        examples=examples,
    )
    found = seeker.seek()
    logged = {run: _watched(run, spec, directory) for run in dict.fromkeys(found.values())}
    smallest = [
        SmallestRun(run, lie, apart=lie.key in maker.apart[run], by_rank=logged[run])
        for key, run in found.items()
        if (lie := seeker.lie(run, key)) is not None
    ]
    made = len(maker.made) - before
    return replace(seeker.searched(), smallest=tuple(smallest), runs=made)


def _truths(stage: str, ranks: int) -> list[DrawnRun]:
    """What one process has to say of the samples, in two orders."""
    truths = [reference(run) for run in _runs(stage, ranks)]
    return list(dict.fromkeys(truths + [other_order(true) for true in truths]))


def _all_of(mine: Made) -> Made:
    """Each rank has made some of the truths; now all know them."""
    everybody: list[Any] = [None] * distributed.get_world_size()
    distributed.all_gather_object(everybody, mine)
    return {key: made for each in everybody for key, made in each.items()}


def _runs(stage: str, ranks: int) -> Iterator[DrawnRun]:
    """Every rank gets as many full batches: neither is one padded, nor has one more to say."""
    for batches in range(1, MOST_BATCHES + 1):
        for size in range(1, LARGEST + 1):
            yield DrawnRun(stage, ranks * batches * size, size, ranks=ranks)


def _watched(run: DrawnRun, spec: RunSpec, directory: Path) -> tuple[tuple[LogEvent, ...], ...]:
    """The run once more, under the recorder: what each rank logs, by which line and weight."""
    recorder = watched(run, spec, directory)[0]
    everybody: list[Any] = [None] * run.ranks
    distributed.all_gather_object(everybody, tuple(recorder.events))
    return tuple(everybody)


@dataclass
class Together(Maker):
    """Makes runs on all ranks at once. ``alone`` has made what one process has to say; ``apart``
    are the keys on which the ranks disagreed."""

    alone: Maker = field(kw_only=True)
    apart: dict[DrawnRun, set[str]] = field(default_factory=dict)
    broken: Observation | None = None

    def make(self, run: DrawnRun, seed: int = 1) -> Observation:
        return self.alone.make(run) if run.ranks == 1 else super().make(run, seed)

    def _make(self, run: DrawnRun, seed: int) -> Observation:
        """A rank that has failed speaks to nobody any more, and neither do those who wait for
        it."""
        if self.broken is not None:
            return self.broken
        mine = super()._make(run, seed)
        if mine.error is not None:
            self.broken = mine
            return mine
        everybody: list[Observation | None] = [None] * run.ranks
        distributed.all_gather_object(everybody, mine)
        return self._merged([each for each in everybody if each is not None], run)

    def _merged(self, everybody: list[Observation], run: DrawnRun) -> Observation:
        """Of what the ranks logged for a key, that which is furthest from the truth."""
        true = self.alone.make(reference(run)).epochs[-1:]
        truths = true[0].values if true else {}
        said = [each.epochs[-1].values for each in everybody if each.epochs]
        values = {
            key: max((one[key] for one in said if key in one), key=lambda v: abs(v - truths[key]))
            for key in truths
            if any(key in one for one in said)
        }
        self.apart[run] = {key for key in values if len({str(one.get(key)) for one in said}) > 1}
        return replace(everybody[0], epochs=(EpochValues(run.program, 0, values),))
