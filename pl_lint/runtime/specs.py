"""What to run: the specification whose hash names a run's directory. Plain data, no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pl_lint.facts.codec import from_json, to_json
from pl_lint.runtime.worlds import CUDA, World

CASE_FILE = "case.json"
"""In a run's directory: what the case is, told before anything of it is run."""
OWN = 0
"""The batch size that stands for the user's own."""
IMPORTING = frozenset(["trace"])
"""Programs that import the case file themselves, because they watch what the import does."""


@dataclass(frozen=True)
class CaseRef:
    """A case by name: a function marked with ``@pl_lint.case``, or a module class to build bare."""

    file: str
    name: str


@dataclass(frozen=True)
class RunSpec:
    """One run of one case: which program, in which world, with which options.

    ``repeat`` tells equal runs apart (two seeded runs that should agree); all but the first import
    the case file anew, so that they share nothing of what the import drew. ``hash_seed`` is
    Python's, which decides the order of sets. ``timeout`` is in seconds. ``inputs`` names files of
    earlier runs that this one reads.
    """

    case: CaseRef
    program: str
    world: World = field(default_factory=World)
    seed: int = 1
    repeat: int = 0
    hash_seed: str = "0"
    timeout: float = 60.0
    options: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The specification as JSON data, with what the isolation layer reads of it on top."""
        isolation = {
            "case_file": None if self.program in IMPORTING else self.case.file,
            "ranks": self.world.ranks,
            "cuda": self.world.device == CUDA,
            "fresh_import": self.repeat > 0,
        }
        return {**to_json(self), **isolation}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> RunSpec:
        own = {name: data[name] for name in cls.__dataclass_fields__ if name in data}
        return from_json(cls, own)
