"""Does the module survive half precision?"""

from __future__ import annotations

import math

from pl_lint.checks.precision import script as scripts
from pl_lint.checks.precision.compared import FULL_MATH, Reference, judge_fp32, judge_values
from pl_lint.checks.precision.refused import judge_error
from pl_lint.checks.precision.rounding import not_finite, truth
from pl_lint.checks.precision.scaling import judge_clipping
from pl_lint.checks.precision.spelling import EPSILON, Spelling
from pl_lint.checks.registry import Gathering, Result, Runs, check
from pl_lint.checks.values.randomness import random_part
from pl_lint.facts.events import (
    USUAL,
    Batching,
    CaseFacts,
    EvaluationPass,
    Note,
    sentence,
)
from pl_lint.facts.records import Overflow, PrecisionRecord

DIVISIONS = ("div", "reciprocal", "rsqrt", "log")


@check("precision", place=100)
def precision(runs: Runs) -> Result:
    """Under bf16-mixed and fp16-mixed the module logs finite values close to those of fp32.

    What it promises:
    A few training steps and an evaluation with fp32-trained weights run in both mixed precisions,
    and in bf16-true where the case or a Trainer of the project trains so; every logged value and
    every loss that is finite in fp32 stays finite; no metric keeps its state in half precision, and
    no number that the module adds up by hand is in it; no gradients are clipped while a GradScaler
    has them scaled; and evaluation values stay within 16 roundings of the format: 6 % with bf16,
    0.8 % with fp16, of the value, of the largest of the batches that it was averaged from, or of
    its distance to the value of half the samples, whichever is larger. A small value may move by
    one rounding of a number of the order of one (4e-3 and 5e-4) as long as half of it is left, and
    a squared error be as large as rounded predictions make it (2.4e-4 and 4e-6). A count such as an
    accuracy or an F1 may be off by two samples more. What moves farther is held against its own
    sensitivity: a value that moves as far in fp32, when each weight is moved by chance by up to 8
    roundings of the format, was not computed badly. Pixels near a boundary, a threshold that is
    chosen anew and a nearest neighbour are decided otherwise by the smallest change. fp32 itself is
    held in the same way against 64-true: a value that keeps few digits there has none in half.

    How it is judged:
    On the CPU, with a real GradScaler for fp16, and with CUDA's autocast in place of the CPU's: the
    same operations run in half precision and the same ones in fp32, and binary cross entropy of
    probabilities is refused. The first operation in half precision that makes NaN or Inf out of
    finite inputs is named, with its line; constants such as the -inf of a mask are none. What only
    matters to those who train so (binary cross entropy, clipping, sums by hand, bf16-true) fails
    where the case's Trainer arguments or a Trainer of the project say so, and is a note elsewhere.
    With `--pl-gpus 1` all of this runs on a real GPU, as Lightning runs it there, and so does fp32,
    of which 16 roundings of TF32 (0.8 %) are allowed: many GPUs multiply in that. This has not been
    tried on a GPU yet.

    When it cannot say:
    An operation that has no half-precision kernel on the CPU, a module that is too slow on this
    CPU to be done within the time limit (`--pl-timeout`), and one that fails in fp32 as well when
    its batches are cut in another way. What Lightning refuses to run in half
    precision (LBFGS), and a step without any gradient, which a GradScaler refuses and fp32 makes,
    are not decided either. Steps that a GradScaler skips while it looks for its scale are meant.

    No script stands under:
    What fp16 does: Lightning refuses 16-mixed on a CPU, where pl-lint puts a real GradScaler into
    its place.
    """
    case, gathering = runs.case(), Gathering()
    stage = next((stage for stage in ("validate", "test") if stage in case.stages), "")
    failing = sorted({"fit", "validate", "test"} & set(runs.smoke().errors))
    if failing:
        gathering.undecided.append(
            sentence(f"{failing[0]} fails in fp32 already; see fast-dev-run")
        )
        return gathering.result("")
    reference = _reference(runs, stage, case, gathering)
    judge_fp32(reference, gathering)
    for spelling in (Spelling(name, runs, case) for name in EPSILON):
        if spelling.concerns:
            _judge(spelling, reference, gathering)
    return gathering.result("nothing is logged that fp32 could be compared with")


