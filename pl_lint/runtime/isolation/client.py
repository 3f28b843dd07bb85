"""The pytest process's side: starting the server, asking for templates, watching runs."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from pl_lint.runtime.isolation.outcome import Observed
from pl_lint.runtime.isolation.process import of_pytest, without_launchers
from pl_lint.runtime.isolation.wire import (
    Channel,
    Closed,
    Files,
    Message,
    TemplateOrder,
    listener,
    write_atomically,
)

POLL = 0.02
"""Seconds between looks at how much a run has printed."""
LAST_WORDS = 1.0
"""Seconds that a run to be killed has for writing its stacks."""
LEAVING = 10.0
"""Seconds that a server has for ending what is a client's."""
BOOT = (
    "import json, sys; a = json.loads(sys.argv[1]); sys.path[:] = a['sys_path']; "
    "from pl_lint.runtime.isolation.server import main; "
    "main(a['descriptor'], a['listening'], a['modules'])"
)
"""Not ``-m``, which would put the current directory, and whatever lies there, first in sys.path."""
HUGE_PAGES = "glibc.malloc.hugetlb=1"
"""Each run is a fork: it copies a table of the pages in use, and with 2 MB pages half as long."""
ONE_THREAD = tuple(f"{library}_NUM_THREADS" for library in ("OMP", "MKL", "OPENBLAS", "NUMEXPR"))


class RunnerError(Exception):
    """Nothing can be run here, whatever the module: the reason, for the person who started us."""


@dataclass(frozen=True)
class Limits:
    """What a run may use. The time for the run itself comes with its specification."""

    import_seconds: float = 120.0
    start_seconds: float = 300.0
    output_bytes: int = 2 << 20
    """Nobody reads megabytes of some dozen small batches; in a real training they fill the disk."""
    grace_seconds: float = 10.0
    """For the other ranks, once one has failed."""


@dataclass(frozen=True)
class ServerSettings:
    """What makes one server differ from another: what must be set before Python starts."""

    hash_seed: str = "0"
    cuda: bool = False

    def environment(self) -> dict[str, str]:
        # Lightning reads its rank while it is imported, and so does a case file.
        inherited = without_launchers(os.environ)
        return {
            # Which of pytest's workers has started it is nothing to the others.
            **{name: inherited[name] for name in inherited.keys() - of_pytest(inherited).keys()},
            **dict.fromkeys(ONE_THREAD, "1"),
            "PYTHONHASHSEED": self.hash_seed,
            # Asks the driver without starting CUDA, which no fork survives.
            "PYTORCH_NVML_BASED_CUDA_CHECK": "1",
            "OBJC_DISABLE_INITIALIZE_FORK_SAFETY": "YES",
            "GLIBC_TUNABLES": f"{os.environ.get('GLIBC_TUNABLES', '')}:{HUGE_PAGES}".strip(":"),
            **({} if self.cuda else {"CUDA_VISIBLE_DEVICES": ""}),
        }


class ServerProcess:
    """A server, started here or met in ``base``, and the socket that keeps it alive.

    Met is one that another process has started there, equal in all that matters to what it loads:
    a worker of pytest-xdist beside this one. Several threads may use it.
    """

    def __init__(
        self, settings: ServerSettings, modules: list[str], base: Path, limits: Limits
    ) -> None:
        if not hasattr(os, "fork"):
            raise RunnerError("running modules needs fork: use Linux, macOS or WSL")
        self._limits = limits
        self._settings = settings
        self._modules = modules
        self._at = base / f"server-{self._name()}"
        self._process: subprocess.Popen[bytes] | None = None
        with FileLock(self._at.with_suffix(".lock")):
            self._control = Channel.to(self._at.with_suffix(".sock")) or self._start()
        with suppress(Closed):
            self._control.send({"op": "client", "pid": os.getpid()})
        self._ready = False
        self._lock = threading.RLock()

    def _name(self) -> str:
        """Equal for servers that would load the same, whoever starts them."""
        environment = sorted(self._settings.environment().items())
        parts = [sys.executable, absolute_import_path(), self._modules, environment]
        return hashlib.blake2b(repr(parts).encode(), digest_size=8).hexdigest()

    def _start(self) -> Channel:
        control, theirs = Channel.pair()
        door = listener(self._at.with_suffix(".sock"))
        given = [theirs.sock.fileno(), *([] if door is None else [door.fileno()])]
        arguments = {
            "sys_path": absolute_import_path(),
            "descriptor": given[0],
            "listening": None if door is None else door.fileno(),
            "modules": self._modules,
        }
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", BOOT, json.dumps(arguments)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._settings.environment(),
                pass_fds=given,
                start_new_session=True,
            )
        theirs.close()
        if door is not None:
            door.close()
        return control

    @property
    def _log(self) -> Path:
        return self._at.with_suffix(".txt")

    def is_ready(self) -> bool:
        """Wait until it has loaded everything. Not if who started it has ended it meanwhile."""
        with self._lock:
            return self._ready or self._hear_hello()

    def _hear_hello(self) -> bool:
        try:
            hello = self._control.receive(self._limits.start_seconds)
        except Closed:
            if self._process is None:
                return False
            hello = {"failed": self._log.read_text(errors="replace")}
        if hello is None or "failed" in hello:
            self.close()
            why = hello["failed"].strip() if hello else "it did not start in time"
            raise RunnerError(f"the server of runs cannot start: {why}")
        if hello["threads"] > 1:
            warnings.warn("loading Lightning started threads: runs may hang", stacklevel=2)
        self._ready = True
        return True

    @property
    def alive(self) -> bool:
        return self._control.is_open()

    def template(self, order: TemplateOrder) -> Template:
        ours, theirs = Channel.pair()
        Path(order.directory).mkdir(parents=True, exist_ok=True)
        with self._lock:
            self._control.send({"op": "template", "order": order.to_dict()}, theirs.sock.fileno())
        theirs.close()
        return Template(self, ours, order, self._limits)

    def signal(self, pid: int, number: int) -> None:
        with self._lock:
            self._control.send({"op": "signal", "pid": pid, "signal": number})

    def close(self) -> None:
        """The server ends what this process has of it, and itself if nobody else is left."""
        loaded = self._control.is_open() and (self._ready or self._has_spoken())
        stays = loaded and self._take_leave()
        if self._process is not None and not loaded:  # it listens to nobody meanwhile
            self._process.kill()
        self._control.close()
        if self._process is not None and not stays:
            self._bury(self._process)

    def _has_spoken(self) -> bool:
        """Whether it has loaded everything, and nobody has waited for that."""
        if not self._lock.acquire(blocking=False):
            return False  # somebody waits for it just now
        try:
            return self._control.receive(0) is not None
        except Closed:
            return False
        finally:
            self._lock.release()

    def _take_leave(self) -> bool:
        """Until all that is ours has ended; whether the server goes on for others."""
        deadline = time.monotonic() + LEAVING
        with self._lock, suppress(Closed):
            self._control.send({"op": "leave"})
            while time.monotonic() < deadline:
                message = self._control.receive(POLL)
                if message is not None and "stays" in message:
                    return True
        return False

    def _bury(self, process: subprocess.Popen[bytes]) -> None:
        try:
            process.wait(LEAVING)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def absolute_import_path() -> list[str]:
    return [os.path.abspath(entry) for entry in sys.path]


