"""Which GPUs torch sees, asked where a run would have them."""

from __future__ import annotations

from pathlib import Path

import torch

from pl_lint.facts.records import GpusRecord
from pl_lint.runtime.specs import RunSpec


def run(spec: RunSpec, directory: Path, rank: int) -> GpusRecord:
    seen = range(torch.cuda.device_count())
    names = tuple(torch.cuda.get_device_name(index) for index in seen)
    return GpusRecord(rank=rank, names=names, torch=torch.__version__)
