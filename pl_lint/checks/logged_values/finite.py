"""NaN or Inf in a logged value: which key, which batch, and what made it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pl_lint.checks.logged_values.reporting import STAGE_WORDS, place_of
from pl_lint.checks.registry import Gathering, Runs
from pl_lint.checks.values.evidence import ONE_PROCESS
from pl_lint.checks.values.numbers import shown, sizes_in_words
from pl_lint.facts.events import (
    ONES,
    USUAL,
    CaseFacts,
    EpochValues,
    EvaluationPass,
    LogEvent,
    Note,
    NotFinite,
    Replay,
)
from pl_lint.findings import Evidence, Finding, Location, Status


@dataclass(frozen=True)
class Watched:
    """What one run logged under one key in one stage."""

    name: str
    stage: str
    events: Sequence[LogEvent]
    epochs: Sequence[EpochValues]
    replays: Sequence[Replay]

    @property
    def values(self) -> list[float]:
        """All of them, in the order in which they came, those of an epoch last."""
        steps = [event.value for event in self.events if event.value is not None]
        return [*steps, *(epoch.values[self.name] for epoch in self.epochs)]

    @property
    def first(self) -> float:
        return next(value for value in self.values if not math.isfinite(value))

    @property
    def event(self) -> LogEvent | None:
        """The call that logged it; none where a metric's value came out so at the epoch's end."""
        logged = (e for e in self.events if e.value is not None and not math.isfinite(e.value))
        return next(logged, None)

    @property
    def undefined(self) -> Replay | None:
        """The metric, if it is not defined on inputs that are finite."""
        broken = (r for r in self.replays if not math.isfinite(r.logged))
        return next((r for r in broken if r.finite_inputs and not math.isfinite(r.true)), None)

    @property
    def misused(self) -> bool:
        """Whether the metric was never given a batch, or is a number of the batches it was given:
        then it is not the data, and the replay of the metric says what it is."""
        broken = [r for r in self.replays if not math.isfinite(r.logged)]
        return any("LTN133" in r.formulas or math.isfinite(r.true) for r in broken)

    @property
    def broken_inputs(self) -> bool:
        return any(not replay.finite_inputs for replay in self.replays)

    @property
    def when(self) -> str:
        event, stage = self.event, STAGE_WORDS[self.stage]
        if event is not None and event.batch >= 0:
            return f"in batch {event.batch} of epoch {event.epoch}, {stage}"
        broken = (e.epoch for e in self.epochs if not math.isfinite(e.values[self.name]))
        epoch = event.epoch if event is not None else next(broken)
        return f"at the end of epoch {epoch}, {stage}"


def judge_finite(runs: Runs, case: CaseFacts, into: Gathering) -> frozenset[str]:
    """The keys that were not finite, of which no other oracle can say anything."""
    keys: set[str] = set()
    if "train" in case.stages:
        fit = runs.fit()
        for watched in _not_finite(fit.events, fit.epochs, fit.replays):
            if watched.misused:
                continue
            keys.add(watched.name)
            _judge(watched, _of(watched, runs.fit_followed().not_finite), case, into)
    for stage in ("validate", "test"):
        if stage not in case.stages:
            continue
        usual = next(p for p in runs.rebatched(stage).passes if p.batching.label == USUAL)
        for watched in _in_pass(usual):
            if watched.name not in keys and not watched.misused:
                followed = runs.evaluation_followed(stage).passes[0].not_finite
                _judge(watched, _of(watched, followed), case, into)
                keys.add(watched.name)
    return frozenset(keys)


def judge_served(
    runs: Runs, stage: str, known: frozenset[str], case: CaseFacts, into: Gathering
) -> None:
    """Small batches, or a rare one among all samples, may hold nothing to divide by. Only the
    user's own count: what shows in none of one sample is not looked for, so that a module without
    NaN pays nothing."""
    ones = next(p for p in runs.rebatched(stage).passes if p.batching.label == ONES)
    if all(watched.name in known for watched in _in_pass(ones)):
        return
    for own in runs.served(stage).passes:
        for watched in _in_pass(own):
            if watched.name not in known and not watched.misused:
                followed = runs.served_followed(stage).passes
                made = _of(watched, followed[0].not_finite if followed else ())
                _judge(watched, made, case, into, _as_served(own))


def _as_served(own: EvaluationPass) -> str:
    return f", {sizes_in_words(own.batching.sizes)} as the loader makes them"


def _in_pass(done: EvaluationPass) -> Iterator[Watched]:
    epochs = (EpochValues(done.stage, 0, done.values),)
    return _not_finite(done.events, epochs, done.replays) if done.error is None else iter(())


def _not_finite(
    events: Sequence[LogEvent], epochs: Sequence[EpochValues], replays: Sequence[Replay]
) -> Iterator[Watched]:
    """The keys with a value that is not finite, by stage."""
    own = [event for event in events if not event.sanity]
    for stage, name in dict.fromkeys((event.stage, event.name) for event in own):
        watched = Watched(
            name,
            stage,
            [event for event in own if (event.stage, event.name) == (stage, name)],
            [epoch for epoch in epochs if epoch.stage == stage and name in epoch.values],
            [replay for replay in replays if (replay.stage, replay.name) == (stage, name)],
        )
        if not all(map(math.isfinite, watched.values)):
            yield watched


def _of(watched: Watched, followed: Sequence[NotFinite]) -> NotFinite:
    found = (each for each in followed if (each.stage, each.name) == (watched.stage, watched.name))
    return next(found, NotFinite(watched.name, watched.stage))


def _judge(
    watched: Watched, made: NotFinite, case: CaseFacts, into: Gathering, how: str = ""
) -> None:
    said = f"{watched.name}: {shown(watched.first)} {watched.when}"
    metric = watched.undefined
    if metric is not None:
        into.notes.append(
            Note(said, f"{metric.metric_class} is undefined on its inputs, all finite")
        )
    elif made.in_metric:
        into.notes.append(
            Note(said, f"torchmetrics' {made.operation}, on finite inputs: undefined")
        )
    elif math.isinf(watched.first) and not _is_computed(watched, made):
        into.notes.append(Note(said, "no operation made it; it counts as a value to begin with"))
    else:
        into.findings.append(_finding(watched, made, case, how))


def _is_computed(watched: Watched, made: NotFinite) -> bool:
    return bool(made.operation or made.broken or watched.broken_inputs)


def _finding(watched: Watched, made: NotFinite, case: CaseFacts, how: str) -> Finding:
    why = _why(watched, made)
    evidence = Evidence(
        key=watched.name,
        logged=watched.first,
        true=math.nan,
        tolerance=0.0,
        world=ONE_PROCESS,
        how=f"{watched.when}{how}; no number is true here",
        cause=why,
    )
    return Finding(
        code="LTN728",
        message=f"{watched.name!r} was logged as {shown(watched.first)} {watched.when}"
        + (f": {why}" if why else ""),
        location=_place(watched, case),
        status=Status.PROVED,
        remedy=_remedy(made),
        subject=case.module,
        evidence=(evidence,),
    )


def _place(watched: Watched, case: CaseFacts) -> Location:
    event = watched.event
    known = place_of(tuple(watched.events), watched.name, watched.stage, case)
    return event.location if event is not None else known


def _why(watched: Watched, made: NotFinite) -> str:
    if made.operation:
        return f"{made.operation}, at {made.location}, made it out of finite numbers"
    if made.broken:
        return f"the parameter {made.broken} is no longer finite: training has diverged"
    return "the metric was given NaN or Inf" if watched.broken_inputs else ""


def _remedy(made: NotFinite) -> str:
    if made.operation.endswith("of no elements"):
        return "leave out a batch in which nothing is left, or divide sums by counts over the epoch"
    if made.operation == "division by 0":
        return "divide sums by counts once over the epoch, and clamp what you divide by"
    if made.operation.startswith("log") or " of -" in made.operation:
        return "clamp what you give to it, or use a loss that takes logits"
    if made.broken:
        return "lower the learning rate or clip the gradients; EarlyStopping(check_finite=True)"
    return "look at the numbers that go in; torch.autograd.detect_anomaly finds it in the backward"
