"""Is each epoch value that was logged the truth about the data it is computed on?"""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.checks.causes import Cause, Moved, cause_in_replay, cause_of_moving
from pl_lint.checks.lines import line_of
from pl_lint.checks.numbers import far, same, shown, sizes_in_words
from pl_lint.checks.randomness import random_part, value_tolerance
from pl_lint.checks.registry import Gathering, Result, Runs, check
from pl_lint.facts.events import (
    ALL_BUT_ONE,
    HALF,
    ONES,
    SHUFFLED,
    USUAL,
    WHOLE,
    CaseFacts,
    EpochValues,
    EvaluationPass,
    LogEvent,
    Replay,
    RunRecord,
)
from pl_lint.findings import Evidence, Finding, Location, Status

ONE_PROCESS = "1 process, CPU, fp32"
# What a true value under re-batching and replay rules out for its line.
RULED_OUT = ("LTN101", "LTN102", "LTN103", "LTN104", "LTN203", "LTN213", "LTN218")
# The first is the cut whose numbers are shown: it is closest to how people run.
UNEVEN = (USUAL, ALL_BUT_ONE, ONES, SHUFFLED)


@check("logged-values")
def logged_values(runs: Runs) -> Result:
    """Each epoch value that was logged is the truth about its data.

    What it promises:
    The number that `self.log` wrote for an epoch of validation or test is a property of the data
    set: it does not depend on how the samples were cut into batches. The number that a torchmetrics
    object gave is the metric of exactly this epoch's inputs.

    How it is judged:
    The module is trained a little, so that its predictions vary. Then 47 samples are evaluated with
    the same weights in batches of 47, 16, 46, 1, and in another order; a right value moves by less
    than 1e-6, a batch-averaged metric by 1e-3 and more. The inputs of every torchmetrics metric are
    recorded and given once to a fresh, reset clone; training values are judged that way too. Batch
    sizes are counted by pl-lint's own loader, never taken from Lightning.

    What it can say:
    A wrong value is reported with the mistake whose formula reproduces it: an averaged `compute()`
    (LTN101), an averaged forward value (LTN102, LTN213), an averaged function (LTN103), a wrong
    batch size (LTN104), batch means without weights (LTN218), a metric shared between stages
    (LTN201), one that is never reset (LTN203) or still holds the sanity check's batches (LTN204). A
    ratio inside the batch, such as a loss with `ignore_index`, moves a little when batches change;
    it is a note (LTN105), not a failure.

    When it passes:
    Only if a mistake could have shown: the per-batch values differ, or a known mistake's formula is
    far from the truth on this very data. Otherwise the check says 'not triggered'.

    When to declare instead:
    A quantity that is meant to depend on the batch, such as a contrastive loss, is declared per
    key:
    `@pl_lint.case(batch_dependent={"val_loss": "InfoNCE compares the samples of a batch"})`.
    """
    case, gathering = runs.case(), Gathering()
    if "train" in case.stages:
        for replay in _most_telling(runs.fit(), case):
            _judge_replay(replay, runs.fit(), case, gathering)
    if {"train", "validate"} <= set(case.stages):
        _judge_sanity_check(runs, case, gathering)
    for stage in ("validate", "test"):
        if stage in case.stages:
            _judge_rebatching(runs.rebatched(stage), case, gathering)
    return _merged(gathering).result("the module logs no epoch value")


# --- replayed metrics -----------------------------------------------------------------------------


def _most_telling(record: RunRecord, case: CaseFacts) -> Iterator[Replay]:
    """One replay of each key: the last wrong one (what earlier epochs left behind shows in the
    last, what the sanity check left may show in the first only), else the last."""
    chosen: dict[tuple[str, str], Replay] = {}
    for replay in record.replays:
        key = (replay.stage, replay.name)
        if key not in chosen or not _is_true(replay, case) or _is_true(chosen[key], case):
            chosen[key] = replay
    yield from chosen.values()


def _is_true(replay: Replay, case: CaseFacts) -> bool:
    return same(replay.logged, replay.true, value_tolerance(case, replay.name, replay.true))


