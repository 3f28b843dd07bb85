"""Finding and ending what a run leaves behind. What only Linux offers is a no-op elsewhere."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import time
from collections import defaultdict
from pathlib import Path

LINUX = sys.platform == "linux"
PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
PR_SET_CHILD_SUBREAPER = 36
PATIENCE = 5.0
"""Seconds after which killed processes that do not die (stuck in the kernel) are given up."""


def _prctl(option: int, value: int) -> None:
    if LINUX:
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def die_with_parent() -> None:
    """The kernel kills this process when its parent ends, however that ends."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def adopt_orphans() -> None:
    """Descendants whose parents ended become children of this process, not of init."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def prefer_as_memory_victim() -> None:
    """When memory runs out the kernel ends the run that ate it, not pytest or the editor."""
    if LINUX:
        with contextlib.suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text("500")


def threads_alive() -> int:
    """Threads of this process, those that Python does not know of included (on Linux)."""
    if LINUX:
        return len(os.listdir("/proc/self/task"))
    import threading

    return threading.active_count()


def _parents() -> dict[int, int]:
    """Every process and its parent."""
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError):
                stat = Path("/proc", entry, "stat").read_bytes()
                # The second field is a file name in brackets that may hold anything.
                parents[int(entry)] = int(stat.rpartition(b")")[2].split()[1])
    return parents


def descendants(pid: int) -> set[int]:
    """The processes below ``pid``; always empty where there is no /proc."""
    return _below({pid}, _parents()) if LINUX else set()


def strays(spared: frozenset[int]) -> set[int]:
    """What runs below this process, but for the children ``spared`` and what runs below them.

    From one look at the machine: with two, a process that a spared one starts in between would
    seem to be nobody's.
    """
    if not LINUX:
        return set()
    parents = _parents()
    roots = {pid for pid, parent in parents.items() if parent == os.getpid()} - spared
    return roots | _below(roots, parents)


def _below(roots: set[int], parents: dict[int, int]) -> set[int]:
    children = defaultdict(set)
    for child, parent in parents.items():
        children[parent].add(child)
    found: set[int] = set()
    front = roots
    while front:
        front = set().union(*(children[each] for each in front)) - found
        found |= front
    return found


def catches(pid: int, number: int) -> bool:
    """Whether ``pid`` has its own handler for a signal, so that sending it does no harm."""
    with contextlib.suppress(OSError, StopIteration):
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        mask = next(line for line in lines if line.startswith("SigCgt:")).split()[1]
        return bool(int(mask, 16) >> (number - 1) & 1)
    return False


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended does not, though nobody may have collected it."""
    if LINUX:
        with contextlib.suppress(OSError):
            stat = Path("/proc", str(pid), "stat").read_bytes()
            return stat.rpartition(b")")[2].split()[0] not in (b"Z", b"X")
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def kill(pid: int, number: int = signal.SIGKILL) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def childless() -> bool:
    """Whether this process has no children left, once the dead ones are collected.

    The kernel's own answer; for a process that adopts orphans it means that nothing at all runs
    below it, and costs no look at every process of the machine.
    """
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return True
    return False


def kill_descendants(spared: frozenset[int] = frozenset()) -> None:
    """End and reap all processes below this one but the children ``spared`` and their own.

    Only for processes that adopt orphans: there, a process that made its own session is still a
    descendant. Again and again, because what is being killed may be starting others.
    """
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if not spared and childless():
            return
        left = strays(spared)
        if not left:
            return
        for pid in left:
            kill(pid)
        reap_children(left)


def reap_children(pids: set[int]) -> None:
    """Collect those of ``pids`` that are our children and dead, waiting a moment for them."""
    for pid in pids:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
    time.sleep(0.001)


def end_group(pids: list[int], spared: frozenset[int]) -> None:
    """End a run: the processes ``pids``, whose group the first one leads, and all they started."""
    if LINUX:
        kill_descendants(spared)
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pids[0], signal.SIGKILL)
    for pid in pids:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0)
