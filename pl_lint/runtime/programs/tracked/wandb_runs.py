"""A run of W&B's that is offline, read from the transaction log that ``wandb sync`` would send.

wandb has had a reader of its own for that file, and has none in Python any more (0.31). What is in
it is read with wandb's own messages; around them is LevelDB's log format:
https://github.com/google/leveldb/blob/main/doc/log_format.md
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any
from unittest.mock import patch

from pl_lint.facts.events import LoggerPoint
from pl_lint.facts.loggers import WANDB, Medium
from pl_lint.runtime.namespace import Namespace
from pl_lint.runtime.programs.tracked.stores import Noting

HEAD, BLOCK = 7, 32 * 1024
"""Bytes before the first record, and those that a record's pieces do not cross."""
FULL, LAST = 1, 4
AXIS = "trainer/global_step"
"""What WandbLogger writes beside each value (``loggers/wandb.py``, 2.6.6)."""
RESERVED = ("_step", "_runtime", "_timestamp", "_wandb")


class WandbStore:
    name = WANDB

    def __init__(self, namespace: Namespace, directory: Path) -> None:
        make = namespace.part("loggers.WandbLogger")
        self.logger = make(save_dir=str(directory), project="pl-lint", offline=True)

    @contextmanager
    def watching(self, noting: Noting) -> Iterator[None]:
        """Also ``wandb.log``, which is the run's own method."""
        from wandb.sdk.wandb_run import Run

        log = Run.log

        def noted(run: Any, data: Any, step: int | None = None, *args: Any, **kwargs: Any) -> None:
            log(run, data, step, *args, **kwargs)
            for key in data if isinstance(data, dict) else ():
                if key != AXIS:
                    noting("history", str(key), step)

        with patch.object(Run, "log", noted):
            self._file = Path(self.logger.experiment.settings.sync_file)
            yield

    def close(self) -> None:
        """A run that is finished may still be on its way to the log: another process writes it, and
        has done so when it has ended."""
        import wandb

        self.logger.experiment.finish()
        wandb.teardown()

    def points(self) -> Iterator[LoggerPoint]:
        for row in self._rows:
            step = int(row.get(AXIS, -1))
            for key, value in row.items():
                number = _number(value)
                if number is not None and key not in (*RESERVED, AXIS):
                    yield LoggerPoint(key, step, number)

    def media(self) -> Iterator[Medium]:
        """Whatever a row has, by its key: numbers that were written by hand as well."""
        for row in self._rows:
            for key in row:
                if key not in (*RESERVED, AXIS):
                    yield Medium("history", key, int(row.get("_step", 0)))

    def hyperparameters(self) -> Mapping[str, Any]:
        found: dict[str, Any] = {}
        for record in self._records:
            if record.WhichOneof("record_type") == "config":
                for item in record.config.update:
                    _put(found, _names(item), json.loads(item.value_json))
        return {name: value for name, value in found.items() if name != "_wandb"}

    @cached_property
    def _rows(self) -> list[dict[str, Any]]:
        """The history: for each row its values, by the first name of their keys."""
        rows = []
        for record in self._records:
            if record.WhichOneof("record_type") == "history":
                items = record.history.item
                rows.append({_names(item)[0]: json.loads(item.value_json) for item in items})
        return rows

    @cached_property
    def _records(self) -> list[Any]:
        from wandb.proto.wandb_internal_pb2 import Record

        records = [Record.FromString(each) for each in records_of(self._file.read_bytes())]
        if not any(record.WhichOneof("record_type") == "exit" for record in records):
            raise RuntimeError("W&B's log has no end: its service has not written all of it")
        return records


def records_of(log: bytes) -> Iterator[bytes]:
    """The records of a log; what is cut off at its end is left out."""
    place, parts = HEAD, b""
    while place + HEAD <= len(log):
        left = BLOCK - place % BLOCK
        if left < HEAD:  # the rest of a block is too short for a head, and is filled with zeros
            place += left
            continue
        _, size, kind = struct.unpack_from("<IHB", log, place)
        place += HEAD
        parts += log[place : place + size]
        place += size
        if kind in (FULL, LAST):
            yield parts
            parts = b""


def _names(item: Any) -> tuple[str, ...]:
    return tuple(item.nested_key) or (item.key,)


def _put(into: dict[str, Any], names: tuple[str, ...], value: Any) -> None:
    for name in names[:-1]:
        into = into.setdefault(name, {})
    into[names[-1]] = value


def _number(value: Any) -> float | None:
    """W&B writes what JSON has no number for as text."""
    if isinstance(value, str) and value in ("NaN", "Infinity", "-Infinity"):
        return float(value)
    plain = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if plain else None
