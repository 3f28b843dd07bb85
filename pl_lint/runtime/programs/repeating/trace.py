"""A fit in which every call of something that no seed governs is noted, or held still."""

from __future__ import annotations

from pathlib import Path

from pl_lint.facts.records import TraceRecord
from pl_lint.runtime.programs.common import fresh
from pl_lint.runtime.programs.fitting.fit import trained
from pl_lint.runtime.specs import RunSpec
from pl_lint.runtime.watching.logged.metrics import OriginTap
from pl_lint.runtime.watching.repeated.sources import watched_sources


def run(spec: RunSpec, directory: Path, rank: int) -> TraceRecord:
    """``options``: those of a fit with or without ``workers``, and ``held``, the keys of the calls
    to hold still. The case file is imported here, under watch (``IMPORTING`` in ``specs.py``)."""
    held = frozenset(spec.options.get("held", ()))
    with watched_sources(held, directory) as tap, OriginTap().installed() as metrics:
        subject = fresh(spec)
        _, fit = trained(subject, metrics, directory, rank)
    return TraceRecord(rank=rank, case=fit.case, fit=fit, sources=tap.told())
