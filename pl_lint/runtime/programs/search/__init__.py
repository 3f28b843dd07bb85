"""Search for the smallest runs that lie: drawn by hypothesis, each from an untouched copy.

``space`` draws runs, ``training`` gives them weights, ``making`` makes one and says what it logged,
``seeking`` looks for those in which a key lies and shrinks them.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from pl_lint.facts.events import USUAL, WHOLE, CaseFacts
from pl_lint.facts.records import SearchRecord
from pl_lint.facts.searches import (
    ACCUMULATE,
    FIT,
    TEST,
    VALIDATE,
    DrawnRun,
    Searched,
    SmallestRun,
)
from pl_lint.runtime.drawing import quick_draws
from pl_lint.runtime.programs import evaluate
from pl_lint.runtime.programs.common import fresh
from pl_lint.runtime.programs.search.making import Maker, watched
from pl_lint.runtime.programs.search.seeking import Oracle, Seeker
from pl_lint.runtime.programs.search.space import certain, drawn
from pl_lint.runtime.programs.search.together import on_ranks
from pl_lint.runtime.programs.search.training import train
from pl_lint.runtime.specs import RunSpec

SHARES = {VALIDATE: 1.0, TEST: 0.35, FIT: 0.5, ACCUMULATE: 0.25}
"""Of the examples asked for, how many each program draws: fits cost three times as much, test
steps mostly do what validation steps do, and what accumulation changes it changes in most runs."""
TIME = 0.6
"""The share of a run's time in which slow modules are searched; what is left is for telling."""


def run(spec: RunSpec, directory: Path, rank: int) -> SearchRecord:
    """``options``: ``examples``, and ``oracle``, the ``module:function`` that says which keys a run
    logged otherwise than its reference. ``inputs``, on ranks: ``weights``, a state dict, if there
    is one; in one process they are trained here, in a way that a short script can repeat."""
    until = time.monotonic() + TIME * spec.timeout
    subject = fresh(spec)
    facts = subject.facts()
    with quick_draws():
        if spec.world.ranks > 1:
            searched = on_ranks(spec, directory, rank, _named(spec.options["oracle"]), facts)
            return SearchRecord(rank=rank, case=facts, searched=searched)
        trained = train(spec, directory / f"searched-{rank}.pt")
        if trained.error is not None:
            return SearchRecord(rank=rank, case=facts, error=trained.error)
        if trained.weights is not None:
            spec = replace(spec, inputs={"weights": str(trained.weights)})
        accumulates = subject.module.automatic_optimization
        seekers = _seekers(spec, directory, facts, accumulates, until)
        searched = tuple(_searched(seeker, spec, directory, rank) for seeker in seekers)
    return SearchRecord(rank=rank, case=facts, searched=searched, recipe=trained.recipe)


def _seekers(
    spec: RunSpec, directory: Path, facts: CaseFacts, accumulates: bool, until: float
) -> Iterator[Seeker]:
    """One after the other: what one leaves of the time is for the next."""
    programs = list(_programs(facts, accumulates))
    for done, program in enumerate(programs):
        share = SHARES[program] / sum(SHARES[each] for each in programs[done:])
        yield Seeker(
            program=program,
            maker=Maker(spec, directory),
            oracle=_named(spec.options["oracle"]),
            case=facts,
            strategy=drawn(program, accumulates),
            certain=certain(program),
            seconds=(until - time.monotonic()) * share,
            examples=max(1, round(spec.options["examples"] * SHARES[program])),
        )


def _named(oracle: str) -> Oracle:
    """Oracles stand above the runtime; a specification brings its own by name."""
    module, _, function = oracle.partition(":")
    return getattr(importlib.import_module(module), function)  # type: ignore[no-any-return]


def _programs(facts: CaseFacts, accumulates: bool) -> Iterator[str]:
    yield from (stage for stage in (VALIDATE, TEST) if stage in facts.stages)
    if {"train", "validate"} <= set(facts.stages):
        yield FIT
    if "train" in facts.stages and accumulates:
        yield ACCUMULATE


def _searched(seeker: Seeker, spec: RunSpec, directory: Path, rank: int) -> Searched:
    found = seeker.seek()
    seen = {run: _watched(run, spec, directory, rank) for run in set(found.values())}
    smallest = [
        replace(seen[run], lie=lie, ones=seeker.in_ones(run, key))
        for key, run in found.items()
        if (lie := seeker.lie(run, key)) is not None
    ]
    return replace(seeker.searched(), smallest=tuple(smallest))


def _watched(run: DrawnRun, spec: RunSpec, directory: Path, rank: int) -> SmallestRun:
    """The run once more, under the recorder."""
    if run.program in (FIT, ACCUMULATE):
        return _watched_fit(run, spec, directory)
    usual = {"label": USUAL, "size": run.batch_size, "shuffled": run.shuffled}
    options = {"stage": run.program, "limit": run.samples, "passes": [usual, {"label": WHOLE}]}
    cut, whole = evaluate.run(replace(spec, options=options), directory, rank).passes
    counts = {run.program: sum(cut.batching.sizes)}
    return SmallestRun(run, cut=cut, whole=whole, counts=counts)


def _watched_fit(run: DrawnRun, spec: RunSpec, directory: Path) -> SmallestRun:
    recorder, sizes = watched(run, spec, directory)
    counts = {stage: sum(cuts[0]) for stage, cuts in sizes.items()}
    events, replays = tuple(recorder.events), tuple(recorder.replays)
    return SmallestRun(run, events=events, replays=replays, counts=counts)
