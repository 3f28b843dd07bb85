"""What git keeps though a ``.gitignore`` names it.

Rules to ignore are for what git does not keep yet: a project whose ``.gitignore`` says ``models``,
for its weights, often has its sources in ``src/models``. The index is read here rather than asked
for: git runs programs that a repository's settings name (``core.fsmonitor``), and nothing of a
project that is read may be run.

Source: https://git-scm.com/docs/index-format
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from functools import cached_property

from pl_lint.trail import Trail

HEADER = struct.Struct(">4sII")
FLAGS = struct.Struct(">H")
BEFORE_FLAGS = 60
"""Bytes of an entry before its flags: times, numbers, and the SHA-1 of the content."""
EXTENDED = 0x4000
"""The flag of an entry that has two more bytes of them."""
POINTER = "gitdir: "
"""How ``.git`` begins where it is a file: in a worktree, or in a submodule."""


class Tracked:
    """The files that a repository's index holds, and the folders they lie in. Only what is ignored
    needs asking for, so the index is not read before."""

    def __init__(self, top: str, trail: Trail) -> None:
        self.top = top
        self._trail = trail

    def has(self, path: str) -> bool:
        """Of an absolute path; that of a folder ends in a slash."""
        relative = os.path.relpath(path, self.top).replace(os.sep, "/")
        return relative in self._paths

    @cached_property
    def _paths(self) -> frozenset[str]:
        """None where there is no index, or one that is damaged or of a kind unknown here."""
        index = os.path.join(self._git_folder(), "index")
        self._trail.saw(index)
        try:
            with open(index, "rb") as file:
                names = list(_names(file.read()))
        except (OSError, ValueError, IndexError, struct.error):
            return frozenset()
        paths: set[str] = set()
        for name in names:
            path = os.fsdecode(name)
            while path and path not in paths:
                paths.add(path)
                path = path.rpartition("/")[0]
        return frozenset(paths)

    def _git_folder(self) -> str:
        """What ``.git`` is, or where it points to."""
        path = os.path.join(self.top, ".git")
        if os.path.isdir(path):
            return path
        self._trail.saw(path)
        try:
            with open(path, encoding="utf-8") as file:
                said = file.read().strip()
        except (OSError, ValueError):
            return path
        pointed = said[len(POINTER) :] if said.startswith(POINTER) else ""
        return os.path.join(self.top, pointed)


def _names(data: bytes) -> Iterator[bytes]:
    """The paths of an index, in its order.

    Raises:
        ValueError: It is not an index, or of an unknown version, or ends too early.
        IndexError, struct.error: It ends too early.
    """
    signature, version, count = HEADER.unpack_from(data)
    if signature != b"DIRC" or version not in (2, 3, 4):
        raise ValueError("no index of git, or of an unknown version")
    at, name = HEADER.size, b""
    for _ in range(count):
        (flags,) = FLAGS.unpack_from(data, at + BEFORE_FLAGS)
        start = at + BEFORE_FLAGS + FLAGS.size * (2 if flags & EXTENDED else 1)
        if version == 4:  # Each name says how much of the one before it goes, and what comes then.
            cut, start = _varying(data, start)
            end = data.index(0, start)
            name = name[: len(name) - cut] + data[start:end]
            at = end + 1
        else:
            end = data.index(0, start)
            name = data[start:end]
            at += (end - at) // 8 * 8 + 8
        yield name


def _varying(data: bytes, at: int) -> tuple[int, int]:
    """A number of varying width, and where it ends: seven bits in each byte, the highest first, and
    one is added for each byte that follows."""
    number = data[at] & 0x7F
    while data[at] & 0x80:
        at += 1
        number = (number + 1 << 7) + (data[at] & 0x7F)
    return number, at + 1
