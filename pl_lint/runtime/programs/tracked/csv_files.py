"""``metrics.csv`` and ``hparams.yaml`` of Lightning's CSVLogger."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pl_lint.facts.events import LoggerPoint
from pl_lint.facts.loggers import CSV, Medium
from pl_lint.runtime.namespace import Namespace
from pl_lint.runtime.programs.tracked.stores import Noting, read_hparams


class CSVStore:
    name = CSV

    def __init__(self, namespace: Namespace, directory: Path) -> None:
        self.logger = namespace.part("loggers.CSVLogger")(directory, name="", version="csv")

    @contextmanager
    def watching(self, noting: Noting) -> Iterator[None]:
        """It holds nothing but numbers."""
        yield

    def close(self) -> None:
        self.logger.save()

    def points(self) -> Iterator[LoggerPoint]:
        file = Path(self.logger.log_dir, "metrics.csv")
        if not file.exists():
            return
        with file.open(newline="") as lines:
            for row in csv.DictReader(lines):
                step = int(row.pop("step"))
                yield from (LoggerPoint(k, step, float(v)) for k, v in row.items() if v != "")

    def media(self) -> Iterator[Medium]:
        return iter(())

    def hyperparameters(self) -> Mapping[str, Any]:
        return read_hparams(Path(self.logger.log_dir, "hparams.yaml"))
