"""What to run: the specification whose hash names a run's directory. Plain data, no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pl_lint.facts.events import to_json
from pl_lint.runtime.worlds import World


@dataclass(frozen=True)
class CaseRef:
    """A case by name: a function marked with ``@pl_lint.case``, or a module class to build bare."""

    file: str
    name: str


@dataclass(frozen=True)
class RunSpec:
    """One run of one case: which program, in which world, with which options.

    ``repeat`` tells equal runs apart (two seeded runs that should agree). ``timeout`` is in seconds.
    ``inputs`` names files of earlier runs that this one reads.
    """

    case: CaseRef
    program: str
    world: World = field(default_factory=World)
    seed: int = 1
    repeat: int = 0
    timeout: float = 60.0
    options: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        return dict(to_json(self))
