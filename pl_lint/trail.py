"""What an answer depends on outside the program: files and folders, each as it was when first seen.

An answer holds as long as all of them are as they were. A folder changes when something in it is
made, renamed or deleted, a file when its content, its time stamps or its permissions do.

Only ``os`` is imported here: this is all that a run needs that has nothing new to say.
"""

from __future__ import annotations

import os
import time

ABSENT, PRESENT = "-", "+"
NAMES = "="
TELLING = (
    *("README", "req", "environment", "conda", "pyproject.toml", "setup."),
    *(
        "poetry.lock",
        "uv.lock",
        "pdm.lock",
        "Pipfile",
        "docker",
        "Dockerfile",
        "lightning-",
        "pytorch_lightning-",
    ),
)
"""How the names begin by which a folder says that a project is there, and what it needs; in a
folder of installed packages, which Lightning there is."""
TICK = 20_000_000
"""Nanoseconds between which a file system may not tell two changes apart."""
COARSE_TICK = 2_000_000_000
"""The same where it counts whole seconds."""


class Trail:
    """Paths that were looked at, and their states."""

    def __init__(self) -> None:
        self.states: dict[str, str] = {}
        self.certain = True
        """Whether every later change will show: none was seen in the moment it was changed."""

    def saw(self, path: str) -> str:
        """Remember a path, there or not, before it is read; the state it is in."""
        if path not in self.states:
            try:
                self.met(path, os.stat(path))
            except (OSError, ValueError):
                self.states[path] = ABSENT
        return self.states[path]

    def looked_for(self, path: str) -> bool:
        """Whether something stands there, which is all that matters of it."""
        found = state(path) != ABSENT
        self.states.setdefault(path, PRESENT if found else ABSENT)
        return found

    def saw_names(self, folder: str) -> None:
        """Remember which telling names a folder holds. Folders far above the files, such as one for
        temporary files, change all the time."""
        if folder not in self.states:
            self.states[folder] = telling_names(folder)

    def holds(self) -> bool:
        """Whether everything is as it was."""
        return all(unchanged(path, found) for path, found in self.states.items())

    def met(self, path: str, found: os.stat_result) -> None:
        """The same where it is known already what stands there."""
        if path not in self.states:
            self.states[path] = described(found)
            self.certain = self.certain and not _is_fresh(found)


def state(path: str) -> str:
    """What can be said of a path without opening it."""
    try:
        return described(os.stat(path))
    except (OSError, ValueError):
        return ABSENT


def unchanged(path: str, found: str) -> bool:
    if found.startswith(NAMES):
        return telling_names(path) == found
    now = state(path)
    return now == found or (found == PRESENT and now != ABSENT)


def telling_names(folder: str) -> str:
    try:
        return NAMES + "/".join(sorted(n for n in os.listdir(folder) if n.startswith(TELLING)))
    except (OSError, ValueError):
        return NAMES


def described(found: os.stat_result) -> str:
    return f"{found.st_mode} {found.st_ino} {found.st_size} {found.st_mtime_ns} {found.st_ctime_ns}"


def _is_fresh(found: os.stat_result) -> bool:
    """Whether it was changed so lately that one more change might leave the same time stamp."""
    changed = found.st_mtime_ns if os.name == "nt" else found.st_ctime_ns
    tick = TICK if changed % 1_000_000_000 else COARSE_TICK
    return time.time_ns() - changed < tick
