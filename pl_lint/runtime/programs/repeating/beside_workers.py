"""The fit again, its batches made in the workers that the user's own loaders ask for.

Fits are made without workers elsewhere: those cost time, and what they change is judged here only.
Workers have copies of the data set, other random generators and a ``worker_init_fn``; of a stream
each of them has all, and shares it out by itself.
"""

from __future__ import annotations

from pathlib import Path

from pl_lint.facts.records import WorkersRecord
from pl_lint.runtime.programs.common import fresh
from pl_lint.runtime.programs.fitting.fit import trained
from pl_lint.runtime.specs import RunSpec
from pl_lint.runtime.watching.logged.metrics import OriginTap


def run(spec: RunSpec, directory: Path, rank: int) -> WorkersRecord:
    """``options``: those of a fit, and ``workers``, the most that a loader gets."""
    with OriginTap().installed() as tap:
        _, fit = trained(fresh(spec), tap, directory, rank)
    return WorkersRecord(rank=rank, case=fit.case, fit=fit)
