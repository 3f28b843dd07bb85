"""What pl-lint says of the programs of `fixtures/threads`."""

from __future__ import annotations

import sys
from pathlib import Path

from pl_lint.checks.registry import Check, all_checks
from pl_lint.config import Config
from pl_lint.findings import Finding
from pl_lint.library import judged
from pl_lint.plugin.reading import ProjectReading
from pl_lint.runtime.battery import Battery
from pl_lint.runtime.isolation.runs import Runner
from pl_lint.runtime.specs import CaseRef

THREADS = Path(__file__).parents[2] / "fixtures" / "threads"
sys.path.insert(0, str(THREADS))

from folders import HEALTHY, SICK, Thread, threads  # noqa: E402

__all__ = ["HEALTHY", "SICK", "Thread", "checks_named", "findings", "read", "threads"]
TIMEOUT = 60.0


def read(program: Path) -> ProjectReading:
    return ProjectReading([program], Config(root=program.parent))


def checks_named(names: tuple[str, ...]) -> list[Check]:
    return [check for check in all_checks() if check.name in names]


def findings(program: Path, checks: list[Check], runner: Runner) -> list[Finding]:
    """What these checks find in the one case of a program, as the plugin would say it."""
    reading = read(program)
    (target,) = reading.targets
    battery = Battery(
        runner,
        CaseRef(str(target.path), target.name),
        TIMEOUT,
        reading.monitors_of(target),
        reading.suspicions_of(target),
    )
    results = [judged(check, battery, target.location, target.name) for check in checks]
    return [finding for each in results for finding in each.findings]
