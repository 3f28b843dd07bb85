"""What a run on a GPU would stumble over, as a run on an emulated one saw it. Plain data."""

from __future__ import annotations

from dataclasses import dataclass

from pl_lint.findings import Location

TENSOR, MODULE, METRIC, PARAMETER = "tensor", "module", "metric", "parameter"
BATCH = "batch"
"""What holds a tensor that has stayed behind: a plain attribute, a module or metric that is not
registered, a module that was registered after the move, or a batch that nobody has moved."""


@dataclass(frozen=True)
class Stranger:
    """A CPU tensor in an operation on tensors of the GPU, which CUDA refuses.

    ``location`` is the user's line that asked for the operation, ``made`` the one that made the
    tensor or brought it to the CPU. ``held`` is the name under which the module has it
    (``self.mask``) or the batch (``batch.x``), and ``holder`` by what; both are empty
    for a tensor of the moment.
    """

    operation: str
    shape: tuple[int, ...]
    location: Location
    made: Location | None = None
    holder: str = ""
    held: str = ""


@dataclass(frozen=True)
class WrittenDevice:
    """A device that is written into the code, as it is written there."""

    text: str
    location: Location