def _judge_replay(replay: Replay, record: RunRecord, case: CaseFacts, into: Gathering) -> None:
    within = value_tolerance(case, replay.name, replay.true)
    location = _location(record.events, replay.name, replay.stage, case)
    evidence = Evidence(
        key=replay.name,
        logged=replay.logged,
        true=replay.true,
        tolerance=within,
        world=ONE_PROCESS,
        how=f"epoch {replay.epoch} of a fit, {_STAGE_WORDS[replay.stage]}; the truth is a fresh "
        f"{replay.metric_class} given the same batches once",
    )
    if same(replay.logged, replay.true, within):
        powerful = any(far(value, replay.true, within) for value in replay.formulas.values())
        _note_power(powerful, replay.name, into)
        return
    cause = cause_in_replay(replay)
    into.findings.append(_finding(cause, replay.name, evidence, location, case))


# --- the sanity check -----------------------------------------------------------------------------


def _judge_sanity_check(runs: Runs, case: CaseFacts, into: Gathering) -> None:
    """Whatever it is kept in, what the sanity check leaves behind changes what fit logs: Lightning
    restores the random state after it, so the same fit without it logs the same values."""
    fit, without = runs.fit(), runs.fit_without_sanity_check()
    if fit.digests != without.digests:  # not only the log is touched: see `reproducible`
        return
    clean = {(e.stage, e.epoch, name): v for e in without.epochs for name, v in e.values.items()}
    for epoch in fit.epochs:
        for name, logged in epoch.values.items():
            true = clean.get((epoch.stage, epoch.epoch, name), logged)
            within = value_tolerance(case, name, true)
            if not same(logged, true, within) and not _is_python_number(name, fit):
                into.findings.append(_contaminated(name, logged, true, epoch, fit, case))


def _is_python_number(name: str, record: RunRecord) -> bool:
    return any(event.python_number for event in record.events if event.name == name)


def _contaminated(
    name: str, logged: float, true: float, epoch: EpochValues, record: RunRecord, case: CaseFacts
) -> Finding:
    evidence = Evidence(
        key=name,
        logged=logged,
        true=true,
        tolerance=value_tolerance(case, name, true),
        world=ONE_PROCESS,
        how=f"epoch {epoch.epoch} of a fit; the truth is the same fit without the sanity check",
    )
    cause = Cause(
        "LTN204",
        "the batches of the sanity check are still in it",
        "clear what validation collects in on_train_start, or leave it alone while "
        "self.trainer.sanity_checking",
    )
    return _finding(cause, name, evidence, _location(record.events, name, epoch.stage, case), case)


# --- re-batching ----------------------------------------------------------------------------------


def _judge_rebatching(record: RunRecord, case: CaseFacts, into: Gathering) -> None:
    passes = {done.batching.label: done for done in record.passes}
    whole = passes[WHOLE]
    if whole.error is not None:
        into.undecided.append(f"{whole.stage}: {_unusable(whole)}")
        return
    cuts = [passes[label] for label in UNEVEN if label in passes and passes[label].error is None]
    if not cuts:
        into.undecided.append(f"{whole.stage}: {_unusable(passes[USUAL])}")
        return
    for name in whole.values:
        _judge_value(name, whole, cuts, passes, case, into)


def _unusable(done: EvaluationPass) -> str:
    error = done.error
    assert error is not None
    if error.kind == "NotRebuilt":
        return f"its data cannot be cut into other batches: {error.message}"
    cut = sizes_in_words(done.batching.sizes) if done.batching.sizes else "the samples cut anew"
    return f"evaluating {cut} raised {error}"


def _judge_value(
    name: str,
    whole: EvaluationPass,
    cuts: list[EvaluationPass],
    passes: dict[str, EvaluationPass],
    case: CaseFacts,
    into: Gathering,
) -> None:
    true = whole.values[name]
    known = [cut for cut in cuts if name in cut.values]
    if name in case.batch_dependent:
        into.notes.append(f"{name}: declared batch-dependent ({case.batch_dependent[name]})")
        return
    if not known:
        into.undecided.append(
            random_part(name, passes, case) or f"{name}: logged in one batch only"
        )
        return
    steps = [e.value for cut in known for e in cut.events if e.name == name and e.value is not None]
    within = value_tolerance(case, name, true, steps)
    worst = _worst(name, known, true, within)
    location = _location(worst.events, name, whole.stage, case)
    evidence = _evidence(name, worst, whole, within)
    if same(worst.values[name], true, within):
        powerful = _has_power(name, whole, known, passes, within)
        _note_power(powerful, name, into)
        if powerful:
            into.clear(RULED_OUT, location, evidence, case.module)
        return
    random = random_part(name, passes, case)
    if random:
        into.undecided.append(random)
        return
    ones = passes[ONES].values.get(name) if ONES in passes else None
    moved = Moved(name, worst.values[name], true, worst, whole, ones)
    into.findings.append(_finding(cause_of_moving(moved), name, evidence, location, case))


