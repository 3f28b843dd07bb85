"""Answers of checks about cases, worked out ahead while runs take the cores.

A check is a function of records and mostly waits for runs, so threads are enough: the runs
themselves are processes, as many at a time as there are lanes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from pl_lint.checks.registry import Check, Result, Verdict
from pl_lint.findings import Finding, Location, Status
from pl_lint.runtime.battery import Battery
from pl_lint.runtime.cases import CaseError, CaseRaised
from pl_lint.runtime.failures import RunFailed

Answer = TypeVar("Answer")
THREADS = 4
"""For each lane: a check that waits for a run that another one has asked for needs no lane, and
must not keep a third one from using it."""
_OF_THE_CASE = {
    f"the module raised {CaseError.__name__}: ": "the case is wrong: ",
    f"the module raised {CaseRaised.__name__}: ": "the case raised ",
}
"""What ends a run before there is a module, in the words of those who run modules; and in ours."""


def judged(check: Check, battery: Battery, place: Location, subject: str) -> Result:
    """A check's answer. A run that broke off fails the check whose business it is, at its own line
    or else at ``place``; the others cannot say."""
    try:
        return check(battery)
    except RunFailed as failure:
        if failure.owner != check.name:
            return Result(Verdict.NOT_DECIDED, f"a run failed; see {failure.owner}")
        found = Finding(
            check.name, told(failure), failure.location or place, Status.PROVED, subject=subject
        )
        return Result(Verdict.FAILED, findings=(found,))


def told(failure: RunFailed) -> str:
    """Why a run broke off, with the case to blame where it is the case's doing."""
    text = str(failure)
    for said, meant in _OF_THE_CASE.items():
        text = text.replace(said, meant, 1)
    return text


@dataclass
class Ahead:
    """Answers that are being worked out before they are asked for, in the order of their asking."""

    lanes: int
    _answers: dict[Callable[[], Result], Future[Result]] = field(default_factory=dict)
    _pool: ThreadPoolExecutor | None = None

    def expect(self, questions: Iterable[Callable[[], Result]]) -> None:
        """Start on these; there is nothing to gain from that where one works alone."""
        if self.lanes < 2:
            return
        self._pool = self._pool or ThreadPoolExecutor(THREADS * self.lanes, "pl-lint")
        for question in questions:
            self._answers[question] = self._pool.submit(question)

    def answer(self, question: Callable[[], Result]) -> Result:
        """The answer, when it is there; an exception of the question's comes out here."""
        future = self._answers.get(question)
        return future.result() if future is not None else question()

    def close(self) -> None:
        """Start nothing more. What is under way ends when its runs are ended."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