def _reference(runs: Runs, stage: str, case: CaseFacts, into: Gathering) -> Reference:
    evaluations = runs.rebatched(stage).passes if stage else ()
    lost = not_finite(evaluations)
    if "train" in case.stages:
        fit = runs.fit()
        lost |= not_finite([EvaluationPass("fit", Batching("fit", ()), events=fit.events)])
        lost |= {n for epoch in fit.epochs for n, v in epoch.values.items() if not math.isfinite(v)}
    passes = {done.batching.label: done for done in evaluations}
    values = passes[USUAL].values if USUAL in passes else {}
    random = {name: random_part(name, passes, case) for name in values}
    into.undecided += [reason for reason in random.values() if reason]
    truths = {n: truth(n, passes, case) for n in sorted(values) if not random[n] and n not in lost}
    raised = [done.error for done in evaluations if done.error is not None]
    return Reference(runs, stage, truths, frozenset(lost), tuple(raised))


def _judge(spelling: Spelling, reference: Reference, into: Gathering) -> None:
    record = spelling.runs.in_precision(spelling.name)
    judge_clipping(spelling, record, into)
    if record.error is not None:
        judge_error(spelling, record.error, reference.raised, into)
        return
    _judge_states(spelling, record, into)
    lost = _not_finite(record, reference)
    if record.overflow is not None and (lost or record.lost):
        _judge_overflow(spelling, lost, record, record.overflow, into)
        return
    into.undecided += [
        Note(spelling.name, f"{n!r} is not finite, and no operation made it so") for n in lost
    ]
    judge_values(spelling, set(lost), record, reference, into)


def _judge_states(spelling: Spelling, record: PrecisionRecord, into: Gathering) -> None:
    if record.half_states:
        states = ", ".join(record.half_states)
        text = f"under {spelling} metrics keep states in half precision: {states}"
        script = scripts.states(spelling.case.building, text, spelling.name)
        into.findings.append(spelling.found("LTN209", text, _FULL_STATE, script=script))
    for name, line in record.half_sums.items():
        text = f"under {spelling} each batch is added in half precision to self.{name}"
        into.findings.append(spelling.found("LTN210", text, _FULL_SUM, line))


def _not_finite(record: PrecisionRecord, reference: Reference) -> list[str]:
    """The logged keys that are not finite here, and finite in fp32, in the order of their calls."""
    events = (e for e in record.events if e.value is not None and not math.isfinite(e.value))
    return list(dict.fromkeys(e.name for e in events if e.name not in reference.not_finite))


def _judge_overflow(
    spelling: Spelling, lost: list[str], record: PrecisionRecord, first: Overflow, into: Gathering
) -> None:
    """A value that is logged, or a loss that nobody logs: a GradScaler skips its step, and says
    nothing; without one the weights are gone."""
    what = f"{lost[0]!r} is logged as not finite" if lost else _lost_losses(record)
    text = f"under {spelling} {what}; the first overflow is in {first.operation} on {first.dtype}"
    divided = first.operation in DIVISIONS
    code, remedy = ("LTN604", _LARGER_EPS) if divided else ("LTN606", FULL_MATH)
    building = spelling.case.building
    script = scripts.values(building, text, spelling.name, lost[0]) if lost else ""
    into.findings.append(spelling.found(code, text, remedy, first.location, script=script))


def _lost_losses(record: PrecisionRecord) -> str:
    return f"the loss of {record.lost} of {record.batches} training batches is not finite"


_FULL_STATE = (
    "keep metrics out of .half() and bf16-true conversions: metric.set_dtype(torch.float32)"
)
_FULL_SUM = "keep sums and counts in float32: self.total += value.detach().float()"
_LARGER_EPS = "an epsilon below 6e-8 is zero in fp16: use a larger one, or divide in float32"
