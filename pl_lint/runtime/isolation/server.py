"""The server: a process that has torch and Lightning loaded, to fork from.

A forked process starts in milliseconds where a fresh one imports torch and Lightning for seconds.
Forking is safe as long as no other thread lives, so the server computes nothing, keeps to one
thread and hands out templates (``template.py``), one per case file.

Whoever finds its socket is its client, beside the one that has started it: the workers of
pytest-xdist have one server together. What a client has asked for ends when the client leaves or
dies in any way, and the server ends with its last client.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import select
import socket
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from pl_lint.runtime.isolation import reaper, template
from pl_lint.runtime.isolation.wire import Channel, Closed, Message, TemplateOrder

TICK = 0.1
"""Seconds between looks at ended templates and at which clients still live."""


def main(descriptor: int, listening: int | None, modules: list[str]) -> NoReturn:
    """Load ``modules``, then serve the client at the other end of an inherited socket, and those
    who come to the listening one, if there is one."""
    listener = None if listening is None else socket.socket(fileno=listening)
    reaper.adopt_orphans()
    server = Server(listener, _load(modules))
    server.welcome(Channel(socket.socket(fileno=descriptor)))
    server.serve()
    reaper.kill_descendants()
    os._exit(0)


def _load(modules: list[str]) -> Message:
    """Import what every run needs and make the heap cheap to share; what clients hear of it."""
    # Collections would write to every object's header and so copy the pages that forks share.
    gc.disable()
    try:
        for name in modules:
            _import(name)
    except BaseException:
        return {"failed": traceback.format_exc()}
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(1)
    gc.freeze()
    return {"ready": os.getpid(), "threads": reaper.threads_alive()}


def _import(name: str) -> None:
    """A module, or one and a function of it to be called: ``package.module:function``.

    Part of a package that another version of it does not have is no loss: what needs it will
    say so. (``fsspec.implementations.chained`` came in 2025.)"""
    module, _, function = name.partition(":")
    try:
        loaded = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module or "." not in module:
            raise
        return
    if function:
        getattr(loaded, function)()


@dataclass
class Client:
    """A process that asks for templates, and those that it has."""

    control: Channel
    pid: int | None = None
    """As it says itself, first of all."""
    templates: dict[int, Channel] = field(default_factory=dict)

    def messages(self) -> Iterator[Message]:
        """What it has said by now. Closed at its end; a socket may outlive it in its children."""
        if self.pid is not None and not reaper.is_alive(self.pid):
            raise Closed
        while (message := self.control.receive(0)) is not None:
            yield message


class Server:
    """Forks templates, tells their clients how they ended, passes signals on to them."""

    def __init__(self, listener: socket.socket | None, hello: Message) -> None:
        self.listener = listener
        self.hello = hello
        self.clients: list[Client] = []

    def serve(self) -> None:
        if not self.clients:
            self._shut()
        while self.clients:
            sources = [client.control.sock for client in self.clients]
            heard, _, _ = select.select([*sources, *self._doors()], [], [], TICK)
            if self.listener in heard:
                self._admit()
            for client in list(self.clients):
                self._hear(client)
            self._bury()

    def welcome(self, control: Channel) -> None:
        with contextlib.suppress(Closed):
            control.send(self.hello)
            self.clients.append(Client(control))

    def _doors(self) -> list[socket.socket]:
        return [] if self.listener is None else [self.listener]

    def _admit(self) -> None:
        assert self.listener is not None
        self.welcome(Channel(self.listener.accept()[0]))

    def _shut(self) -> None:
        """Nobody is left. From now on nobody finds the way here; but some may have come already."""
        if self.listener is None:
            return
        Path(self.listener.getsockname()).unlink(missing_ok=True)
        while select.select([self.listener], [], [], 0)[0]:
            self._admit()
        self.listener.close()
        self.listener = None

    def _hear(self, client: Client) -> None:
        try:
            for message in client.messages():
                self._obey(client, message)
        except Closed:
            self._dismiss(client)

    def _obey(self, client: Client, message: Message) -> None:
        if message["op"] == "template":
            self._fork(client, TemplateOrder.from_dict(message["order"]))
        elif message["op"] == "signal" and message["pid"] in client.templates:
            # Only to a child that has not been reaped: its number cannot have been given away.
            reaper.kill(message["pid"], message["signal"])
        elif message["op"] == "client":
            client.pid = message["pid"]
        elif message["op"] == "leave":
            raise Closed

    def _dismiss(self, client: Client) -> None:
        """End all that it has asked for, and then tell it so, if it still listens."""
        self.clients.remove(client)
        for channel in client.templates.values():
            channel.close()
        self._clear()
        if not self.clients:
            self._shut()
        if self.clients:  # or else the socket closes as this process ends
            with contextlib.suppress(Closed):
                client.control.send({"stays": True})
            client.control.close()

    def _fork(self, client: Client, order: TemplateOrder) -> None:
        channel = Channel(socket.socket(fileno=client.control.descriptors.popleft()))
        server = os.getpid()
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            self._let_go()
            template.live(order, channel, server)
        client.templates[pid] = channel

    def _let_go(self) -> None:
        """In a child: of all that only the server needs."""
        for door in self._doors():
            door.close()
        for client in self.clients:
            client.control.close()
            for channel in client.templates.values():
                channel.close()

    def _bury(self) -> None:
        """Report the templates that ended. What they left is now our child, and ends."""
        ended = [
            (client, pid, status)
            for client in self.clients
            for pid in client.templates
            for done, status in [os.waitpid(pid, os.WNOHANG)]
            if done
        ]
        for client, pid, status in ended:
            channel = client.templates.pop(pid)
            with contextlib.suppress(Closed):
                channel.send({"gone": os.waitstatus_to_exitcode(status)})
            channel.close()
        if ended:
            self._clear()

    def _clear(self) -> None:
        """End everything below that no client's template has started."""
        spared = (pid for client in self.clients for pid in client.templates)
        reaper.kill_descendants(frozenset(spared))
