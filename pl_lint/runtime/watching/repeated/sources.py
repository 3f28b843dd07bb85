"""Calls that no seed governs: clocks, the system's entropy, generators made without a seed.

They are watched only in runs that explain a difference which another run has shown. There each may
also be *held still* (the clock ticks from a fixed time on, a generator gets a seed): if two runs
are equal once a call is held still, that call made the difference.

Loader workers are other processes: what is called there is told in a file beside the run.

C functions cannot be watched, only the names under which modules have them. So the case file is
imported while they are patched, and ``from time import time`` binds what is watched.
"""

from __future__ import annotations

import datetime
import itertools
import json
import os
import random
import secrets
import sys
import time
import uuid
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy.random  # at once: it binds names that are patched below
import torch

from pl_lint.facts.codec import from_json, to_json
from pl_lint.facts.repetition import Source
from pl_lint.runtime.watching.callsite import caller, is_library

CLOCKS = ("time", "perf_counter", "monotonic", "process_time")
START = 1_700_000_000.0
"""When a clock that is held still begins; each look at it is a millisecond."""
HELD_SEED = 1


_TOLD = "sources-in-workers.jsonl"
_process = os.getpid
"""Not the watched one."""


@dataclass
class SourceTap:
    """What was called, and the keys of the calls to hold still. ``directory`` is where workers tell
    what they call."""

    held: Collection[str] = ()
    directory: Path | None = None
    sources: dict[str, Source] = field(default_factory=dict)
    _ticks: Iterator[int] = field(default_factory=itertools.count)
    _chance: random.Random = field(default_factory=lambda: random.Random(HELD_SEED))
    _inside: list[str] = field(default_factory=list)
    _home: int = field(default_factory=_process)

    def calm(self, call: str) -> bool:
        """Note a call; whether it is to be held still."""
        source = Source(call, caller())
        if source.location.path.startswith("<") or self._inside:
            return False  # not the user's doing, or part of a call that is noted already
        if source.key not in self.sources:
            self.sources[source.key] = source
            if self.directory is not None and _process() != self._home:
                with (self.directory / _TOLD).open("a", encoding="utf-8") as told:
                    told.write(json.dumps(to_json(source)) + "\n")
        return source.key in self.held

    def told(self) -> tuple[Source, ...]:
        """All that was called, here and in workers."""
        found, file = dict(self.sources), (self.directory or Path()) / _TOLD
        for line in file.read_text("utf-8").splitlines() if file.is_file() else ():
            source = from_json(Source, json.loads(line))
            found.setdefault(source.key, source)
        return tuple(found.values())

    def seconds(self) -> float:
        return START + next(self._ticks) / 1000

    def wrapped(
        self,
        call: str,
        original: Callable[..., Any],
        instead: Callable[..., Any],
        governed: Callable[..., bool] = lambda *args, **kwargs: False,
    ) -> Callable[..., Any]:
        """``original``, watched; ``governed`` says by its arguments whether a seed governs it."""

        def watched(*args: Any, **kwargs: Any) -> Any:
            if governed(*args, **kwargs):
                return original(*args, **kwargs)
            if self.calm(call):
                return instead(*args, **kwargs)
            self._inside.append(call)
            try:
                return original(*args, **kwargs)
            finally:
                self._inside.pop()

        return watched

    def bytes(self, count: int | None = None) -> bytes:
        return self._chance.randbytes(32 if count is None else count)

    def bits(self, count: int) -> int:
        return self._chance.getrandbits(count)


@contextmanager
def watched_sources(
    held: Collection[str] = (), directory: Path | None = None
) -> Iterator[SourceTap]:
    """While active, everything that this module knows is watched."""
    tap = SourceTap(held, directory)
    with ExitStack() as stack:
        for owner, name, replacement in list(_patches(tap)):
            stack.enter_context(patch.object(owner, name, replacement))
        yield tap


def _patches(tap: SourceTap) -> Iterator[tuple[Any, str, Any]]:
    yield from _clocks(tap)
    yield from _entropy(tap)
    yield from _reseeding(tap)
    yield from _generators(tap)


def _clocks(tap: SourceTap) -> Iterator[tuple[Any, str, Any]]:
    """Libraries look at clocks all the time; only a look of the user's own code is noted."""
    for name in CLOCKS:
        whole = _watched_clock(tap, f"time.{name}()", getattr(time, name), tap.seconds)
        yield time, name, whole
        nanos = getattr(time, f"{name}_ns")
        tick = _watched_clock(tap, f"time.{name}_ns()", nanos, lambda: int(tap.seconds() * 1e9))
        yield time, f"{name}_ns", tick
    yield datetime, "datetime", _watched_datetime(tap)


def _watched_clock(
    tap: SourceTap, call: str, original: Callable[[], Any], instead: Callable[[], Any]
) -> Callable[[], Any]:
    def clock() -> Any:
        if is_library(sys._getframe(1).f_code.co_filename) or not tap.calm(call):
            return original()
        return instead()

    return clock


