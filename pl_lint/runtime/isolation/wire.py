"""What the runner's processes say to each other: JSON lines over unix sockets.

Imports nothing heavy, so that the pytest process can use it before anything is run.
"""

from __future__ import annotations

import json
import os
import select
import socket
import time
from collections import deque
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

Message = dict[str, Any]
CHUNK = 1 << 16


class Closed(Exception):
    """The process at the other end is gone."""


class Channel:
    """One end of a socket that carries JSON objects, one per line, and open files beside them."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.descriptors: deque[int] = deque()
        self._pending = b""

    @classmethod
    def pair(cls) -> tuple[Channel, Channel]:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        return cls(ours), cls(theirs)

    @classmethod
    def to(cls, path: Path) -> Channel | None:
        """To whoever listens there, if anybody does."""
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.connect(str(path))
        except OSError:
            sock.close()
            return None
        return cls(sock)

    def is_open(self) -> bool:
        """Whether both ends are, as far as can be known without reading."""
        if self.sock.fileno() < 0:
            return False
        if not select.select([self.sock], [], [], 0)[0]:
            return True
        try:
            return bool(self.sock.recv(1, socket.MSG_PEEK))
        except OSError:
            return False

    def send(self, message: Message, *descriptors: int) -> None:
        line = json.dumps(message).encode() + b"\n"
        try:
            sent = socket.send_fds(self.sock, [line], list(descriptors)) if descriptors else 0
            self.sock.sendall(line[sent:])
        except (BrokenPipeError, ConnectionResetError) as error:
            raise Closed from error

    def receive(self, seconds: float | None = None) -> Message | None:
        """The next message; ``None`` if none came in time. Raises Closed at the end."""
        deadline = None if seconds is None else time.monotonic() + seconds
        while b"\n" not in self._pending:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not select.select([self.sock], [], [], left)[0]:
                return None
            self._read()
        line, _, self._pending = self._pending.partition(b"\n")
        return json.loads(line)

    def _read(self) -> None:
        try:
            data, descriptors, _, _ = socket.recv_fds(self.sock, CHUNK, 8)
        except ConnectionResetError as error:
            raise Closed from error
        self.descriptors.extend(descriptors)
        if not data:
            raise Closed
        self._pending += data

    def close(self) -> None:
        self.sock.close()
        while self.descriptors:
            os.close(self.descriptors.popleft())


def listener(path: Path) -> socket.socket | None:
    """A socket for others to come to; nothing where the system takes no such path, for they are
    short."""
    path.unlink(missing_ok=True)  # that of a process that was killed
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.bind(str(path))
        sock.listen()
    except OSError:
        sock.close()
        return None
    return sock


@dataclass(frozen=True)
class Place:
    """Where a process gets its code and data from: the user's directory and import path, and what
    pytest says to the process that asks, which may not be the one that has started the server."""

    root: str
    sys_path: list[str]
    said_by_pytest: dict[str, str]


@dataclass(frozen=True)
class TemplateOrder:
    """Become a template: import ``case_file`` (if any) through ``importer`` and wait for runs."""

    directory: str
    place: Place
    case_file: str | None
    importer: str

    def to_dict(self) -> Message:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Message) -> TemplateOrder:
        return cls(**{**data, "place": Place(**data["place"])})


@dataclass(frozen=True)
class RunOrder:
    """One run: ``entry(spec, directory, rank)`` on ``ranks`` processes.

    ``case_file`` is set where the run has to import it itself because its template did not.
    """

    directory: str
    entry: str
    spec: Message
    ranks: int
    port: int
    case_file: str | None
    importer: str

    def to_dict(self) -> Message:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Message) -> RunOrder:
        return cls(**data)


@dataclass(frozen=True)
class Frame:
    """A line that was being executed."""

    path: str
    line: int
    function: str

    def shown(self, root: str) -> str:
        """``model.py:31 in training_step``, relative to the user's directory where it can be."""
        return f"{self.path_and_line(root)} in {self.function}"

    def path_and_line(self, root: str) -> str:
        path = Path(self.path)
        shown = path.relative_to(root) if path.is_relative_to(root) else path
        return f"{shown}:{self.line}"


@dataclass(frozen=True)
class Ending:
    """How user code came to its end in one process, as told by that process itself.

    ``how`` is "returned", "raised" or "exit" (SystemExit); a process that could not tell leaves
    no Ending. ``frame`` is the last line of the user's own code, ``code`` that of ``sys.exit``.
    """

    how: str
    type: str = ""
    message: str = ""
    traceback: str = ""
    frame: Frame | None = None
    code: int = 0

    def to_dict(self) -> Message:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Message) -> Ending:
        frame = data.get("frame")
        return cls(**{**data, "frame": Frame(**frame) if frame else None})


class Files:
    """The names of what one run leaves in its directory."""

    OUTCOME = "outcome.json"

    def __init__(self, directory: str | Path) -> None:
        self.directory = Path(directory)

    def output(self, rank: int) -> Path:
        return self.directory / f"stdout-{rank}.txt"

    def errors(self, rank: int) -> Path:
        return self.directory / f"stderr-{rank}.txt"

    def stacks(self, rank: int) -> Path:
        return self.directory / f"stacks-{rank}.txt"

    def started(self, rank: int) -> Path:
        """Exists once the case file is imported and the program runs."""
        return self.directory / f"started-{rank}"

    def ending(self, rank: int) -> Path:
        return self.directory / f"ending-{rank}.json"

    def record(self, rank: int) -> Path:
        return self.directory / f"record-{rank}.json"

    @property
    def outcome(self) -> Path:
        return self.directory / self.OUTCOME


def write_atomically(path: Path, data: Any) -> None:
    """Whoever reads ``path`` sees all of it or nothing."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(json.dumps(data), encoding="utf-8")
    os.replace(draft, path)
