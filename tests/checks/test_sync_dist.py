"""What sync-dist says of values that only some ranks log, that are declared, or Lightning's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
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
from pl_lint.facts.ranks import SharedPass
from pl_lint.facts.records import RanksRecord
from pl_lint.findings import Location

PLACE = Location("module.py", 7)
PEER = "[/gloo/transport/tcp/pair.cc:5] Connection closed by peer [::1]:1. This is typically caused"


def logged(name: str, value: float, **flags: Any) -> LogEvent:
    return LogEvent(name, value, "validation_step", "validate", 0, 0, PLACE, False, True, **flags)


def done(
    *events: LogEvent, label: str = USUAL, error: RunError | None = None, **values: float
) -> EvaluationPass:
    """A pass whose epoch values are those of its events, but for those given."""
    told = {event.name: event.value for event in events if event.value is not None} | values
    return EvaluationPass("validate", Batching(label, (8,)), told, events, error=error)


@dataclass
class Ranks:
    """Two ranks, and one process that logs 0.5 whatever it sees, but for shares of 0.4 and 0.6.
    Three ranks do what the first two do, and the third what the second does."""

    first: EvaluationPass
    second: EvaluationPass
    declared: Mapping[str, str]
    served: tuple[str, ...] = ("a", "b")
    population: int | None = None

    def case(self) -> CaseFacts:
        return CaseFacts("Net", "module.py", 1, "", ("validate",), batch_dependent=self.declared)

    def alone(self, ranks: int) -> RanksRecord:
        seen = {WHOLE: 0.5, USUAL: 0.5, "shard 0": 0.4, "shard 1": 0.6}
        passes = (done(logged("key", value), label=label) for label, value in seen.items())
        return RanksRecord(passes=tuple(SharedPass(p, ("a", "b"), self.population) for p in passes))

    def on_ranks(self, ranks: int) -> list[RanksRecord]:
        passes = [self.first, *[self.second] * (ranks - 1)]
        return [RanksRecord(passes=(SharedPass(one, self.served),)) for one in passes]


def judged(first: EvaluationPass, second: EvaluationPass, **declared: str) -> Result:
    return sync_dist(cast("Runs", Ranks(first, second, declared)))


def test_one_rank_may_log_for_all() -> None:
    result = judged(done(logged("key", 0.5, rank_zero_only=True)), done())
    assert result.verdict is Verdict.PASSED


def test_one_rank_that_logs_for_all_has_to_know_all() -> None:
    result = judged(done(logged("key", 0.4, rank_zero_only=True)), done())
    [finding] = result.findings
    assert finding.code == "LTN106"
    assert "0.4 on rank 0, which logs it for all, the truth is 0.5" in finding.message


def test_a_rank_that_logs_nothing_has_no_number_that_is_off() -> None:
    [finding] = judged(done(logged("key", 0.5)), done()).findings
    assert finding.code == "LTN111"
    assert "0.5 and nothing on two ranks" in finding.message
    assert finding.evidence == ()


def test_what_is_declared_is_the_reason_where_nothing_else_is_logged() -> None:
    result = judged(done(logged("key", 0.4)), done(logged("key", 0.6)), key="contrastive")
    assert result.verdict is Verdict.NOT_TRIGGERED
    assert "key: declared to depend on the batches (contrastive)" in result.reason


def test_a_crash_names_the_rank_with_an_error_of_its_own() -> None:
    mine = RunError("IndexError", "list index out of range", location=PLACE)
    first = done(error=RunError("RuntimeError", PEER))
    [finding] = judged(first, done(logged("other", 1.0, sync_dist=True), error=mine)).findings
    assert "rank 1 raised IndexError: list index out of range" in finding.message
    assert "only rank" not in finding.message
    assert finding.location == PLACE


def test_ranks_that_wait_for_each_other_are_explained_by_what_they_log() -> None:
    waiting = RunError("RuntimeError", PEER)
    shared, lonely = (logged(name, 1.0, sync_dist=True) for name in ("shared", "lonely"))
    first = done(shared, error=waiting)
    [finding] = judged(first, done(shared, lonely, error=waiting)).findings
    assert finding.code == "LTN110"
    assert "Connection closed by peer [::1]:1 (waiting" in finding.message
    assert "only rank 1 called self.log('lonely') at module.py:7" in finding.message


def test_ranks_that_wait_for_each_other_say_where() -> None:
    places = [Location("module.py", line) for line in (11, 12)]
    errors = [RunError("RuntimeError", PEER, location=place) for place in places]
    [finding] = judged(*(done(error=error) for error in errors)).findings
    assert "rank 0 was at module.py:11:1; rank 1 was at module.py:12:1" in finding.message


def test_ranks_that_wait_for_each_other_show_their_stacks() -> None:
    stacks = [("m.py:3 in a (`self.b()`)", "m.py:5 in b (`meet()`)", call) for call in "xy"]
    errors = [RunError("RuntimeError", PEER, location=PLACE, stack=stack) for stack in stacks]
    [finding] = judged(*(done(error=error) for error in errors)).findings
    assert "rank 1 was at m.py:3 in a (`self.b()`) > m.py:5 in b (`meet()`) > y" in finding.message


def test_keys_that_met_are_told_by_the_mean_of_both() -> None:
    flags = {"sync_dist": True, "weight": 4.0}
    even, odd = logged("even", 5.0, **flags), logged("odd", 7.0, **flags)
    right = logged("key", 0.5)
    [finding] = judged(done(right, even, even=6.0), done(right, odd, odd=6.0)).findings
    assert finding.code == "LTN110"
    assert "6 was logged as 'even'" in finding.message
    assert "rank 0 called 'even' (5) and rank 1 called 'odd' (7)" in finding.message


def test_keys_in_another_order_that_met_nothing_else_are_no_finding() -> None:
    flags = {"sync_dist": True, "weight": 4.0}
    even, odd = logged("even", 5.0, **flags), logged("odd", 7.0, **flags)
    right = done(even, odd, logged("key", 0.5, sync_dist=True))
    assert judged(right, right).findings == ()


def test_a_mean_that_lightning_cuts_off_is_lightnings() -> None:
    """Weights of 3 and 4 have the mean 3.5, of which Lightning keeps 3: 0.5 becomes 0.5833."""
    first = done(logged("key", 0.4, sync_dist=True, weight=3.0), key=3.5 / 3 * 0.5)
    second = done(logged("key", 0.575, sync_dist=True, weight=4.0), key=3.5 / 3 * 0.5)
    ranks = Ranks(first, second, {})
    ranks.on_ranks = lambda number: Ranks.on_ranks(ranks, 2)  # type: ignore[method-assign]
    result = sync_dist(cast("Runs", ranks))
    assert result.findings == ()
    assert result.verdict is Verdict.PASSED
    assert "Lightning's own, not the module's (LTN514)" in result.notes[0]


def test_samples_that_lightning_counts_twice_are_lightnings() -> None:
    right = done(logged("key", 0.5))
    result = sync_dist(cast("Runs", Ranks(right, right, {}, population=41)))
    assert result.verdict is Verdict.PASSED
    assert "(LTN501): of 41 samples" in result.notes[0]
    assert "1 on 2 ranks and 1 on 3 ranks" in result.notes[0]
    even = replace(right)
    assert sync_dist(cast("Runs", Ranks(even, even, {}, population=48))).notes == ()


def test_values_of_other_samples_are_not_compared() -> None:
    wrong = done(logged("key", 0.7))
    result = sync_dist(cast("Runs", Ranks(wrong, wrong, {}, served=("a", "c"))))
    assert result.verdict is Verdict.NOT_DECIDED
    assert "other samples than one process" in result.reason


def refused(place: Location, statement: str) -> RunError:
    text = f'Traceback:\n  File "{place.path}", line {place.line}, in setup\n    {statement}\n'
    return RunError("ValueError", "one device only", "validate", place, text)


def test_code_that_refuses_several_ranks_is_not_blamed() -> None:
    error = refused(PLACE, 'raise ValueError("one device only")')
    result = judged(done(error=error), done(error=error))
    assert result.verdict is Verdict.NOT_DECIDED
    assert "refuses two ranks: ValueError: one device only" in result.reason


def test_an_error_that_is_raised_for_the_code_is_no_refusal() -> None:
    error = refused(PLACE, "x.view(2, -1)")
    assert judged(done(error=error), done(error=error)).verdict is Verdict.FAILED


def test_a_refusal_of_one_rank_only_is_a_failure() -> None:
    error = refused(PLACE, 'raise ValueError("one device only")')
    result = judged(done(error=error), done(error=RunError("RuntimeError", PEER, "validate")))
    assert result.verdict is Verdict.FAILED
