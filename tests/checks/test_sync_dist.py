"""What sync-dist says of values that only some ranks log, or that are declared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from pl_lint.checks.registry import Result, Runs, Verdict
from pl_lint.checks.sync_dist import sync_dist
from pl_lint.facts.events import (
    USUAL,
    WHOLE,
    Batching,
    CaseFacts,
    EvaluationPass,
    LogEvent,
    RunError,
)
from pl_lint.facts.records import EvaluationRecord
from pl_lint.findings import Location

PLACE = Location("module.py", 7)
PEER = "[/gloo/transport/tcp/pair.cc:5] Connection closed by peer [::1]:1. This is typically caused"


def logged(name: str, value: float, **flags: Any) -> LogEvent:
    return LogEvent(name, value, "validation_step", "validate", 0, 0, PLACE, False, True, **flags)


def done(label: str, *events: LogEvent, error: RunError | None = None) -> EvaluationPass:
    values = {event.name: event.value for event in events if event.value is not None}
    return EvaluationPass("validate", Batching(label, (8,)), values, events, error=error)


@dataclass
class Ranks:
    """Two ranks, and one process that logs 0.5 whatever it sees, but for shares of 0.4 and 0.6."""

    first: EvaluationPass
    second: EvaluationPass
    batch_dependent: Mapping[str, str]

    def case(self) -> CaseFacts:
        return CaseFacts(
            "Net", "module.py", 1, "", ("validate",), batch_dependent=self.batch_dependent
        )

    def shared_out(self, stage: str) -> EvaluationRecord:
        seen = {WHOLE: 0.5, USUAL: 0.5, "shard 0": 0.4, "shard 1": 0.6}
        passes = tuple(done(label, logged("key", value)) for label, value in seen.items())
        return EvaluationRecord(passes=passes)

    def on_ranks(self, stage: str) -> list[EvaluationRecord]:
        return [EvaluationRecord(passes=(one,)) for one in (self.first, self.second)]


def judged(first: EvaluationPass, second: EvaluationPass, **declared: str) -> Result:
    return sync_dist(cast("Runs", Ranks(first, second, declared)))


def test_one_rank_may_log_for_all() -> None:
    result = judged(done("", logged("key", 0.5, rank_zero_only=True)), done(""))
    assert result.verdict is Verdict.PASSED


def test_one_rank_that_logs_for_all_has_to_know_all() -> None:
    result = judged(done("", logged("key", 0.4, rank_zero_only=True)), done(""))
    [finding] = result.findings
    assert finding.code == "LTN106"
    assert "0.4 on rank 0, which logs it for all, the truth is 0.5" in finding.message


def test_a_rank_that_logs_nothing_has_no_number_that_is_off() -> None:
    [finding] = judged(done("", logged("key", 0.5)), done("")).findings
    assert "0.5 and nothing on two ranks" in finding.message
    assert finding.evidence == ()


def test_what_is_declared_is_the_reason_where_nothing_else_is_logged() -> None:
    result = judged(done("", logged("key", 0.4)), done("", logged("key", 0.6)), key="contrastive")
    assert result.verdict is Verdict.NOT_TRIGGERED
    assert "key: declared to depend on the batches (contrastive)" in result.reason


def test_a_crash_names_the_rank_with_an_error_of_its_own() -> None:
    mine = RunError("IndexError", "list index out of range", location=PLACE)
    first = done("", error=RunError("RuntimeError", PEER))
    [finding] = judged(first, done("", logged("other", 1.0, sync_dist=True), error=mine)).findings
    assert "rank 1 raised IndexError: list index out of range" in finding.message
    assert "only rank" not in finding.message
    assert finding.location == PLACE


def test_ranks_that_wait_for_each_other_are_explained_by_what_they_log() -> None:
    waiting = RunError("RuntimeError", PEER)
    shared, lonely = (logged(name, 1.0, sync_dist=True) for name in ("shared", "lonely"))
    first = done("", shared, error=waiting)
    [finding] = judged(first, done("", shared, lonely, error=waiting)).findings
    assert "Connection closed by peer [::1]:1 (waiting" in finding.message
    assert "only rank 1 called self.log('lonely') at module.py:7" in finding.message
