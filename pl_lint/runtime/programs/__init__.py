"""What a child process does with a module. A module for each program."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pl_lint.facts.codec import to_json
from pl_lint.facts.records import RunRecord
from pl_lint.runtime.programs import evaluate, gpus, on_device, precision, search, smoke
from pl_lint.runtime.programs.external import without_needless_work
from pl_lint.runtime.programs.fitting import fit, plain
from pl_lint.runtime.programs.one_batch import training
from pl_lint.runtime.programs.ranked import ranks
from pl_lint.runtime.programs.repeating import beside_workers, repeat, trace
from pl_lint.runtime.programs.saving import planted, reload, restored, resume, untrained
from pl_lint.runtime.programs.tracked import run as tracked
from pl_lint.runtime.specs import RunSpec

PROGRAMS = {
    "smoke": smoke.run,
    "on-device": on_device.run,
    "gpus": gpus.run,
    "loggers": tracked.run,
    "fit": fit.run,
    "plain-fit": plain.run,
    "evaluate": evaluate.run,
    "reload": reload.run,
    "resume": resume.run,
    "restored": restored.run,
    "planted": planted.run,
    "untrained": untrained.run,
    "precision": precision.run,
    "ranks": ranks.run,
    "repeat": repeat.run,
    "workers": beside_workers.run,
    "trace": trace.run,
    "search": search.run,
    "training": training.run,
}


def run(spec: dict[str, Any], directory: Path, rank: int) -> None:
    """The entry of every child: run the program of ``spec`` and leave its record in
    ``directory``."""
    order = RunSpec.from_dict(spec)
    with without_needless_work():
        record: RunRecord = PROGRAMS[order.program](order, directory, rank)
    text = json.dumps(to_json(record))
    (directory / f"record-{rank}.json").write_text(text, encoding="utf-8")