class Stopped(Exception):
    """A run or an import went over a limit."""


class Overdue(Stopped):
    pass


class Flooded(Stopped):
    pass


class Gone(Exception):
    """The template died, with this exit code if the server lives to tell."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


@dataclass
class Template:
    """A template process as its client sees it."""

    server: ServerProcess
    channel: Channel
    order: TemplateOrder
    limits: Limits
    pid: int = 0
    threads: int = 1

    @property
    def files(self) -> Files:
        return Files(self.order.directory)

    def prepare(self) -> Observed | None:
        """Wait for the import of the case file; what was seen, if it failed."""
        started = time.monotonic()
        observed = Observed(1, self.limits.import_seconds, phase="import")
        try:
            deadline = started + self.limits.import_seconds
            self.pid = self.next(lambda: deadline, self.files, 1)["template"]
            imported = self.next(lambda: deadline, self.files, 1)
            self.threads = imported["threads"]
            self.check_output(self.files, 1)
            if imported["imported"]["how"] == "returned":
                return None
            write_atomically(self.files.ending(0), imported["imported"])
            observed.codes[0] = imported["imported"]["code"]
        except Stopped as stopped:
            mark(observed, stopped, self.limits)
            self._stop_import()
        except Gone as gone:
            observed.codes[0] = gone.code
        observed.seconds = time.monotonic() - started
        return observed

    def _stop_import(self) -> None:
        if self.pid:
            self.server.signal(self.pid, signal.SIGUSR1)
            await_text([self.files.stacks(0)])
            self.server.signal(self.pid, signal.SIGKILL)

    def next(self, deadline: Callable[[], float], files: Files, ranks: int) -> Message:
        """The template's next message, while the output stays in bounds and the time lasts."""
        while (message := self._receive()) is None:
            self.check_output(files, ranks)
            if time.monotonic() > deadline():
                raise Overdue
        if "gone" in message:
            raise Gone(message["gone"])
        return message

    def check_output(self, files: Files, ranks: int) -> None:
        if printed(files, ranks) > self.limits.output_bytes:
            raise Flooded

    def _receive(self) -> Message | None:
        try:
            return self.channel.receive(POLL)
        except Closed as error:
            raise Gone(-signal.SIGKILL) from error

    def send(self, message: Message) -> None:
        try:
            self.channel.send(message)
        except Closed as error:
            raise Gone(-signal.SIGKILL) from error

    def close(self) -> None:
        self.channel.close()


def printed(files: Files, ranks: int) -> int:
    paths = [path for rank in range(ranks) for path in (files.output(rank), files.errors(rank))]
    return sum(path.stat().st_size for path in paths if path.exists())


def await_text(paths: list[Path]) -> None:
    """Until every file has something in it and none grows any more, or the time is up."""
    deadline = time.monotonic() + LAST_WORDS
    before: list[int] = []
    while time.monotonic() < deadline:
        time.sleep(0.1)
        now = [path.stat().st_size if path.exists() else 0 for path in paths]
        if all(now) and now == before:
            return
        before = now


def mark(observed: Observed, stopped: Stopped, limits: Limits) -> None:
    observed.verdict = "flooded" if isinstance(stopped, Flooded) else "hung"
    observed.flood = limits.output_bytes
