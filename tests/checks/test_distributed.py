"""What distributed says of ranks that differ, fail, or may do as they do."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, cast

from pl_lint.checks.distributed import distributed
from pl_lint.checks.registry import Result, Runs, Verdict
from pl_lint.facts.events import CaseFacts, EpochValues, LogEvent, Replay, RunError
from pl_lint.facts.ranks import Assigned, Best, Gathered, Listing, RankFit, Split, Touch
from pl_lint.facts.records import FitRecord, GpusRecord, RanksRecord
from pl_lint.facts.watchers import Watcher
from pl_lint.findings import Location, Status

PLACE = Location("module.py", 7)
ELSEWHERE = Location("module.py", 9)
PEER = RunError("RuntimeError", "[/gloo/transport/tcp/pair.cc:5] Connection closed by peer [::1]:1")
AGREEING = RankFit(
    parameters={"start": {"w": "1"}, "end": {"w": "2"}},
    listings=(Listing("train", 0, "Data", ("a", "b")),),
    backwards=6,
    trainable=("w",),
)


@dataclass
class Two:
    """Two ranks, and one process whose fit is ``alone`` and, made again, ``again``."""

    first: RankFit | None
    second: RankFit | None
    alone: FitRecord = FitRecord()  # noqa: RUF009 (frozen)
    again: FitRecord = FitRecord()  # noqa: RUF009
    script: Location | None = None
    third: RankFit | None = None
    """The third rank where there are three; without it they do as two do."""
    on_gpus: tuple[RankFit, ...] = ()
    """The ranks that have a GPU each."""

    def gpus(self) -> GpusRecord:
        return GpusRecord(names=("H100",) * len(self.on_gpus))

    def fit_on_gpus(self) -> list[RanksRecord]:
        return [RanksRecord(rank=rank, fit=fit) for rank, fit in enumerate(self.on_gpus)]

    def case(self) -> CaseFacts:
        return CaseFacts("Net", "module.py", 1, "", ("train",))

    def fit_on_ranks(self, ranks: int) -> list[RanksRecord]:
        fits = [self.first, self.second, *([self.third] if self.third and ranks > 2 else [])]
        return [RanksRecord(rank=rank, fit=fit) for rank, fit in enumerate(fits)]

    def offered_alone(self) -> tuple[Listing, ...]:
        return ()

    def trained_by_ddp(self) -> Location | None:
        return self.script

    def fit(self) -> FitRecord:
        return self.alone

    def fit_again(self) -> FitRecord:
        return self.again


def judged(first: RankFit | None, second: RankFit | None, **alone: FitRecord) -> Result:
    return distributed(cast("Runs", Two(first, second, **alone)))


def judged_on_three(first: RankFit, second: RankFit, third: RankFit) -> Result:
    return distributed(cast("Runs", Two(first, second, third=third)))


def codes(result: Result) -> list[str]:
    return [finding.code for finding in result.findings]


def logging(value: float, hook: str = "on_train_epoch_end", **flags: Any) -> RankFit:
    batch = 0 if hook == "training_step" else -1
    event = LogEvent("key", value, hook, "train", 0, batch, PLACE, False, True, **flags)
    epochs = (EpochValues("train", 0, {"key": value}),)
    return replace(AGREEING, events=(event,), epochs=epochs)


def failing(error: RunError | None = None, **known: Any) -> RankFit:
    return replace(AGREEING, error=error, **known)


def test_ranks_on_gpus_are_judged_as_those_on_cpus_are() -> None:
    apart = replace(AGREEING, parameters={"start": {"w": "1"}, "end": {"w": "3"}})
    on_gpus = distributed(cast("Runs", Two(AGREEING, AGREEING, on_gpus=(AGREEING, apart))))
    on_cpus = judged(AGREEING, apart)
    assert on_gpus.verdict is on_cpus.verdict is Verdict.FAILED
    assert [one.code for one in on_gpus.findings] == [one.code for one in on_cpus.findings]
    alone = distributed(cast("Runs", Two(AGREEING, AGREEING, on_gpus=(AGREEING,))))
    assert alone.verdict is Verdict.PASSED  # one GPU has nobody to talk to


def test_ranks_that_agree_pass() -> None:
    assert judged(AGREEING, AGREEING).verdict is Verdict.PASSED


def logging_keys(*names: str, **flags: Any) -> RankFit:
    calls = [replace(logging(1.0, **flags).events[0], name=name) for name in names]
    return replace(AGREEING, events=tuple(calls))


def test_a_monitored_key_that_a_rank_lacks_is_found_and_another_is_not() -> None:
    stopper = Watcher("EarlyStopping", "Stopper", "key_epoch", "min")
    asking = replace(logging(0.4, "training_step"), watchers=(stopper,))
    with_steps = replace(asking, events=(replace(asking.events[0], on_step=True),))
    [finding] = judged(with_steps, AGREEING).findings
    assert (finding.code, finding.location) == ("LTN111", PLACE)
    assert "Stopper asks every rank for 'key_epoch', which rank 1 lacks" in finding.message
    assert judged(logging(0.4), AGREEING).findings == ()
    assert judged(with_steps, with_steps).findings == ()


def test_ranks_that_wait_because_one_lacks_a_monitored_key_are_told_so() -> None:
    stopper = Watcher("EarlyStopping", "Stopper", "key", "min")
    waiting = replace(logging(0.4), watchers=(stopper,), error=PEER)
    result = judged(waiting, failing(PEER))
    assert codes(result) == ["LTN111"]
    assert "rank 1 was at no line of the module" in result.findings[0].message


def test_reduced_keys_in_another_order_are_found_whatever_their_values() -> None:
    first, second = (logging_keys(*order, sync_dist=True) for order in ("ab", "ba"))
    [finding] = judged(first, second).findings
    assert finding.code == "LTN110"
    assert "'a' on rank 0 and 'b' on rank 1 together" in finding.message


def test_reduced_keys_in_another_order_explain_why_ranks_wait() -> None:
    ranks = [logging_keys(*order, sync_dist=True) for order in ("ab", "ba")]
    assert codes(judged(*(replace(rank, error=PEER) for rank in ranks))) == ["LTN110"]


def test_keys_that_nobody_reduces_come_in_any_order() -> None:
    for flags in ({}, {"sync_dist": True, "rank_zero_only": True}):
        first, second = (logging_keys(*order, **flags) for order in ("ab", "ba"))
        assert judged(first, second).findings == ()
    assert judged(logging_keys("a", "b"), logging_keys("b", "a")).notes == (
        "order of keys: train logs a, b in another order elsewhere",
    )


def test_without_a_fit_nothing_is_decided() -> None:
    result = judged(None, None)
    assert result.verdict is Verdict.NOT_DECIDED
    assert "sync-dist" in result.reason


def test_what_the_third_rank_alone_does_is_found() -> None:
    moved = replace(AGREEING, parameters={"start": {"w": "1"}, "end": {"w": "3"}})
    [finding] = judged_on_three(AGREEING, AGREEING, moved).findings
    assert "other values on rank 2 than on rank 0" in finding.message


def test_what_two_ranks_show_three_do_not_say_again() -> None:
    result = judged_on_three(*map(logging, (0.4, 0.6, 0.5)))
    [finding] = result.findings
    assert "0.4 on rank 0 and 0.6 on rank 1 at" in finding.message
    notes = judged_on_three(*(logging(value, "training_step") for value in (0.4, 0.6, 0.5))).notes
    assert [note.startswith("key: 0.4 on rank 0 and 0.6 on rank 1: each") for note in notes] == [
        True
    ]


def test_what_the_shorter_fit_could_not_show_is_not_said_where_the_longer_one_did() -> None:
    still = replace(AGREEING, parameters={"start": {"w": "1"}, "end": {"w": "1"}})

    class Shorter(Two):
        def fit_on_ranks(self, ranks: int) -> list[RanksRecord]:
            return [
                RanksRecord(rank=n, fit=AGREEING if ranks == 2 else still) for n in range(ranks)
            ]

    result = distributed(cast("Runs", Shorter(AGREEING, AGREEING)))
    assert (result.verdict, result.notes) == (Verdict.PASSED, ())


def test_a_fit_that_fails_on_two_ranks_is_not_made_on_three() -> None:
    mine = RunError("ValueError", "no samples", "fit", PLACE)
    moved = replace(AGREEING, parameters={"start": {"w": "1"}, "end": {"w": "3"}})
    assert len(judged_on_three(AGREEING, failing(mine), moved).findings) == 1


def test_a_file_that_two_of_three_ranks_write_is_found() -> None:
    writing = replace(AGREEING, touches=(Touch("file", "/a.csv", PLACE, "h"),))
    [finding] = judged_on_three(writing, AGREEING, writing).findings
    assert "each of ranks 0 and 2 writes 'a.csv'" in finding.message


def test_a_value_of_each_rank_at_an_epochs_end_is_found() -> None:
    result = judged(logging(0.4), logging(0.6))
    assert codes(result) == ["LTN211"]
    assert "0.4 on rank 0 and 0.6 on rank 1" in result.findings[0].message
    assert result.findings[0].location == PLACE


def test_a_key_that_steps_log_too_is_shown_where_its_epochs_end_logs_it() -> None:
    step = replace(logging(0.3, "training_step").events[0], location=ELSEWHERE, on_epoch=False)
    ranks = [logging(value) for value in (0.4, 0.6)]
    first, second = (replace(rank, events=(step, *rank.events)) for rank in ranks)
    [found] = judged(first, second).findings
    assert (found.code, found.location) == ("LTN211", PLACE)


def test_a_training_mean_of_each_rank_is_a_note() -> None:
    result = judged(logging(0.4, "training_step"), logging(0.6, "training_step"))
    assert result.verdict is Verdict.PASSED
    assert "mean of its own training samples" in result.notes[0]


def test_what_rank_zero_logs_for_itself_may_differ() -> None:
    result = judged(logging(0.4, rank_zero_only=True), logging(0.6, rank_zero_only=True))
    assert result.findings == ()


def test_a_time_is_no_value_of_each_rank() -> None:
    fits = [FitRecord(epochs=(EpochValues("train", 0, {"key": value}),)) for value in (0.1, 0.2)]
    first, second = logging(0.4, python_number=True), logging(0.6, python_number=True)
    assert judged(first, second, alone=fits[0], again=fits[1]).findings == ()
    assert codes(judged(first, second, alone=fits[0], again=fits[0])) == ["LTN211"]


def test_a_metric_that_is_wrong_alone_is_not_the_ranks_fault() -> None:
    gathered = Gathered("key", "train", 0, "F1Score", 0.4, 0.5, (0.4, 0.6))
    first = replace(AGREEING, gathered=(gathered,))
    assert codes(judged(first, AGREEING)) == ["LTN211"]
    replay = Replay("key", "train", 0, "f1", "F1Score", "object", logged=0.3, true=0.7)
    result = judged(first, AGREEING, alone=FitRecord(replays=(replay,)))
    assert result.findings == ()
    assert "not decided: key: wrong in one process already" in result.notes


def test_ranks_that_disagree_on_the_best_are_told_with_their_paths() -> None:
    first = replace(AGREEING, best=(Best("key", "min", "a.ckpt", 0.4, True),))
    second = replace(AGREEING, best=(Best("key", "min", "b.ckpt", 0.6, False),))
    [finding] = judged(first, second).findings
    assert finding.code == "LTN107"
    assert "a.ckpt on rank 0 and b.ckpt on rank 1, which does not exist on rank 1" in (
        finding.message
    )


def test_a_rank_that_waits_is_explained_by_the_call_that_it_made_alone() -> None:
    call = Touch("call", "save_checkpoint", PLACE, "on_train_end")
    result = judged(failing(PEER, touches=(call,)), failing(PEER))
    assert codes(result) == ["LTN325"]


def test_a_rank_that_failed_has_not_come_to_its_other_calls() -> None:
    call = Touch("call", "all_gather", PLACE, "on_train_epoch_end")
    mine = RunError("ValueError", "no samples", "fit", PLACE)
    result = judged(failing(PEER, touches=(call,)), failing(mine))
    assert codes(result) == ["distributed"]
    assert "rank 1 raised ValueError: no samples" in result.findings[0].message


def test_what_prepare_data_assigned_explains_a_failure() -> None:
    lost = failing(RunError("TypeError", "'NoneType' is not iterable", "fit", PLACE))
    assigned = Assigned("data", Location("module.py", 3), read=PLACE, left="a list")
    result = judged(failing(assigned=(assigned,), kept={"data": "a list"}), lost)
    assert codes(result) == ["LTN502"]
    assert result.findings[0].location.line == 3


def test_all_ranks_failing_alike_on_smaller_batches_decide_nothing() -> None:
    same = failing(RunError("RuntimeError", "sizes differ", "fit", PLACE), batches=(4, 4))
    event = LogEvent("k", 1.0, "training_step", "train", 0, 0, PLACE, True, False, samples=8)
    result = judged(same, same, alone=FitRecord(events=(event,)))
    assert result.verdict is not Verdict.FAILED
    larger = replace(same, batches=(8,))
    assert codes(judged(larger, larger, alone=FitRecord(events=(event,)))) == ["distributed"]


def test_a_print_is_a_note_and_a_file_with_the_rank_in_its_name_is_fine() -> None:
    print_, own = (Touch("print", "hello", PLACE, "h"), Touch("file", "/0.csv", PLACE, "h"))
    other = Touch("file", "/1.csv", PLACE, "h")
    result = judged(
        replace(AGREEING, touches=(print_, own)), replace(AGREEING, touches=(print_, other))
    )
    assert [finding.status for finding in result.findings] == [Status.SUSPECTED]
    assert result.verdict is Verdict.PASSED


def test_what_every_rank_adds_to_a_place_of_its_own_is_fine() -> None:
    for kind in ("file", "append", "create", "points"):
        ranks = [
            replace(AGREEING, touches=(Touch(kind, f"/{rank}", PLACE, "h"),)) for rank in range(3)
        ]
        assert judged_on_three(*ranks).findings == ()


def test_points_that_every_rank_adds_to_one_folder_are_found() -> None:
    fit = replace(AGREEING, touches=(Touch("points", "/runs", PLACE, "h"),))
    [finding] = judged(fit, fit).findings
    assert (finding.code, finding.status) == ("LTN511", Status.PROVED)
    assert "shows them 2 times" in finding.message


def test_numbers_that_are_compared_carry_a_tolerance_and_its_reason() -> None:
    gathered = Gathered("key", "train", 0, "F1Score", 0.4, 0.5, (0.4, 0.6))
    best = [Best("key", "min", "a.ckpt", score, True) for score in (0.4, 0.6)]
    results = [
        judged(logging(0.4), logging(0.6)),
        judged(replace(AGREEING, gathered=(gathered,)), AGREEING),
        judged(*(replace(AGREEING, best=(one,)) for one in best)),
    ]
    for result in results:
        [evidence] = result.findings[0].evidence
        assert 0 < evidence.tolerance < evidence.difference
        assert evidence.because


def test_unused_parameters_are_a_note_where_the_strategy_allows_for_them() -> None:
    unused = replace(AGREEING, unused=("head.weight",), optimized=("head.weight",))
    [suspected] = judged(unused, unused).findings
    assert (suspected.code, suspected.status) == ("LTN504", Status.SUSPECTED)
    asked = replace(unused, asks_for_ranks=True)
    assert judged(asked, asked).findings[0].status is Status.PROVED
    trained = distributed(cast("Runs", Two(unused, unused, script=ELSEWHERE)))
    assert trained.findings[0].status is Status.PROVED
    assert "as the Trainer at module.py:9:1 uses it" in trained.findings[0].message
    allowed = replace(unused, tolerates_unused=True)
    assert judged(allowed, allowed).findings == ()


def test_unused_parameters_in_no_optimizer_were_not_meant_to_be_trained() -> None:
    spare = replace(AGREEING, unused=("head.weight",))
    result = judged(spare, spare)
    assert result.verdict is Verdict.PASSED
    assert "in no optimizer" in result.notes[0]


def test_what_was_unfrozen_later_is_not_synchronised() -> None:
    first = replace(AGREEING, trainable=(), unfrozen=("w",))
    second = replace(first, parameters={"start": {"w": "1"}, "end": {"w": "3"}})
    [finding] = judged(first, second).findings
    assert finding.code == "distributed"
    assert "frozen when DDP was set up" in finding.message


def test_a_frozen_parameter_that_differs_is_a_statistic() -> None:
    moved = replace(AGREEING, parameters={"start": {"w": "1"}, "end": {"w": "3"}})
    assert codes(judged(AGREEING, moved)) == ["distributed"]
    frozen = [replace(fit, trainable=()) for fit in (AGREEING, moved)]
    assert codes(judged(*frozen)) == ["LTN508"]


def test_splits_that_differ_name_what_leaks() -> None:
    def listing(train: tuple[str, ...], val: tuple[str, ...]) -> RankFit:
        both = (Listing("train", 0, "Data", train), Listing("validate", 0, "Data", val))
        return replace(AGREEING, listings=both, splits=(Split(PLACE, "0"),))

    [finding] = judged(listing(("a", "b"), ("c",)), listing(("a", "c"), ("b",))).findings
    assert finding.code == "LTN406"
    assert "1 that one rank validates on, another one trains on" in finding.message
    assert finding.location == PLACE


def test_a_split_that_only_our_own_seed_keeps_alike_shows_nothing() -> None:
    def split(by_kit: bool) -> RankFit:
        still = {"start": {"w": "1"}, "end": {"w": "1"}}
        listing = Listing("train", 0, "Data", ("a",))
        splits = (Split(PLACE, "0", by_kit=by_kit),)
        return replace(AGREEING, parameters=still, listings=(listing,), splits=splits)

    alike = judged(split(by_kit=True), split(by_kit=True))
    assert alike.verdict is Verdict.NOT_TRIGGERED
    assert "only because they were seeded alike" in alike.reason
    assert judged(split(by_kit=False), split(by_kit=False)).verdict is Verdict.PASSED


def test_a_split_by_hand_is_where_its_subsets_are_made() -> None:
    def rank(train: str, val: str) -> RankFit:
        listings = (Listing("train", 0, "Data", (train,)), Listing("validate", 0, "Data", (val,)))
        subsets = (Split(PLACE, "0"), Split(Location("data.py", 3), train))
        return replace(AGREEING, listings=listings, subsets=subsets)

    [finding] = judged(rank("a", "b"), rank("b", "a")).findings
    assert (finding.code, finding.location) == ("LTN406", Location("data.py", 3))


def test_each_ranks_own_part_of_the_training_data_is_no_split() -> None:
    def training(*samples: str, order: str = "0", again: tuple[str, ...] = ()) -> RankFit:
        listing = Listing("train", 0, "Data", samples, again=again)
        split = Split(PLACE, order, (7, int(order)))
        return replace(AGREEING, listings=(listing,), splits=(split,))

    assert judged(training("a", "b"), training("c", "d")).findings == ()
    [finding] = judged(training("a", "b"), training("c", "d", order="1")).findings
    assert finding.code == "LTN406"
    assert "its indices begin with 7, 0 on rank 0 and 7, 1 on rank 1" in finding.message
    assert (finding.evidence[0].logged, finding.evidence[0].true) == (0, 2)
    unclear = judged(training("a", "b"), training("b", "c"))
    assert unclear.findings == ()
    assert any("no random_split made them" in note for note in unclear.notes)


def test_data_that_differ_from_themselves_are_not_held_against_others() -> None:
    def drawing(first: str, second: str, order: str = "0") -> RankFit:
        listing = Listing("train", 0, "Data", (first,), again=(second,))
        return replace(AGREEING, listings=(listing,), splits=(Split(PLACE, order),))

    result = judged(drawing("a", "b"), drawing("c", "d"))
    assert result.findings == ()
    assert "other samples each time" in result.reason
    [finding] = judged(drawing("a", "b"), drawing("c", "d", order="1")).findings
    assert "another random_split" in finding.message


def test_ranks_may_meet_in_different_lines() -> None:
    """Who comes later waits for rank zero to prepare, which then lets the others in."""
    early, late = Touch("call", "barrier", PLACE, "h"), Touch("call", "barrier", ELSEWHERE, "h")
    first, second = replace(AGREEING, touches=(late,)), replace(AGREEING, touches=(early,))
    assert judged(first, second).findings == ()
    [finding] = judged(replace(first, touches=(early, late)), second).findings
    assert "barrier was called 2 times on rank 0 and 1 time on rank 1" in finding.message
    assert finding.location == ELSEWHERE


def test_a_file_that_is_added_to_or_asked_for_first_is_suspected() -> None:
    for kind, said in (("append", "each line once for every rank"), ("create", "asked first")):
        fit = replace(AGREEING, touches=(Touch(kind, "/log.txt", PLACE, "setup"),))
        [finding] = judged(fit, fit).findings
        assert (finding.code, finding.status) == ("LTN503", Status.SUSPECTED)
        assert said in finding.message


def test_a_buffer_that_validation_made_alike_again_is_found() -> None:
    seen = {"start": {"b": "0"}, "last batch": {"b": "1"}, "end": {"b": "1"}}
    other = {**seen, "last batch": {"b": "2"}}
    sums = {"last batch": {"b": 0.25}}, {"last batch": {"b": 0.75}}
    result = judged(
        replace(AGREEING, buffers=seen, sums=sums[0]),
        replace(AGREEING, buffers=other, sums=sums[1]),
    )
    assert codes(result) == ["LTN508"]
    [evidence] = result.findings[0].evidence
    assert (evidence.key, evidence.logged, evidence.true) == ("self.b", 0.75, 0.25)
    assert evidence.words == ("on rank 1", "on rank 0")


def test_without_an_optimizer_step_nothing_could_come_apart() -> None:
    still = replace(AGREEING, parameters={"start": {"w": "1"}, "end": {"w": "1"}})
    result = judged(still, still)
    assert result.verdict is Verdict.NOT_TRIGGERED
    assert "no optimizer step" in result.reason


def test_a_stream_that_chance_decides_is_not_judged() -> None:
    stream = Listing("train", 0, "Stream", ("a", "b"), stream=True, reseeded=("a", "b"))
    same = replace(AGREEING, listings=(stream,))
    assert codes(judged(same, same)) == ["LTN506"]
    drawn = replace(AGREEING, listings=(replace(stream, reseeded=("c", "d")),))
    assert judged(drawn, drawn).findings == ()
    shuffled = replace(AGREEING, listings=(replace(stream, reseeded=("b", "a"), ended=True),))
    assert codes(judged(shuffled, shuffled)) == ["LTN506"]


def test_workers_are_seeded_apart() -> None:
    """What two of them share out by one seed, both of them or neither read by two."""
    halves = replace(
        Listing("train", 0, "Stream", ("a", "b"), stream=True, reseeded=("b", "a"), ended=True),
        by_worker=(("a",), ("b",)),
        reseeded_by_worker=(("b",), ("a",)),
    )
    result = judged(*(replace(AGREEING, listings=(halves,)) for _ in range(2)))
    assert "LTN507" not in codes(result)
    assert any("the workers of Stream" in note for note in result.notes)
    all_of_it = replace(
        halves,
        by_worker=(("a", "b"), ("a", "b")),
        reseeded_by_worker=(("b", "a"), ("b", "a")),
    )
    result = judged(*(replace(AGREEING, listings=(all_of_it,)) for _ in range(2)))
    assert "LTN507" in codes(result)
