"""Calls that no seed governs: noted with their line, and held still where that is asked for."""

from __future__ import annotations

import datetime
import os
import random
import sys
import textwrap
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from pl_lint.runtime.watching.repeated.leftovers import changed, outside_state
from pl_lint.runtime.watching.repeated.sources import watched_sources

CALLS: dict[str, Callable[[], Any]] = {
    "time.time()": lambda: time.time(),
    "time.perf_counter_ns()": lambda: time.perf_counter_ns(),
    "datetime.now()": lambda: datetime.datetime.now().microsecond,
    "os.urandom()": lambda: os.urandom(8),
    "uuid.uuid4()": lambda: uuid.uuid4().hex,
    "random.Random()": lambda: random.Random().random(),
    "random.SystemRandom()": lambda: random.SystemRandom().random(),
    "np.random.default_rng()": lambda: np.random.default_rng().normal(),
    "np.random.RandomState()": lambda: np.random.RandomState().normal(),
    "np.random.PCG64()": lambda: np.random.Generator(np.random.PCG64()).normal(),
    "torch.Generator().seed()": lambda: torch.Generator().seed(),
}


@pytest.mark.parametrize("call", CALLS)
def test_a_call_is_noted_and_held_still(call: str) -> None:
    with watched_sources() as tap:
        free = CALLS[call]()
    (source,) = tap.sources.values()
    assert source.call == call
    assert source.location.path == __file__
    held = []
    for _ in range(2):
        with watched_sources({source.key}):
            held.append(CALLS[call]())
    assert held[0] == held[1] != free


def test_what_has_a_seed_is_no_source() -> None:
    with watched_sources() as tap:
        random.Random(1)
        random.seed(3)
        np.random.default_rng(1)
        np.random.default_rng(seed=1)
        np.random.seed(3)
        np.random.RandomState(2)
        torch.Generator().manual_seed(1)
        uuid.uuid5(uuid.NAMESPACE_DNS, "x")
        datetime.datetime(2020, 1, 1)
    assert not tap.sources


def test_patched_classes_are_the_ordinary_ones_to_isinstance_and_to_subclasses() -> None:
    seeded = random.Random(1)
    with watched_sources():

        class Mine(random.Random):
            pass

        assert isinstance(seeded, random.Random)
        assert isinstance(np.random.RandomState(1), np.random.RandomState)
        assert isinstance(datetime.datetime.now(), datetime.datetime)
        assert isinstance(Mine(1), Mine)
        assert not isinstance(seeded, Mine)
        assert isinstance(torch.Generator(), torch.Generator)
    assert random.Random is type(seeded)


def test_a_call_inside_of_a_noted_call_is_part_of_it() -> None:
    with watched_sources() as tap:
        uuid.uuid4()  # which calls os.urandom
    assert [source.call for source in tap.sources.values()] == ["uuid.uuid4()"]


# --- what a first run leaves behind ---------------------------------------------------------------

CODE = """
    import functools, itertools, random

    LIMIT = 3
    seen = []
    rng = random.Random(1)
    ids = itertools.count()
    names = {"b", "a"}

    class Net:
        steps = 0

        def put(self, kept={}):
            kept[len(kept)] = 1

    @functools.lru_cache
    def table(n):
        return n
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    (tmp_path / "left_behind_by.py").write_text(textwrap.dedent(CODE))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "left_behind_by", raising=False)
    return __import__("left_behind_by")


def test_nothing_done_leaves_nothing(module: ModuleType) -> None:
    assert not changed(outside_state(), outside_state())


@pytest.mark.parametrize(
    ("name", "line", "change"),
    [
        ("seen", "seen = []", lambda m: m.seen.append(1)),
        ("rng", "rng = random.Random(1)", lambda m: m.rng.random()),
        ("ids", "ids = itertools.count()", lambda m: next(m.ids)),
        ("names", 'names = {"b", "a"}', lambda m: m.names.add("c")),
        ("Net.steps", "    steps = 0", lambda m: setattr(m.Net, "steps", 1)),
        ("Net.put", "    def put(self, kept={}):", lambda m: m.Net().put()),
        ("table", "def table(n):", lambda m: m.table(2)),
    ],
)
def test_what_changed_is_named_with_its_line(
    name: str, line: str, change: Callable[[Any], Any], module: ModuleType
) -> None:
    before = outside_state()
    change(module)
    left = [each for each in changed(before, outside_state()) if each.name == name]
    assert len(left) == 1
    path = Path(module.__file__ or "")
    assert Path(left[0].location.path) == path
    assert path.read_text().splitlines()[left[0].location.line - 1] == line


def test_what_workers_call_is_told(tmp_path: Path) -> None:
    with watched_sources(directory=tmp_path) as tap:
        worker = os.fork()
        if not worker:
            time.time()
            os._exit(0)
        os.waitpid(worker, 0)
    # Libraries that this process has imported may ask for its number whenever it forks.
    asked = [each for each in tap.sources.values() if each.call != "os.getpid()"]
    (source,) = [each for each in tap.told() if each.call != "os.getpid()"]
    assert not asked
    assert (source.call, source.location.path) == ("time.time()", __file__)
