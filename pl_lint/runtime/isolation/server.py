"""The server: one process per pytest process that has torch and Lightning loaded, to fork from.

A forked process starts in milliseconds where a fresh one imports torch and Lightning for seconds.
Forking is safe as long as no other thread lives, so the server computes nothing, keeps to one
thread and hands out templates (``template.py``), one per case file. It ends, and ends all that
runs below it, when its client closes the control socket or dies in any way.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import socket
import sys
import traceback
from typing import NoReturn

from pl_lint.runtime.isolation import reaper, template
from pl_lint.runtime.isolation.wire import Channel, Closed, TemplateOrder

TICK = 0.1
"""Seconds between looks at ended templates and at whether the client still lives."""


def main(descriptor: int, client: int, modules: list[str]) -> NoReturn:
    """Load ``modules``, then serve the client at the other end of an inherited socket."""
    control = Channel(socket.socket(fileno=descriptor))
    reaper.adopt_orphans()
    with contextlib.suppress(Closed):
        if _load(modules, control):
            Server(control, client).serve()
    reaper.kill_descendants()
    os._exit(0)


def _load(modules: list[str], control: Channel) -> bool:
    """Import what every run needs and make the heap cheap to share; whether that worked."""
    # Collections would write to every object's header and so copy the pages that forks share.
    gc.disable()
    try:
        for name in modules:
            _import(name)
    except BaseException:
        control.send({"failed": traceback.format_exc()})
        return False
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(1)
    gc.freeze()
    control.send({"ready": os.getpid(), "threads": reaper.threads_alive()})
    return True


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


class Server:
    """Forks templates, tells their clients how they ended, passes signals on to them."""

    def __init__(self, control: Channel, client: int) -> None:
        self.control = control
        self.client = client
        self.templates: dict[int, Channel] = {}

    def serve(self) -> None:
        while os.getppid() == self.client:
            message = self.control.receive(TICK)
            if message is not None:
                self._obey(message)
            self._bury()

    def _obey(self, message: dict) -> None:
        if message["op"] == "template":
            self._fork(TemplateOrder.from_dict(message["order"]))
        elif message["op"] == "signal" and message["pid"] in self.templates:
            # Only to a child that has not been reaped: its number cannot have been given away.
            reaper.kill(message["pid"], message["signal"])

    def _fork(self, order: TemplateOrder) -> None:
        channel = Channel(socket.socket(fileno=self.control.descriptors.popleft()))
        server = os.getpid()
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            self.control.close()
            for other in self.templates.values():
                other.close()
            template.live(order, channel, server)
        self.templates[pid] = channel

    def _bury(self) -> None:
        """Report the templates that ended. What they left is now our child, and ends."""
        ended = [(pid, os.waitpid(pid, os.WNOHANG)) for pid in self.templates]
        for pid, (done, status) in ended:
            if done:
                channel = self.templates.pop(pid)
                with contextlib.suppress(Closed):
                    channel.send({"gone": os.waitstatus_to_exitcode(status)})
                channel.close()
        if any(done for _, (done, _) in ended):
            reaper.kill_descendants(frozenset(self.templates))
