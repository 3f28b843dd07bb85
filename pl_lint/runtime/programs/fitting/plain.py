"""The fit once more, of which nothing is wanted but what it logged and the weights it came to."""

from __future__ import annotations

from pathlib import Path

from pl_lint.facts.records import FitRecord
from pl_lint.runtime.programs.common import fresh
from pl_lint.runtime.programs.fitting.fit import trained
from pl_lint.runtime.specs import RunSpec
from pl_lint.runtime.watching.logged.metrics import OriginTap


def run(spec: RunSpec, directory: Path, rank: int) -> FitRecord:
    """``options`` as in ``fit``."""
    with OriginTap().installed() as tap:
        return trained(fresh(spec), tap, directory, rank)[1]
