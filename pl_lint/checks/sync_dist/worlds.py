"""Evaluations on ranks, held against one process with all their samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pl_lint.checks.registry import Gathering, Runs
from pl_lint.checks.sync_dist.causes import RankedValue, finding_of
from pl_lint.checks.sync_dist.crashed_ranks import Ended, crash, in_words, refusal
from pl_lint.checks.sync_dist.pairing import mixed_keys, pairing_finding
from pl_lint.checks.sync_dist.sharing import TRUNCATION, WORLDS, padding, truncated
from pl_lint.checks.values.lines import deciding, line_of
from pl_lint.checks.values.numbers import far, same, shown
from pl_lint.checks.values.randomness import random_part, value_tolerance
from pl_lint.facts.events import USUAL, WHOLE, CaseFacts, EvaluationPass, LogEvent, Note
from pl_lint.facts.ranks import SharedPass
from pl_lint.facts.records import RanksRecord

RULED_OUT = ("LTN106", "LTN109", "LTN211")


def judge_worlds(runs: Runs, case: CaseFacts) -> Gathering:
    """Two ranks, then three."""
    into = Gathering()
    if {"validate", "test"} & set(case.stages):
        for ranks in WORLDS:
            if not into.findings:  # else what fails on two ranks would be said twice
                _judge_world(runs, ranks, case, into)
    return into


def _by_stage(records: Sequence[RanksRecord]) -> dict[str, list[list[SharedPass]]]:
    """For each stage and each process its passes."""
    stages = dict.fromkeys(one.done.stage for record in records for one in record.passes)
    return {
        stage: [[one for one in record.passes if one.done.stage == stage] for record in records]
        for stage in stages
    }


def _judge_world(runs: Runs, number: int, case: CaseFacts, into: Gathering) -> None:
    alone = _by_stage([runs.alone(WORLDS[0])])
    for stage, ranks in _by_stage(runs.on_ranks(number)).items():
        [single] = alone.get(stage, [[]])
        failed = next((one.done.error for one in single if one.done.error is not None), None)
        if failed is not None or not single:
            into.undecided.append(Note(f"{stage} in one process", str(failed)))
            return
        if any(one.done.error for rank in ranks for one in rank):
            ended = [Ended(rank[0].done.error, rank[0].done.events) for rank in ranks if rank]
            if reason := refusal([one.error for one in ended]):
                into.undecided.append(Note(stage, reason))
            else:
                into.findings.append(crash(ended, stage, case))
            return  # a rank that failed did no more
        _judge_stage(Stage(stage, single, [rank[0] for rank in ranks], case, runs), into)


@dataclass(frozen=True)
class Stage:
    """One stage, in one process and on ranks."""

    name: str
    single: Sequence[SharedPass]
    shared: Sequence[SharedPass]
    case: CaseFacts
    runs: Runs

    @property
    def alone(self) -> dict[str, EvaluationPass]:
        return {one.done.batching.label: one.done for one in self.single}

    @property
    def ranks(self) -> list[EvaluationPass]:
        return [one.done for one in self.shared]

    @property
    def world(self) -> str:
        return f"{len(self.shared)} gloo ranks, CPU, fp32"

    def parts(self, name: str, true: float) -> tuple[float, ...]:
        """The value of each of two ranks' samples alone."""
        return tuple(self.alone[f"shard {n}"].values.get(name, true) for n in range(WORLDS[0]))

    def parts_of_all(self, name: str, true: float) -> tuple[float, ...]:
        """That of each rank's samples; where there are more than two, they are asked for now."""
        if len(self.shared) == WORLDS[0]:
            return self.parts(name, true)
        passes = [one.done for one in self.runs.alone(len(self.shared)).passes]
        return tuple(one.values.get(name, true) for one in passes if one.stage == self.name)

    def same_samples(self) -> bool:
        """Whether ranks were served what one process was, each at its place where that is known: a
        data set that draws for itself gives to all of them what it happens to draw next."""
        whole = next(one for one in self.single if one.done.batching.label == WHOLE)
        if all(one.placed for one in (whole, *self.shared)):
            return set().union(*(one.placed for one in self.shared)) == set(whole.placed)
        served = set().union(*(one.served for one in self.shared))
        return served == set(whole.served)


