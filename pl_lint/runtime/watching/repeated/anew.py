"""Generators that are made anew, with the same seed, each time that a sample is fetched.

What they draw is the same for every sample in every epoch. Whether samples depend on it shows when
the seed is another one: so each call is noted, and made once more with its seed shifted.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import numpy.random
import torch

from pl_lint.facts.repetition import MadeAnew
from pl_lint.findings import Location
from pl_lint.runtime.watching.callsite import caller
from pl_lint.runtime.watching.repeated.beginnings import fingerprint, parts_of
from pl_lint.runtime.watching.repeated.sources import stand_in

SHIFT = 1
Seeding = tuple[str, Location]
"""A call with its seed, and the line that makes it."""


def made_anew(fetch: Callable[[Any], Any], indices: Sequence[Any]) -> tuple[MadeAnew, ...]:
    """The calls that every one of these samples is made with, if it depends on their seeds."""
    if not _calls_of(fetch, indices[0]):
        return ()
    common = _common(fetch, indices)
    if not common:
        return ()
    pairs = []
    for index in indices:
        with _watched(_Tap()):
            own = fetch(index)
        with _watched(_Tap(common)):
            pairs.append((own, fetch(index)))
    if any(fingerprint(own) == fingerprint(other) for own, other in pairs):
        return ()
    added = _added_alike(pairs)
    return tuple(MadeAnew(call, location, added) for call, location in common)


def _calls_of(fetch: Callable[[Any], Any], index: Any) -> list[Seeding]:
    """What a second fetch of a sample seeds: a data set that keeps its samples seeds no more."""
    fetch(index)
    tap = _Tap()
    with _watched(tap):
        fetch(index)
    return tap.made


def _common(fetch: Callable[[Any], Any], indices: Sequence[Any]) -> list[Seeding]:
    """By the same line and with the same seed for each of them: not seeded by their index."""
    made = [_calls_of(fetch, index) for index in indices]
    return [each for each in dict.fromkeys(made[0]) if all(each in other for other in made)]


def _added_alike(pairs: Sequence[tuple[Any, Any]]) -> bool:
    """Whether another seed moves all samples by one and the same amount, and these are not one
    sample: what is drawn is added to them, and nothing is chosen or put in order by it."""
    moves = [_moves(own, other) for own, other in pairs]
    alike = all(
        each.keys() == moves[0].keys()
        and all(torch.allclose(each[name], move, atol=1e-5) for name, move in moves[0].items())
        for each in moves
    )
    samples = {fingerprint([_numbers(own).get(name) for name in moves[0]]) for own, _ in pairs}
    return bool(moves[0]) and alike and len(samples) > 1


def _moves(own: Any, other: Any) -> dict[str, torch.Tensor]:
    """By how much each part of a sample that moved did so."""
    ones, others = _numbers(own), _numbers(other)
    found = {
        place: others[place] - value
        for place, value in ones.items()
        if place in others and others[place].shape == value.shape
    }
    return {place: move for place, move in found.items() if bool(move.any())}


def _numbers(sample: Any) -> dict[str, torch.Tensor]:
    return {
        place: torch.as_tensor(value).double()
        for place, value in parts_of(sample)
        if isinstance(value, (torch.Tensor, float))
        or (isinstance(value, numpy.ndarray) and value.dtype.kind in "fiu")
    }


@dataclass
class _Tap:
    """What was seeded; the calls in ``shifted`` get another seed."""

    shifted: Sequence[Seeding] = ()
    made: list[Seeding] = field(default_factory=list)

    def seed(self, call: str, seed: Any) -> Any:
        """The seed to take instead."""
        seeding = (f"{call}({seed})", caller())
        if not isinstance(seed, int) or seeding[1].path.startswith("<"):
            return seed
        self.made.append(seeding)
        return seed + SHIFT if seeding in self.shifted else seed

    def wrapped(self, call: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def seeded(*args: Any, **kwargs: Any) -> Any:
            if len(args) == 1 and not kwargs:
                args = (self.seed(call, args[0]),)
            elif not args and list(kwargs) == ["seed"]:
                kwargs = {"seed": self.seed(call, kwargs["seed"])}
            return original(*args, **kwargs)

        return seeded


@contextmanager
def _watched(tap: _Tap) -> Iterator[None]:
    with ExitStack() as stack:
        for owner, name, call in _FUNCTIONS:
            watched = tap.wrapped(call, getattr(owner, name))
            stack.enter_context(patch.object(owner, name, watched))
        for owner, name, call in _CLASSES:
            kind = getattr(owner, name)
            watched_kind = stand_in(kind, tap.wrapped(call, kind))
            stack.enter_context(patch.object(owner, name, watched_kind))
        stack.enter_context(patch.object(torch, "Generator", _watched_generator(tap)))
        yield


_FUNCTIONS = (
    (numpy.random, "default_rng", "np.random.default_rng"),
    (numpy.random, "seed", "np.random.seed"),
    (random, "seed", "random.seed"),
    (torch, "manual_seed", "torch.manual_seed"),
)
_CLASSES = (
    (numpy.random, "RandomState", "np.random.RandomState"),
    (random, "Random", "random.Random"),
)


def _watched_generator(tap: _Tap) -> type:
    class Generator(torch.Generator):
        def manual_seed(self, seed: int) -> Any:
            return super().manual_seed(tap.seed("torch.Generator().manual_seed", seed))

    return Generator