def _watched_datetime(tap: SourceTap) -> type:
    """``datetime.datetime`` with its clocks watched. What it makes are the ordinary ones."""
    ordinary = datetime.datetime

    def clock(name: str) -> Any:
        original = getattr(ordinary, name)

        def look(cls: type, *args: Any, **kwargs: Any) -> Any:
            if is_library(sys._getframe(1).f_code.co_filename) or not tap.calm(
                f"datetime.{name}()"
            ):
                return original(*args, **kwargs)
            return ordinary.fromtimestamp(tap.seconds(), *args, **kwargs)

        return classmethod(look)

    clocks = {name: clock(name) for name in ("now", "utcnow", "today")}
    return stand_in(ordinary, lambda *args, **kwargs: ordinary(*args, **kwargs), clocks)


def _entropy(tap: SourceTap) -> Iterator[tuple[Any, str, Any]]:
    yield os, "urandom", tap.wrapped("os.urandom()", os.urandom, tap.bytes)
    yield os, "getpid", tap.wrapped("os.getpid()", os.getpid, lambda: 1000)
    for name in ("uuid1", "uuid4"):
        held = _held_uuid(tap)
        yield uuid, name, tap.wrapped(f"uuid.{name}()", getattr(uuid, name), held)
    chance = tap._chance
    instead: dict[str, Callable[..., Any]] = {
        "token_bytes": tap.bytes,
        "token_hex": lambda count=None: tap.bytes(count).hex(),
        "token_urlsafe": lambda count=None: tap.bytes(count).hex(),
        "randbits": tap.bits,
        "randbelow": chance.randrange,
        "choice": chance.choice,
    }
    for name, held in instead.items():
        yield secrets, name, tap.wrapped(f"secrets.{name}()", getattr(secrets, name), held)


def _held_uuid(tap: SourceTap) -> Callable[..., uuid.UUID]:
    return lambda *args, **kwargs: uuid.UUID(int=tap.bits(128), version=4)


def _reseeding(tap: SourceTap) -> Iterator[tuple[Any, str, Any]]:
    """Seeding a global generator without saying by what."""
    for owner, name in ((random, "random"), (numpy.random, "np.random")):
        seed = owner.seed
        held = _held_seeding(seed)
        yield owner, "seed", tap.wrapped(f"{name}.seed()", seed, held, _has_seed)
    for owner in (torch, torch.random):
        held = _held_seeding(torch.manual_seed)
        yield owner, "seed", tap.wrapped("torch.seed()", torch.seed, held)


def _held_seeding(seed: Callable[[int], Any]) -> Callable[..., Any]:
    def reseed(*args: Any, **kwargs: Any) -> int:
        seed(HELD_SEED)
        return HELD_SEED

    return reseed


def _has_seed(*args: Any, **kwargs: Any) -> bool:
    """Whether the first argument of a generator, however it is called, is a seed."""
    return any(value is not None for value in (*args[:1], *kwargs.values()))


def _generators(tap: SourceTap) -> Iterator[tuple[Any, str, Any]]:
    make = numpy.random.default_rng
    call = "np.random.default_rng()"
    yield numpy.random, "default_rng", tap.wrapped(call, make, _seeded(make), _has_seed)
    for name in ("RandomState", "SeedSequence", "PCG64", "MT19937", "Philox", "SFC64"):
        kind = getattr(numpy.random, name)
        watched = tap.wrapped(f"np.random.{name}()", kind, _seeded(kind), _has_seed)
        yield numpy.random, name, stand_in(kind, watched)
    kind, system = random.Random, random.SystemRandom
    watched = tap.wrapped("random.Random()", kind, _seeded(kind), _has_seed)
    yield random, "Random", stand_in(kind, watched)
    watched = tap.wrapped("random.SystemRandom()", system, _seeded(kind))
    yield random, "SystemRandom", stand_in(system, watched)
    yield torch, "Generator", _watched_torch_generator(tap)


def _seeded(kind: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *args, **kwargs: kind(HELD_SEED)


def _watched_torch_generator(tap: SourceTap) -> type:
    """torch's own is seeded by a constant until its ``seed`` is called."""

    class Generator(torch.Generator):
        def seed(self) -> int:
            if not tap.calm("torch.Generator().seed()"):
                return super().seed()
            self.manual_seed(HELD_SEED)
            return HELD_SEED

    return Generator


def stand_in(kind: type, make: Callable[..., Any], members: dict[str, Any] | None = None) -> type:
    """A class in the place of ``kind``: calling it calls ``make``, its subclasses are ordinary
    ones, and to ``isinstance`` the two are one."""

    class Meta(type(kind)):  # type: ignore[misc]
        def __call__(cls, *args: Any, **kwargs: Any) -> Any:
            return make(*args, **kwargs) if cls is standing else super().__call__(*args, **kwargs)

        def __instancecheck__(cls, value: Any) -> bool:
            return isinstance(value, kind) if cls is standing else super().__instancecheck__(value)

        def __subclasscheck__(cls, other: type) -> bool:
            return issubclass(other, kind) if cls is standing else super().__subclasscheck__(other)

    standing = Meta(kind.__name__, (kind,), {"__module__": kind.__module__, **(members or {})})
    return standing
