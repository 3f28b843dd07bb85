"""No healthy twin of a silent bug is blamed, by the checks that find the bug or by reading.

All other checks are asked by ``benchmarks/threads.py``: that takes minutes.
"""

from __future__ import annotations

import difflib

import pytest
from judging import HEALTHY, SICK, Thread, checks_named, findings, read, threads

from pl_lint.runtime.isolation.runs import Runner

THREADS = threads()
LINES = 12
"""By how many lines, removed and added, twins may differ."""


@pytest.mark.parametrize("thread", THREADS, ids=lambda thread: thread.name)
def test_no_check_of_the_bug_fails(thread: Thread, runner: Runner) -> None:
    found = findings(thread.folder / HEALTHY, checks_named(thread.checks), runner)
    assert not found, [f"{finding.code}: {finding.message}" for finding in found]


@pytest.mark.parametrize("thread", THREADS, ids=lambda thread: thread.name)
def test_reading_finds_nothing(thread: Thread) -> None:
    program = thread.folder / HEALTHY
    found = read(program).findings_in(program.resolve())
    assert not found, [f"{finding.code}: {finding.message}" for finding in found]


@pytest.mark.parametrize("thread", THREADS, ids=lambda thread: thread.name)
def test_twins_differ_by_little(thread: Thread) -> None:
    sick, healthy = [
        (thread.folder / name).read_text("utf-8").splitlines() for name in (SICK, HEALTHY)
    ]
    changed = [line for line in difflib.ndiff(sick, healthy) if line.startswith(("-", "+"))]
    assert 0 < len(changed) <= LINES, changed