def _judge_stage(stage: Stage, into: Gathering) -> None:
    into.notes += padding(stage.name, stage.single[0].population)
    events = [done.events for done in stage.ranks]
    mixed = list(mixed_keys(events, [done.values for done in stage.ranks]))
    into.findings += [pairing_finding(one, events, stage.world, stage.case) for one in mixed]
    if not stage.same_samples():
        into.undecided.append(
            Note(
                stage.name,
                f"{in_words(len(stage.shared))} ranks were served other samples than one "
                "process, so their values cannot be compared",
            )
        )
        return
    told = {name for one in mixed for name in one.names}
    for name in stage.alone[WHOLE].values:
        if name not in told:
            _judge_value(name, stage, into)


def _judge_value(name: str, stage: Stage, into: Gathering) -> None:
    alone, case = stage.alone, stage.case
    true, usual = alone[WHOLE].values[name], alone[USUAL].values.get(name)
    if name in case.batch_dependent:
        declared = f"declared to depend on the batches ({case.batch_dependent[name]})"
        into.untriggered.append(Note(name, f"{declared}, which ranks cut differently"))
        return
    within = value_tolerance(case, name, true, _values(alone[USUAL].events, name))
    random = random_part(name, alone, case)
    if usual is None or not same(usual, true, within):
        moves = Note(name, "moves with the batches in one process already")
        into.undecided.append(random or moves)
        return
    value = _ranked(name, stage, true, within)
    if value.right:
        _pass(value, stage, into)
    elif random:
        into.undecided.append(random)
    elif (own := _lightnings_own(value, stage)) is not None:
        into.passed += 1
        into.notes.append(own)
    else:
        parts = stage.parts_of_all(name, true)
        into.findings.append(finding_of(replace(value, parts=parts), case))


def _pass(value: RankedValue, stage: Stage, into: Gathering) -> None:
    if not any(far(part, value.true, value.within) for part in value.parts):
        reason = "each rank's part alone has the value of all samples, or nearly: too near to tell"
        into.untriggered.append(Note(value.name, reason))
        return
    into.passed += 1
    place = line_of(value.events, value.name, stage.case)
    into.clear(RULED_OUT, place, value.evidence(), stage.case.module)


def _ranked(name: str, stage: Stage, true: float, within: float) -> RankedValue:
    speaking = _speaking(stage.ranks, name)
    return RankedValue(
        stage=stage.name,
        name=name,
        logged=tuple(done.values.get(name) for done in speaking),
        ranks=len(stage.ranks),
        parts=stage.parts(name, true),
        true=true,
        within=within,
        world=stage.world,
        events=tuple(event for done in speaking for event in done.events),
        sizes=stage.ranks[0].batching.sizes,
    )


def _lightnings_own(value: RankedValue, stage: Stage) -> Note | None:
    """The note on a value that is wrong because Lightning cuts off a sum of weights."""
    cut = truncated(value.name, [done.events for done in stage.ranks])
    if cut is None or not value.all_are(cut[0]):
        return None
    return Note(
        value.name,
        f"Lightning's own, not the module's ({TRUNCATION}): {shown(cut[0])} was "
        f"logged on {in_words(value.ranks)} ranks, the truth is {shown(value.true)}; {cut[1]}, "
        "and the mean of these whole numbers is cut off; that of a torchmetrics object is not",
    )


def _speaking(ranks: Sequence[EvaluationPass], name: str) -> Sequence[EvaluationPass]:
    """The ranks whose value of a key counts: with rank_zero_only=True the first alone, whatever
    the others log or not (Lightning's ``docs/source-pytorch/extensions/logging.rst``)."""
    calls = deciding(ranks[0].events, name)
    alone = bool(calls) and all(event.rank_zero_only for event in calls)
    return ranks[:1] if alone else ranks


def _values(events: Sequence[LogEvent], name: str) -> list[float]:
    return [event.value for event in deciding(events, name) if event.value is not None]
