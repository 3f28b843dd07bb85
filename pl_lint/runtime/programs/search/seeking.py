"""Looking for runs in which a key lies, and for the smallest of them.

First so many examples are drawn and none is made to fail, because several keys may lie and each has
a smallest run of its own. Then, for each key that lied, hypothesis draws the same examples again
(they are remembered) and shrinks the first that lied.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import pairwise

from hypothesis import Phase
from hypothesis.strategies import SearchStrategy

from pl_lint.facts.events import UNCUT, CaseFacts
from pl_lint.facts.searches import (
    ACCUMULATE,
    FIT,
    RETURNED,
    DrawnRun,
    Lie,
    Observation,
    Searched,
    Spread,
)
from pl_lint.runtime.drawing import hypothesis_draws
from pl_lint.runtime.programs.search.making import Maker
from pl_lint.runtime.programs.search.space import other_order, reference

Oracle = Callable[[DrawnRun, Observation, Observation, CaseFacts], tuple[Lie, ...]]
"""Which keys a run logged otherwise than its reference. Pure: it sees numbers only."""
SHRINKING = 60
"""So many runs may be made for shrinking all keys of one program."""
OTHER_SEED = 2
ENOUGH = 2

Key = tuple[str, str]


class _Lies(Exception):
    """The run that hypothesis has just tried is one of those looked for."""


@dataclass
class Seeker:
    """The search of one program. ``certain`` runs are made
    first; ``seconds`` is the most that it may take, for slow modules."""

    program: str
    maker: Maker
    oracle: Oracle
    case: CaseFacts
    strategy: SearchStrategy[DrawnRun]
    examples: int
    certain: tuple[DrawnRun, ...] = ()
    seconds: float = math.inf
    drawn: set[DrawnRun] = field(default_factory=set)
    reasons: dict[DrawnRun, str] = field(default_factory=dict)
    unsteady: set[Key] = field(default_factory=set)
    steady: set[Key] = field(default_factory=set)
    first: dict[Key, DrawnRun] = field(default_factory=dict)
    spread: dict[Key, tuple[float, float]] = field(default_factory=dict)
    shift: dict[Key, tuple[float, float]] = field(default_factory=dict)
    grown: set[Key] = field(default_factory=set)
    shrunk: set[Key] = field(default_factory=set)
    carried: list[tuple[DrawnRun, Lie]] = field(default_factory=list)
    deadline: float = math.inf
    begun: float = 0.0

    def seek(self) -> dict[Key, DrawnRun]:
        """The smallest run that lies, by stage and key."""
        self.begun = time.monotonic()
        self.deadline = self.begun + self.seconds
        for run in self.certain:
            self._visit(run)
        hypothesis_draws(self.strategy, self.examples, self._visit, (Phase.generate,))
        for run, lie in self.carried:
            if self._counts(lie):
                self.first.setdefault((lie.stage, lie.key), run)
        room = len(self.maker.made) + SHRINKING
        return {key: self._smallest(key, room) for key in self.first}

    def in_ones(self, run: DrawnRun, key: Key) -> float | None:
        """What an evaluation logs in batches of one sample: equal batches hide no weights."""
        if self.program in (FIT, ACCUMULATE):
            return None
        made = self.maker.make(replace(run, batch_size=1, shuffled=False))
        return next((epoch.values.get(key[1]) for epoch in made.epochs), None)

    def searched(self) -> Searched:
        return Searched(
            program=self.program,
            examples=len(self.drawn),
            runs=len(self.maker.made),
            spreads=tuple(Spread(*key, *values) for key, values in self.spread.items()),
            shifts=tuple(Spread(*key, *values) for key, values in self.shift.items()),
            unsteady=tuple(sorted(key for _, key in self.unsteady)),
            set_aside=len(self.reasons),
            reason=next(iter(self.reasons.values()), ""),
            cut_short=time.monotonic() > self.deadline,
            seconds=time.monotonic() - self.begun,
        )

    def lie(self, run: DrawnRun, key: Key) -> Lie | None:
        """What a run says of one key."""
        found = (lie for lie in self.lies(run) if (lie.stage, lie.key) == key)
        return next((lie for lie in found if self._counts(lie)), None)

    def _counts(self, lie: Lie) -> bool:
        """The least value so far never grows, and the largest never shrinks."""
        moved = self.grown if lie.true > lie.logged else self.shrunk
        return not lie.carried or (lie.stage, lie.key) in moved

    def lies(self, run: DrawnRun) -> tuple[Lie, ...]:
        """What this run logged wrongly, as far as neither chance nor rounding explains it."""
        logged, true = self.maker.make(run), self.maker.make(reference(run))
        reason = _incomparable(run, logged, true)
        if reason:
            self.reasons[run] = reason
            return ()
        self._remember(true)
        self._remember_shifts(logged)
        found = self.oracle(run, logged, true, self.case)
        return tuple(lie for lie in found if self._is_steady(lie, run) and self._is_firm(lie, run))

    def _visit(self, run: DrawnRun) -> None:
        if time.monotonic() > self.deadline or self._is_hopeless:
            return
        self.drawn.add(run)
        for lie in self.lies(run):
            if lie.carried:
                self.carried.append((run, lie))
            else:
                self.first.setdefault((lie.stage, lie.key), run)

    @property
    def _is_hopeless(self) -> bool:
        """Data that cannot be cut once cannot be cut at all, and who has logged no epoch value in
        the first runs has none."""
        uncut = any(reason.startswith(UNCUT) for reason in self.reasons.values())
        judged = len(self.drawn) - len(self.reasons)
        return uncut or (judged >= ENOUGH and not self.spread)

    def _smallest(self, key: Key, room: int) -> DrawnRun:
        found = [self.first[key]]

        def visit(run: DrawnRun) -> None:
            known = (run, 1) in self.maker.made
            if not known and (len(self.maker.made) >= room or time.monotonic() > self.deadline):
                return
            if self.lie(run, key) is not None:
                found.append(run)
                raise _Lies

        try:
            phases = (Phase.generate, Phase.shrink)
            hypothesis_draws(self.strategy, self.examples, visit, phases)
        except _Lies:
            pass
        return found[-1]  # hypothesis ends with the smallest

    def _is_steady(self, lie: Lie, run: DrawnRun) -> bool:
        """Whether the same run logs the same again, whatever evaluation draws."""
        key = lie.stage, lie.key
        if key not in self.steady and key not in self.unsteady:
            seed = 1 if self.program in (FIT, ACCUMULATE) else OTHER_SEED
            again = self.maker.make(run, seed) if seed != 1 else self.maker.once_more(run)
            self._settle(key, run, again)
        return key in self.steady

    def _settle(self, key: Key, run: DrawnRun, again: Observation) -> None:
        """Equal runs are equal to the last bit; two times of a clock may be close."""
        if _last(again, key) == _last(self.maker.make(run), key):
            self.steady.add(key)
        else:
            self.unsteady.add(key)

    def _is_firm(self, lie: Lie, run: DrawnRun) -> bool:
        """Whether the truth itself stays, in another order of the samples: of two samples that are
        nearly equal, a difference of sums (R², correlations) holds few digits."""
        if self.program in (FIT, ACCUMULATE):
            return True
        true = self.maker.make(reference(run))
        other = self.maker.make(other_order(reference(run)))
        moved = self.oracle(run, other, true, self.case)
        return not any((each.stage, each.key) == (lie.stage, lie.key) for each in moved)

    def _remember(self, true: Observation) -> None:
        """How far the truth of each key moves. What is returned is none: nobody reads it."""
        for epoch in true.epochs:
            for key, value in epoch.values.items():
                if key == RETURNED:
                    continue
                name = epoch.stage, key
                least, most = self.spread.get(name, (value, value))
                self.spread[name] = min(least, value), max(most, value)

    def _remember_shifts(self, made: Observation) -> None:
        """How a key moves from one validation of an epoch to the next: what one leaves to the next
        shows only where it does."""
        for one, other in pairwise(made.epochs):
            if (one.stage, one.epoch) != (other.stage, other.epoch):
                continue
            for name in one.values.keys() & other.values.keys():
                key, before, after = (one.stage, name), one.values[name], other.values[name]
                self.grown |= {key} if after > before else set()
                self.shrunk |= {key} if after < before else set()
                least, most = self.shift.get(key, (before, before))
                if abs(after - before) > most - least:
                    self.shift[key] = min(before, after), max(before, after)


def _last(made: Observation, key: Key) -> str:
    stage, name = key
    found = [epoch.values.get(name) for epoch in made.epochs if epoch.stage == stage]
    return str(found[-1:])  # NaN is equal to itself only in words


def _incomparable(run: DrawnRun, logged: Observation, true: Observation) -> str:
    """Why a run cannot be held against its reference, or nothing."""
    for made in (true, logged):
        if made.error is not None:
            return str(made.error)
    if logged.weights != true.weights:
        return "the training itself is another one"
    if run.program == FIT and logged.seen != true.seen:
        return "each validation draws other samples"
    return ""
