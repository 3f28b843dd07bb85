"""A case built and not run: the entry of a child, as ``programs.run`` is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pl_lint.facts.codec import to_json
from pl_lint.facts.records import SmokeRecord
from pl_lint.runtime.programs.common import fresh
from pl_lint.runtime.specs import RunSpec


def declare(spec: dict[str, Any], directory: Path, rank: int) -> None:
    """Leave what the case says of itself, in the record of a run that had nothing to tell."""
    record = SmokeRecord(rank=rank, case=fresh(RunSpec.from_dict(spec)).facts())
    (directory / f"record-{rank}.json").write_text(json.dumps(to_json(record)), encoding="utf-8")
