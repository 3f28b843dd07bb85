"""Is a logged value the same on every rank, and that of all their samples together?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from pl_lint.checks.registry import Gathering, Result, Runs, check
from pl_lint.checks.sync_dist.crashed_ranks import crash
from pl_lint.checks.values.lines import deciding, line_of
from pl_lint.checks.values.numbers import far, same, shown
from pl_lint.checks.values.randomness import random_part, value_tolerance
from pl_lint.facts.events import USUAL, WHOLE, CaseFacts, EvaluationPass, LogEvent
from pl_lint.findings import Evidence, Finding, Location, Status

RULED_OUT = ("LTN106", "LTN109", "LTN211")


@check("sync-dist", place=40)
def sync_dist(runs: Runs) -> Result:
    """Two processes log what one process logs on the same samples.

    What it promises:
    The epoch values of validation and test are the same on both ranks, and equal to those of one
    process that sees all samples; of a key that is logged with rank_zero_only=True, rank 0's value
    is.

    How it is judged:
    48 samples are evaluated with the same weights in one process and on two real gloo ranks, dealt
    out in turn as DistributedSampler does, so many that no rank is padded. Each rank's part is also
    evaluated alone in one process: a rank that logs the value of its own part forgot to synchronise
    (LTN106 in a step, LTN211 for Python lists at the end of an epoch); ranks that agree on the mean
    of their parts' values averaged something that cannot be averaged (LTN109).

    What it sets aside:
    A value that moves with the batches in one process already is wrong for another reason, which
    `logged-values` reports; one that differs between two seeds is not decided, and one that the
    case declares to depend on the batches is not compared.

    When it passes:
    Only if one rank's part alone has another value than all samples; otherwise 'not triggered'.
    """
    case, gathering = runs.case(), Gathering()
    for stage in ("validate", "test"):
        if stage in case.stages:
            _judge_stage(runs, stage, case, gathering)
    return gathering.result("the module has no validation or test to share between ranks")


def _judge_stage(runs: Runs, stage: str, case: CaseFacts, into: Gathering) -> None:
    alone = {done.batching.label: done for done in runs.shared_out(stage).passes}
    failed = next((done for done in alone.values() if done.error is not None), None)
    if failed is not None:
        into.undecided.append(f"{stage} in one process: {failed.error}")
        return
    ranks = runs.on_ranks(stage)
    if any(record.passes[0].error for record in ranks):
        into.findings.append(crash([record.passes[0] for record in ranks], stage, case))
        return
    for name in alone[WHOLE].values:
        _judge_value(name, alone, [record.passes[0] for record in ranks], case, into)


def _judge_value(
    name: str,
    alone: Mapping[str, EvaluationPass],
    ranks: Sequence[EvaluationPass],
    case: CaseFacts,
    into: Gathering,
) -> None:
    true, usual = alone[WHOLE].values[name], alone[USUAL].values.get(name)
    if name in case.batch_dependent:
        declared = f"declared to depend on the batches ({case.batch_dependent[name]})"
        into.untriggered.append(f"{name}: {declared}, which two ranks cut differently")
        return
    within = value_tolerance(case, name, true, _values(alone[USUAL].events, name))
    random = random_part(name, alone, case)
    if usual is None or not same(usual, true, within):
        moves = f"{name}: moves with the batches in one process already"
        into.undecided.append(random or moves)
        return
    ranks = _speaking(ranks, name)
    logged = [done.values.get(name) for done in ranks]
    parts = [alone[f"shard {rank}"].values.get(name, true) for rank in range(len(ranks))]
    events = [event for done in ranks for event in done.events]
    location = line_of(events, name, case)
    evidence = _evidence(name, logged, true, within)
    if all(value is not None and same(value, true, within) for value in logged):
        if not any(far(part, true, within) for part in parts):
            into.untriggered.append(f"{name}: each rank's part alone has the value of all samples")
            return
        into.passed += 1
        into.clear(RULED_OUT, location, evidence, case.module)
        return
    if random:
        into.undecided.append(random)
        return
    into.findings.append(_finding(name, logged, parts, evidence, events, location, case))


def _speaking(ranks: Sequence[EvaluationPass], name: str) -> Sequence[EvaluationPass]:
    """The ranks whose value of a key counts: with rank_zero_only=True the first alone, whatever
    the others log or not (Lightning's ``docs/source-pytorch/extensions/logging.rst``)."""
    calls = deciding(ranks[0].events, name)
    alone = bool(calls) and all(event.rank_zero_only for event in calls)
    return ranks[:1] if alone else ranks


def _values(events: Sequence[LogEvent], name: str) -> list[float]:
    return [event.value for event in deciding(events, name) if event.value is not None]


def _finding(
    name: str,
    logged: Sequence[float | None],
    parts: Sequence[float],
    evidence: Evidence,
    events: Sequence[LogEvent],
    location: Location,
    case: CaseFacts,
) -> Finding:
    code, cause, remedy = _cause(name, logged, parts, evidence.tolerance, events)
    values = " and ".join("nothing" if value is None else shown(value) for value in logged)
    where = "two ranks" if len(logged) > 1 else "rank 0, which logs it for all"
    wrong = not same(evidence.logged, evidence.true, evidence.tolerance)
    return Finding(
        code=code,
        message=f"{name!r} was logged as {values} on {where}, the truth is "
        f"{shown(evidence.true)}: {cause}",
        location=location,
        status=Status.PROVED,
        remedy=remedy,
        subject=case.module,
        evidence=(replace(evidence, cause=cause),) if wrong else (),
    )


def _cause(
    name: str,
    logged: Sequence[float | None],
    parts: Sequence[float],
    within: float,
    events: Sequence[LogEvent],
) -> tuple[str, str, str]:
    """The code, the formula in words and the remedy of what the ranks logged."""
    calls = deciding(events, name)
    at_epoch_end = any(event.batch < 0 for event in calls)
    values = [value for value in logged if value is not None]
    mean = sum(parts) / len(parts)
    if len(values) < len(logged):
        who = "one rank logs it and another does not" if values else "neither of them logs it"
        return "sync-dist", who, "log the same keys on every rank"
    if len(values) == 1 and same(values[0], parts[0], within):
        return "LTN106", "the value of that rank's own samples", _GATHER
    if all(same(v, part, within) for v, part in zip(values, parts, strict=True)):
        if at_epoch_end:
            return "LTN211", "each rank logs the value of its own samples", _GATHER
        return "LTN106", "each rank logs the mean of its own samples", _SYNC.format(name=name)
    if all(same(value, mean, within) for value in values):
        from_metric = any(event.origin for event in calls)
        code = "LTN211" if at_epoch_end and not from_metric else "LTN109"
        return code, f"the mean of both ranks' own values is {shown(mean)}", _GATHER
    return "LTN100", "no known mistake reproduces these numbers", _GATHER


_SYNC = "self.log({name!r}, ..., sync_dist=True)"
_GATHER = (
    "keep the samples in a torchmetrics object, which gathers them from all ranks, or gather them "
    "with self.all_gather before computing"
)


def _evidence(name: str, logged: Sequence[float | None], true: float, within: float) -> Evidence:
    first = next((v for v in logged if v is not None and not same(v, true, within)), logged[0])
    return Evidence(
        key=name,
        logged=true if first is None else first,
        true=true,
        tolerance=within,
        world="2 gloo ranks, CPU, fp32",
        how="the same 48 samples, or as many as there are, shared by two ranks; the truth is one "
        "process with all of them",
    )
