"""What a rank does by lines of the user's: it writes files, prints, and waits for the others."""

from __future__ import annotations

import builtins
import contextlib
import functools
import io
import os
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import numpy
import torch

from pl_lint.facts.ranks import Split, Touch
from pl_lint.findings import Location
from pl_lint.runtime.namespace import Namespace
from pl_lint.runtime.watching.callsite import caller, entered_from, is_library
from pl_lint.runtime.watching.ranked.samples import fingerprint

_WRITING = frozenset("wax+")
_STAMP = re.compile(r"[A-Z][a-z]{2}\d\d_\d\d-\d\d-\d\d")
"""The time in the folder that a SummaryWriter takes when it is given none: ranks may differ in the
second."""
_SHOWN = 4
"""So many indices of a split are told."""
_SEEDED_BY_USER = "PL_GLOBAL_SEED"
"""What ``seed_everything`` leaves behind, in the user's file as well."""
_NO_FILES = (os.devnull, "/dev/", "/proc/")


@contextlib.contextmanager
def watched_effects(touches: list[Touch]) -> Iterator[None]:
    """Notes files and prints whose cause is a line of the user's own code."""

    missing: set[str] = set()

    def note(kind: str, what: str) -> None:
        place = caller()
        if kind == "file" and what in missing:
            kind = "create"
        if place.path != "<unknown>":
            touches.append(Touch(kind, what, place, entered_from()))

    with contextlib.ExitStack() as patches:
        for owner in (builtins, io):
            patches.enter_context(patch.object(owner, "open", _opening(owner.open, note)))
        patches.enter_context(patch.object(os, "stat", _asking(os.stat, missing)))
        patches.enter_context(patch.object(torch, "save", _saving(torch.save, note)))
        patches.enter_context(patch.object(builtins, "print", _printing(builtins.print, note)))
        for writer in _event_writers():
            patches.enter_context(patch.object(writer, "add_event", _adding(writer, note)))
        yield


Note = Callable[[str, str], None]


def _opening(original: Callable[..., Any], note: Note) -> Callable[..., Any]:
    @functools.wraps(original)
    def opened(file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        if _WRITING & set(mode) and (path := _path(file)):
            note("append" if "a" in mode else "file", path)
        return original(file, mode, *args, **kwargs)

    return opened


def _asking(original: Callable[..., Any], missing: set[str]) -> Callable[..., Any]:
    """``os.path.exists``, ``Path.is_file`` and their kin ask for a file's state."""

    @functools.wraps(original)
    def stat(path: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return original(path, *args, **kwargs)
        except FileNotFoundError:
            missing.add(_path(path))
            raise

    return stat


def _saving(original: Callable[..., Any], note: Note) -> Callable[..., Any]:
    """``torch.save`` writes files without Python's ``open``."""

    @functools.wraps(original)
    def save(obj: Any, f: Any, *args: Any, **kwargs: Any) -> Any:
        if path := _path(f):
            note("file", path)
        return original(obj, f, *args, **kwargs)

    return save


def _event_writers() -> list[Any]:
    """What writes event files for TensorBoard; the kit's logger has imported it, if it is there."""
    module = sys.modules.get("tensorboard.summary.writer.event_file_writer")
    return [module.EventFileWriter] if module is not None else []


def _adding(writer: Any, note: Note) -> Callable[..., Any]:
    """Each process has an event file of its own, with its number in the name; points of the same
    folder are shown as one curve all the same."""
    original = writer.add_event

    @functools.wraps(original)
    def add_event(self: Any, event: Any) -> Any:
        if event.HasField("summary"):
            note("points", _STAMP.sub("", os.path.abspath(self.get_logdir())))
        return original(self, event)

    return add_event


def _printing(original: Callable[..., Any], note: Note) -> Callable[..., Any]:
    @functools.wraps(original)
    def printed(*values: Any, **kwargs: Any) -> None:
        if kwargs.get("file") in (None, sys.stdout, sys.stderr):
            note("print", " ".join(map(str, values))[:80])
        original(*values, **kwargs)

    return printed


def _path(file: Any) -> str:
    """The absolute path of a file, empty for what is none, and for locks, which are for sharing."""
    if not isinstance(file, (str, os.PathLike)):
        return ""
    path = os.path.abspath(os.fspath(file))
    return "" if path.startswith(_NO_FILES) or path.endswith(".lock") else path


@contextlib.contextmanager
def watched_calls(namespace: Namespace, touches: list[Touch]) -> Iterator[None]:
    """Notes what the user calls directly and all ranks must call: one alone waits for ever."""
    meetings = (
        (namespace.Trainer, "save_checkpoint"),
        (namespace.part("strategies.DDPStrategy"), "barrier"),
        (namespace.LightningModule, "all_gather"),
        *((torch.distributed, name) for name in _MEETINGS),
    )
    with contextlib.ExitStack() as patches:
        for owner, name in meetings:
            watched = _calling(getattr(owner, name), touches)
            patches.enter_context(patch.object(owner, name, watched))
        yield


_MEETINGS = ("barrier", "all_reduce", "all_gather", "broadcast", "all_gather_object")


def _calling(original: Callable[..., Any], touches: list[Touch]) -> Callable[..., Any]:
    @functools.wraps(original)
    def called(*args: Any, **kwargs: Any) -> Any:
        if not is_library(sys._getframe(1).f_code.co_filename):
            touches.append(Touch("call", original.__name__, caller(), entered_from()))
        return original(*args, **kwargs)

    return called


def _split(place: Location, order: Any) -> Split:
    numbers = numpy.asarray(order)
    plain = numbers.dtype.kind in "iu" and numbers.ndim == 1
    return Split(place, fingerprint(order), tuple(numbers[:_SHOWN].tolist()) if plain else ())


@contextlib.contextmanager
def noted_splits(splits: list[Split], seed: int) -> Iterator[None]:
    """Notes where ``random_split`` is called, and what it draws; it does so by this name. ``seed``
    is what the kit has given to the ranks."""
    original = torch.utils.data.dataset.randperm

    @functools.wraps(original)
    def randperm(*args: Any, **kwargs: Any) -> Any:
        order = original(*args, **kwargs)
        by_kit = _is_of(seed, kwargs.get("generator"))
        splits.append(replace(_split(caller(), order), by_kit=by_kit))
        return order

    with patch.object(torch.utils.data.dataset, "randperm", randperm):
        yield


def _is_of(seed: int, generator: torch.Generator | None) -> bool:
    """Whether what draws is the global generator as the kit seeded it, and not the user."""
    shared = generator is None or generator is torch.default_generator
    return shared and torch.initial_seed() == seed and _SEEDED_BY_USER not in os.environ


@contextlib.contextmanager
def noted_subsets(subsets: list[Split]) -> Iterator[None]:
    """Notes where the user's code makes a ``Subset``, and of which indices."""
    original = torch.utils.data.Subset.__init__

    @functools.wraps(original)
    def init(subset: Any, *args: Any, **kwargs: Any) -> None:
        original(subset, *args, **kwargs)
        place = caller()
        if not place.path.startswith("<"):
            subsets.append(_split(place, numpy.asarray(subset.indices)))

    with patch.object(torch.utils.data.Subset, "__init__", init):
        yield
