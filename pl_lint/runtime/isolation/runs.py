"""Isolated, memoised runs of a user's module: a specification in, an outcome out.

Every run is a process group of its own below a server that has Lightning loaded (``server.py``),
and leaves its outcome and records in a directory named by the hash of what was asked for. Whoever
asks again, in this process or in another one of pytest-xdist's, reads it from there. Several
threads may ask at the same time: their runs share the machine's cores (``lanes.py``).
"""

from __future__ import annotations

import importlib.util
import json
import os
import queue
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any

from filelock import FileLock

from pl_lint.runtime.isolation.client import Limits, RunnerError, ServerSettings
from pl_lint.runtime.isolation.lanes import Lane, Servers
from pl_lint.runtime.isolation.outcome import RunOutcome
from pl_lint.runtime.isolation.request import HasDict, Request
from pl_lint.runtime.isolation.wire import Files, write_atomically

__all__ = ["Limits", "RunOutcome", "Runner", "RunnerError"]

NAMESPACES = ("lightning.pytorch", "pytorch_lightning")
PRELOAD = (
    "torch",
    "torchmetrics",
    "pl_lint.runtime.programs",
    # What every fit would import anew in its own process.
    "torch.utils.tensorboard",
    "tensorboard.backend.event_processing.event_accumulator",
    "fsspec.implementations.chained",
    "torch.distributed.algorithms.ddp_comm_hooks.debugging_hooks",
    "torch.profiler._cupti_monitor",
    "torch.utils.serialization.config",
    # Last: what every fit would find out anew.
    "pl_lint.runtime.programs.warming:warm",
)
MOST_LANES = 4


def lanes_for_this_machine() -> int:
    """A lane for each core that this process may use, up to a few: each costs memory."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min(MOST_LANES, cores or 1))


@dataclass
class Runner:
    """Runs modules in directories below ``base``; one Runner per pytest session.

    ``base`` should not outlive the session: a run's name knows the case file's content but not
    that of what it imports. ``root`` is the user's directory, where runs start, so that relative
    paths to data hold. ``lanes`` is the number of runs at the same time. In ``servers``, ``base``
    if nothing is said, Runners of several processes meet and have one server together.
    """

    base: Path
    root: Path = field(default_factory=Path.cwd)
    namespaces: Iterable[str] = NAMESPACES
    preload: Iterable[str] = PRELOAD
    limits: Limits = field(default_factory=Limits)
    lanes: int = field(default_factory=lanes_for_this_machine)
    servers: Path | None = None

    def __post_init__(self) -> None:
        self.base = Path(self.base).resolve()
        self.root = Path(self.root).resolve()

    def start(self, hash_seed: str = ServerSettings.hash_seed) -> None:
        """Have Lightning loaded in the background, for those who will ask soon."""
        self._servers.start(ServerSettings(hash_seed))

    def run(self, spec: HasDict | Mapping[str, Any]) -> RunOutcome:
        """The outcome of ``spec``: read back if there is one already, otherwise run now."""
        request = Request.of(spec)
        key = request.key()
        self.base.mkdir(parents=True, exist_ok=True)
        files = Files(self.base / key)
        with FileLock(self.base / f"{key}.lock"):
            if files.outcome.exists():
                return RunOutcome.from_dict(json.loads(files.outcome.read_text("utf-8")))
            with self._free_lane() as lane:
                outcome = lane.run(request, files)
            write_atomically(files.outcome, outcome.to_dict())
            return outcome

    def close(self) -> None:
        """End every process that was started here."""
        for lane in self._all_lanes:
            lane.close()
        self._servers.close()

    def __enter__(self) -> Runner:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.close()

    @cached_property
    def _servers(self) -> Servers:
        modules = [*installed(self.namespaces), *self.preload]
        return Servers(modules, self.servers or self.base, self.limits)

    @cached_property
    def _all_lanes(self) -> list[Lane]:
        return [
            Lane(str(number), self._servers, self.base, self.root, self.limits)
            for number in range(self.lanes)
        ]

    @cached_property
    def _free(self) -> queue.LifoQueue[Lane]:
        """Last in, first out: who runs one after another keeps to one lane and its templates."""
        free: queue.LifoQueue[Lane] = queue.LifoQueue()
        for lane in reversed(self._all_lanes):
            free.put(lane)
        return free

    @contextmanager
    def _free_lane(self) -> Iterator[Lane]:
        lane = self._free.get()
        try:
            yield lane
        finally:
            self._free.put(lane)


def installed(names: Iterable[str] = NAMESPACES) -> list[str]:
    """Those Lightning namespaces that can be imported here."""
    return [name for name in names if importlib.util.find_spec(name.partition(".")[0])]