def _worst(name: str, cuts: list[EvaluationPass], true: float, within: float) -> EvaluationPass:
    """The cut to show: the usual one if it is wrong, else the one that is furthest off."""
    usual = cuts[0]
    if not same(usual.values[name], true, within):
        return usual
    return max(
        cuts,
        key=lambda cut: (
            0.0 if same(cut.values[name], true, within) else abs(cut.values[name] - true)
        ),
    )


def _has_power(
    name: str,
    whole: EvaluationPass,
    cuts: list[EvaluationPass],
    passes: dict[str, EvaluationPass],
    within: float,
) -> bool:
    """Could a mistake have shown? A known formula is far off, or the quantity varies with its
    data."""
    true = whole.values[name]
    formulas = [
        v for cut in cuts for r in cut.replays if r.name == name for v in r.formulas.values()
    ]
    steps = [e.value for cut in cuts for e in cut.events if e.name == name and e.value is not None]
    half = passes[HALF].values.get(name, true) if HALF in passes else true
    return any(far(value, true, within) for value in [*formulas, *steps, half])


# --- shared ---------------------------------------------------------------------------------------

_STAGE_WORDS = {"train": "training", "validate": "validation", "test": "test"}


def _note_power(powerful: bool, name: str, into: Gathering) -> None:
    if powerful:
        into.passed += 1
    else:
        into.untriggered.append(f"{name}: every known mistake would have logged the same number")


def _location(events: tuple[LogEvent, ...], name: str, stage: str, case: CaseFacts) -> Location:
    return line_of((event for event in events if event.stage == stage), name, case)


def _evidence(name: str, cut: EvaluationPass, whole: EvaluationPass, within: float) -> Evidence:
    order = " in another order" if cut.batching.shuffled else ""
    return Evidence(
        key=name,
        logged=cut.values[name],
        true=whole.values[name],
        tolerance=within,
        world=ONE_PROCESS,
        how=f"{_STAGE_WORDS[cut.stage]}: {sizes_in_words(cut.batching.sizes)}{order}; the truth is "
        "all samples in one batch",
    )


def _finding(
    cause: Cause, name: str, evidence: Evidence, location: Location, case: CaseFacts
) -> Finding:
    evidence = Evidence(**{**vars(evidence), "cause": cause.formula})
    return Finding(
        code=cause.code,
        message=f"{name!r} was logged as {shown(evidence.logged)}, the truth is "
        f"{shown(evidence.true)}: {cause.formula}",
        location=location,
        status=Status.PROVED if cause.counts else Status.SUSPECTED,
        remedy=cause.remedy.replace("KEY", name),
        subject=case.module,
        evidence=(evidence,),
    )


# What is also true of a value with a deeper cause: an unexplained number, and a metric that is
# never reset holds the sanity check's batches too.
_SECONDARY = ("LTN100", "LTN204")


def _merged(gathering: Gathering) -> Gathering:
    """One finding per key and cause, and none of the secondary ones where a deeper cause is
    found."""
    explained = {f.evidence[0].key for f in gathering.findings if f.code not in _SECONDARY}
    unique: dict[tuple[str, str], Finding] = {}
    for finding in gathering.findings:
        key = finding.evidence[0].key
        if finding.code not in _SECONDARY or key not in explained:
            unique.setdefault((finding.code, key), finding)
    gathering.findings = list(unique.values())
    wrong = {finding.evidence[0].key for finding in gathering.findings}
    gathering.cleared = [
        ruling for ruling in gathering.cleared if ruling.evidence[0].key not in wrong
    ]
    gathering.notes += [f.message for f in gathering.findings if not f.counts_for_runner]
    return gathering
