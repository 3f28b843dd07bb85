"""What ``configure_optimizers`` returns: schedulers and the keys that they monitor."""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.facts.sites import MonitorSite, SchedulerSite
from pl_lint.static.interpreter.machine import Machine
from pl_lint.static.names import ClassInfo, FunctionNode

Methods = dict[str, tuple[ClassInfo, FunctionNode]]


def sites(machine: Machine, methods: Methods) -> Iterator[SchedulerSite | MonitorSite]:
    return iter(())
