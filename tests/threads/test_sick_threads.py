"""Every silent bug of a public issue thread is found in our own short program of it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from judging import SICK, Thread, checks_named, findings, threads

from pl_lint.runtime.isolation.runs import Runner

THREADS = threads()


def expected() -> Iterator[pytest.ParameterSet]:
    """Strict: the mark goes when the check that a bug waits for has come."""
    for thread in THREADS:
        waiting = pytest.mark.xfail(strict=True, reason=f"waits for {thread.waits_for}")
        yield pytest.param(thread, id=thread.name, marks=[waiting] if thread.waits_for else [])


@pytest.mark.parametrize("thread", list(expected()))
def test_the_bug_is_found(thread: Thread, runner: Runner) -> None:
    found = findings(thread.folder / SICK, checks_named(thread.checks), runner)
    right = [
        finding
        for finding in found
        if finding.code in thread.codes and finding.counts_for_runner is thread.fails
    ]
    said = [f"{finding.code}: {finding.message}" for finding in found]
    assert right, f"{thread.checks} should have found one of {thread.codes}, and found {said}"


def test_there_are_enough_of_them_and_each_cites_another_thread() -> None:
    cited = {thread.url for thread in THREADS}
    assert len(cited) == len(THREADS) >= 20
    for thread in THREADS:
        assert re.fullmatch(r"https://github\.com/[\w.-]+/[\w.-]+/(issues|pull)/\d+", thread.url)
        assert thread.title and thread.silent and thread.row
