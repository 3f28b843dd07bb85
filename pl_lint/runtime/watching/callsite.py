"""Where in the user's code a call came from: file, line and column."""

from __future__ import annotations

import functools
import inspect
import itertools
import linecache
import os
import sys
import traceback
from collections.abc import Iterable, Iterator
from types import CodeType, FrameType, TracebackType
from typing import Any

from pl_lint.findings import Location

UNKNOWN = "<unknown>"
"""The path of what no line of the user's has asked for."""
_LIBRARIES = (
    "torch",
    "lightning",
    "pytorch_lightning",
    "lightning_fabric",
    "torchmetrics",
    "pl_lint",
)


_COLLECTIVES = os.path.join("torch", "distributed", "distributed_c10d.py")

Way = tuple[tuple[str, int, int], ...]
"""Calls on the stack: file, first line of the function, instruction in it."""


def caller() -> Location:
    """The innermost line of code on the stack that is the user's own."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and is_library(frame.f_code.co_filename):
        frame = frame.f_back
    if frame is None:
        return Location(UNKNOWN, 1)
    return _position(frame.f_code, frame.f_lasti, frame.f_lineno)


def way() -> Way:
    """The calls in the user's code that lead here, the innermost first: two lines of one helper
    differ, and so do two calls of it; what a loop calls again is the same."""
    found = []
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if not is_library(frame.f_code.co_filename):
            found.append((frame.f_code.co_filename, frame.f_code.co_firstlineno, frame.f_lasti))
        frame = frame.f_back
    return tuple(found)


def last_user_line(trace: TracebackType | None) -> Location | None:
    """The last line of the user's own code that an exception passed through."""
    places = [
        _position(frame.f_code, frame.f_lasti, line)
        for frame, line in traceback.walk_tb(trace)
        if not is_library(frame.f_code.co_filename)
    ]
    return places[-1] if places else None


def user_stack(trace: TracebackType | None) -> tuple[str, ...]:
    """The user's lines that an exception passed through, ``model.py:31 in training_step
    (`self.meet()`)``, and the call of torch.distributed in which it was raised."""
    frames = traceback.extract_tb(trace)
    mine = [frame for frame in frames if not is_library(frame.filename)]
    waiting = [
        frame.name
        for frame in frames
        if frame.filename.endswith(_COLLECTIVES) and not frame.name.startswith("_")
    ]
    calls = waiting[-1:] if mine else [f"Lightning's {name}" for name in waiting[-1:]]
    return (*map(_in_words, mine), *calls)


def _in_words(frame: traceback.FrameSummary) -> str:
    source = f" (`{frame.line}`)" if frame.line else ""
    return f"{os.path.relpath(frame.filename)}:{frame.lineno} in {frame.name}{source}"


def defined_at(function: Any) -> Location | None:
    """Where a function of the user's stands."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    if code is None or is_library(code.co_filename):
        return None
    return Location(code.co_filename, code.co_firstlineno)


def entered_from() -> str:
    """The user's outermost function on the stack: mostly the hook that Lightning called."""
    frame: FrameType | None = sys._getframe(1)
    name = ""
    while frame is not None:
        if not is_library(frame.f_code.co_filename):
            name = frame.f_code.co_name
        frame = frame.f_back
    return name


@functools.cache
def is_library(filename: str) -> bool:
    """Whether a file belongs to Python, an installed package or to this tool."""
    return filename.startswith(("<", *_library_roots()))


def own_files() -> list[str]:
    """The files of those modules that are the user's, of all that are loaded."""
    last, count, earlier = _at_first()
    later = list(itertools.takewhile(last.__ne__, reversed(sys.modules)))
    if count + len(later) != len(sys.modules):  # some were taken out, or out and in again
        return list(_own(list(sys.modules)))
    return [*earlier, *_own(reversed(later))]


@functools.cache
def _at_first() -> tuple[str, int, tuple[str, ...]]:
    """The module that was loaded last when this was first asked, how many there were, and the
    user's files among them. There are thousands: to touch each of them again copies the memory that
    forks share."""
    names = list(sys.modules)
    return names[-1], len(names), tuple(_own(names))


def _own(names: Iterable[str]) -> Iterator[str]:
    for name in names:
        file = getattr(sys.modules.get(name), "__file__", None)
        if file and not is_library(file):
            yield file


def of_library(value: Any) -> bool:
    """Whether an object's class stands in such a file, or is built into Python."""
    name = type(value).__module__
    module = sys.modules.get(name)
    if module is None or name == "__main__":
        return False
    path = getattr(module, "__file__", None)
    return path is None or is_library(path)


@functools.cache
def _library_roots() -> tuple[str, ...]:
    """Directories whose code is not the user's: the libraries named above, site-packages,
    stdlib."""
    return tuple(root + os.sep for root in set(_roots()))


def _roots() -> Iterator[str]:
    for name in _LIBRARIES:
        module = sys.modules.get(name)
        if module is not None and getattr(module, "__file__", None):
            yield os.path.dirname(os.path.abspath(module.__file__))
    yield os.path.dirname(os.__file__)
    yield from (path for path in sys.path if path.endswith(("site-packages", "dist-packages")))


@functools.lru_cache(maxsize=4096)
def _position(code: CodeType, instruction: int, line: int) -> Location:
    """The extent of the call expression at an instruction (Python 3.11 on), else its line."""
    if not hasattr(code, "co_positions"):
        return Location(code.co_filename, line)
    positions = next(itertools.islice(code.co_positions(), instruction // 2, None), None)
    if positions is None or positions[0] is None or positions[2] is None:
        return Location(code.co_filename, line)
    first, last, start, end = positions
    path, last = code.co_filename, last or first
    return Location(
        path, first, _column(path, first, start), last, _column(path, last, end or start)
    )


def _column(path: str, line: int, offset: int) -> int:
    """Python counts UTF-8 bytes from 0; people count characters from 1."""
    text = linecache.getline(path, line).encode()
    return len(text[:offset].decode(errors="ignore")) + 1 if text else offset + 1
