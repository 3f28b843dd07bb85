"""A template: a process that has imported one case file and forks one process group per run.

It has a single thread and keeps it so: a forked process has only the thread that forked, and a
lock that another one held (in OpenMP, autograd, a logger) stays locked in it for ever. If the
user's import starts threads, the template says so and its runs are forked from one that has
imported nothing.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
import time
from typing import NoReturn

from pl_lint.runtime.isolation import process, reaper
from pl_lint.runtime.isolation.wire import Channel, Closed, Ending, Files, RunOrder, TemplateOrder

TICK = 0.01
"""Seconds between looks at the run's processes: no signal handlers that they would inherit."""
IDLE = 1.0
"""Seconds between looks, while nothing runs, at whether the server still lives."""


def live(order: TemplateOrder, channel: Channel, server: int) -> NoReturn:
    """The whole life of a template after its fork; it ends with its client or its server."""
    reaper.die_with_parent()
    if os.getppid() != server:
        os._exit(1)
    os.setpgid(0, 0)
    reaper.adopt_orphans()
    process.redirect(Files(order.directory), 0)
    process.set_environment(order.place.said_by_pytest | process.quiet_environment(order.directory))
    with contextlib.suppress(Closed):
        channel.send({"template": os.getpid()})
        if _prepare(order, channel):
            _serve(channel, server)
    process.flush()
    reaper.kill_descendants()
    os._exit(0)


def _prepare(order: TemplateOrder, channel: Channel) -> bool:
    """Import the case file and report; whether runs can be forked from here."""
    sys.dont_write_bytecode = True
    sys.path[:] = order.place.sys_path
    os.chdir(order.place.root)
    ending = Ending("returned")
    if order.case_file is not None:
        gc.enable()
        ending = process.outcome_of(lambda: process.named(order.importer)(order.case_file))
        gc.disable()
    gc.freeze()
    threads = reaper.threads_alive()
    channel.send({"imported": ending.to_dict(), "threads": threads})
    return ending.how == "returned" and threads == 1


def _serve(channel: Channel, server: int) -> None:
    while os.getppid() == server:
        message = channel.receive(IDLE)
        if message is not None and message["op"] == "run":
            _run(RunOrder.from_dict(message["order"]), channel, server)


def _run(order: RunOrder, channel: Channel, server: int) -> None:
    """One run from its fork to the end of everything that it started."""
    before = frozenset() if reaper.childless() else frozenset(reaper.descendants(os.getpid()))
    pids = _fork_ranks(order, channel)
    try:
        _watch(pids, channel, server)
    finally:
        reaper.end_group(pids, before)
    channel.send({"done": True})


def _fork_ranks(order: RunOrder, channel: Channel) -> list[int]:
    """Fork all ranks into one process group. They start when the gate's last writer closes it."""
    gate, opened = os.pipe()
    parent = os.getpid()
    process.flush()
    pids: list[int] = []
    for rank in range(order.ranks):
        pid = os.fork()
        if pid == 0:
            os.close(opened)
            channel.close()
            process.live(order, rank, parent, gate)
        pids.append(pid)
        os.setpgid(pid, pids[0])
    os.close(gate)
    os.close(opened)
    return pids


def _watch(pids: list[int], channel: Channel, server: int) -> None:
    """Tell the client as each rank ends; do what it asks for meanwhile."""
    ranks = {pid: rank for rank, pid in enumerate(pids)}
    while ranks:
        for pid in list(ranks):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                code = os.waitstatus_to_exitcode(status)
                channel.send({"ended": ranks.pop(pid), "code": code})
        if ranks and (message := channel.receive(TICK)) is not None:
            _obey(message["op"], ranks)
        if os.getppid() != server:
            raise Closed


def _obey(operation: str, ranks: dict[int, int]) -> None:
    if operation == "dump":
        _dump(ranks)
    elif operation == "kill":
        for pid in ranks:
            reaper.kill(pid)


def _dump(ranks: dict[int, int]) -> None:
    """Have every rank write its stacks, then its workers, who inherited handler and file."""
    for pid in ranks:
        workers = reaper.descendants(pid)
        reaper.kill(pid, signal.SIGUSR1)
        time.sleep(0.05)
        for worker in workers:
            if reaper.catches(worker, signal.SIGUSR1):
                reaper.kill(worker, signal.SIGUSR1)
