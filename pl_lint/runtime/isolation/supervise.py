"""Watching one run from its order to the end of all its processes, within its limits."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable

from pl_lint.runtime.isolation.client import Flooded, Gone, Stopped, Template, await_text, mark
from pl_lint.runtime.isolation.outcome import Observed, read_ending
from pl_lint.runtime.isolation.wire import Files, Message, RunOrder

CLEANING = 15.0
"""Seconds that a template has for ending a run before it is ended itself."""


class Supervision:
    """``usable`` tells, after ``watch``, whether the template can take another run."""

    def __init__(self, template: Template, order: RunOrder, timeout: float) -> None:
        self.template = template
        self.order = order
        self.files = Files(order.directory)
        self.observed = Observed(order.ranks, timeout)
        self.usable = True
        self._started = time.monotonic()
        self._begun: float | None = None
        self._grace_ends = math.inf

    def watch(self) -> Observed:
        try:
            self.template.send({"op": "run", "order": self.order.to_dict()})
            self._until_done(self._deadline)
        except Gone as gone:
            self._lose(gone)
        except Stopped as stopped:
            if not self._failed():
                mark(self.observed, stopped, self.template.limits)
            self._stop()
        self._check_output()
        self.observed.seconds = time.monotonic() - self._started
        self.observed.phase = "run" if self._has_begun() else "import"
        return self.observed

    def _check_output(self) -> None:
        """A flood that ended before it was seen is one all the same."""
        try:
            self.template.check_output(self.files, self.order.ranks)
        except Flooded as flooded:
            mark(self.observed, flooded, self.template.limits)

    def _has_begun(self) -> bool:
        return all(self.files.started(rank).exists() for rank in range(self.order.ranks))

    def _deadline(self) -> float:
        """The import has its own limit; the run's time counts from when all ranks have begun."""
        if self._begun is None and self._has_begun():
            self._begun = time.monotonic()
        if self._begun is None:
            end = self._started + self.template.limits.import_seconds
        else:
            end = self._begun + self.observed.limit
        return min(end, self._grace_ends)

    def _until_done(self, deadline: Callable[[], float]) -> None:
        while "done" not in (message := self.template.next(deadline, self.files, self.order.ranks)):
            self._note(message)

    def _note(self, message: Message) -> None:
        self.observed.codes[message["ended"]] = message["code"]
        if self._failed() and self._grace_ends == math.inf:
            self._grace_ends = time.monotonic() + self.template.limits.grace_seconds

    def _failed(self) -> bool:
        """Whether a rank has ended otherwise than by returning."""
        for rank, code in self.observed.codes.items():
            ending = read_ending(self.files.ending(rank))
            if code != 0 or ending is None or ending.how != "returned":
                return True
        return False

    def _stop(self) -> None:
        """Get the stacks, then end the run through its template, or else with it."""
        try:
            self.template.send({"op": "dump"})
            left = set(range(self.order.ranks)) - set(self.observed.codes)
            await_text([self.files.stacks(rank) for rank in left])
            self.template.send({"op": "kill"})
            self._drain()
        except Gone as gone:
            self._lose(gone)

    def _drain(self) -> None:
        """Hear the last of the run. What it prints meanwhile no longer matters."""
        end = time.monotonic() + CLEANING
        while time.monotonic() < end:
            try:
                return self._until_done(lambda: end)
            except Stopped:
                time.sleep(0.01)
        self.template.server.signal(self.template.pid, signal.SIGKILL)
        self.usable = False
        return None

    def _lose(self, gone: Gone) -> None:
        """The template died, and its runs with it."""
        self.usable = False
        for rank in range(self.order.ranks):
            self.observed.codes.setdefault(rank, gone.code)
