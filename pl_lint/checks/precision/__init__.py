"""Does the module survive half precision?"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from pl_lint.checks.precision import script as scripts
from pl_lint.checks.precision.rounding import SHAKEN, STEPS, Truth, not_finite, truth
from pl_lint.checks.proving import found
from pl_lint.checks.registry import Gathering, Result, Runs, check
from pl_lint.checks.values.numbers import shown
from pl_lint.checks.values.randomness import random_part
from pl_lint.facts.autocast import cuda_runs_in_fp32
from pl_lint.facts.events import (
    TIME_LIMIT,
    USUAL,
    Batching,
    CaseFacts,
    EvaluationPass,
    Note,
    RunError,
    sentence,
)
from pl_lint.facts.records import Overflow, PrecisionRecord
from pl_lint.findings import Evidence

# Lightning's spelling, and the distance from 1 to the next number of the format.
EPSILON: Mapping[str, float] = {"bf16-mixed": 2**-8, "16-mixed": 2**-11}
DIVISIONS = ("div", "reciprocal", "rsqrt", "log")
UNDECIDABLE = {
    "not implemented for": "the CPU has no kernel for it",
    "could not create a primitive": "the CPU has no kernel for it",
    "mkldnn": "the CPU has no kernel for it",
    "Half": "CPU autocast casts other operations than CUDA's",
    "BFloat16": "CPU autocast casts other operations than CUDA's",
    "dtype": "CPU autocast casts other operations than CUDA's",
}
"""What in a RuntimeError's message says that a GPU might have run this, and why."""
LIGHTNING = ("lightning", "pytorch_lightning", "lightning_fabric")
SCALER = "torch.amp.grad_scaler"


@check("precision", place=100)
def precision(runs: Runs) -> Result:
    """Under bf16-mixed and fp16-mixed the module logs finite values close to those of fp32.

    What it promises:
    A few training steps and an evaluation with fp32-trained weights run in both mixed precisions;
    every logged value that is finite in fp32 stays finite; no metric keeps its state in half
    precision; and evaluation values stay within 16 roundings of the format: 6 % with bf16, 0.8 %
    with fp16, of the value, of the largest of the batches that it was averaged from, or of its
    distance to the value of half the samples, whichever is larger. A small value may move by one
    rounding of a number of the order of one (4e-3 and 5e-4) as long as half of it is left, and a
    squared error be as large as rounded predictions make it (2.4e-4 and 4e-6). A count such as an
    accuracy or an F1 may be off by two samples more. What moves farther is held against its own
    sensitivity: a value that moves as far in fp32, when each weight is moved by chance by up to 8
    roundings of the format, was not computed badly. Pixels near a boundary, a threshold that is
    chosen anew and a nearest neighbour are decided otherwise by the smallest change.

    How it is judged:
    On the CPU, with a real GradScaler for fp16. The first operation in half precision that makes
    NaN or Inf out of finite inputs is named, with its line; constants such as the -inf of a mask
    are none.

    When it cannot say:
    CPU autocast keeps some operations in half precision that CUDA runs in fp32 (exp, pow, sum,
    softmax, layer norm): an overflow in one of those is not decided, and neither is a module with
    an operation that has no half-precision kernel on the CPU (nn.LSTM), or one that is too slow on
    this CPU to be done within the time limit (`--pl-timeout`). What Lightning refuses to run in
    half precision (LBFGS), and a step without any gradient, which a GradScaler refuses and fp32
    makes, are not decided either.

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
    for spelling in EPSILON:
        record = runs.in_precision(spelling)
        sensitive = _Sensitivity(runs, reference, EPSILON[spelling])
        _judge(spelling, record, sensitive, case, gathering)
    return gathering.result("nothing is logged that fp32 could be compared with")


@dataclass(frozen=True)
class Reference:
    """What fp32 logs on the same samples: the evaluation's values, without those that chance
    decides, and the keys that are not finite there either."""

    stage: str
    truths: Mapping[str, Truth]
    not_finite: frozenset[str]


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
    return Reference(stage, truths, frozenset(lost))


@dataclass(frozen=True)
class _Sensitivity:
    """How far fp32 itself moves a value when the weights are a few roundings off. This takes
    another run, which is asked for only where a value has moved farther than roundings do."""

    runs: Runs
    reference: Reference
    epsilon: float

    def moves(self, name: str) -> float:
        shaken = self.runs.shaken(self.reference.stage, SHAKEN * self.epsilon).passes
        values = [done.values[name] for done in shaken if name in done.values]
        return max((abs(v - self.reference.truths[name].value) for v in values), default=0.0)


def _judge(
    spelling: str,
    record: PrecisionRecord,
    sensitive: _Sensitivity,
    case: CaseFacts,
    into: Gathering,
) -> None:
    if record.error is not None:
        _judge_error(spelling, record, case, into)
        return
    for state in record.half_states:
        text = f"under {spelling} the metric state {state} is kept in half precision"
        script = scripts.states(case.building, text, spelling)
        into.findings.append(found(case, "LTN209", text, _FULL_STATE, script=script))
    lost = _not_finite(record, sensitive.reference)
    if lost and record.overflow is not None:
        _judge_overflow(spelling, lost[0], record.overflow, case, into)
        return
    into.undecided += [
        Note(spelling, f"{n!r} is not finite, and no operation made it so") for n in lost
    ]
    _judge_values(spelling, set(lost), record, sensitive, case, into)


def _judge_values(
    spelling: str,
    lost: set[str],
    record: PrecisionRecord,
    sensitive: _Sensitivity,
    case: CaseFacts,
    into: Gathering,
) -> None:
    """Those of the last evaluation that are finite."""
    reference = sensitive.reference
    last = (e.values for e in reversed(record.epochs) if e.stage == reference.stage)
    values = next(last, {})
    for name in sorted(values.keys() & reference.truths.keys() - lost):
        one = _Compared(spelling, name, values[name], reference.truths[name])
        _judge_value(one, sensitive, record, case, into)
    logged = {e.name for e in record.events if e.value is not None} | values.keys()
    into.passed += len(logged - reference.not_finite - lost)


def _judge_error(spelling: str, record: PrecisionRecord, case: CaseFacts, into: Gathering) -> None:
    error = record.error
    assert error is not None
    if error.kind == TIME_LIMIT:
        into.undecided.append(
            Note(spelling, f"too slow on this CPU; fp32 took less ({error.message})")
        )
        return
    reason = _undecidable(error)
    if reason:
        into.undecided.append(Note(spelling, f"{reason} ({error.message})"))
        return
    text = f"runs in fp32, and under {spelling} raises {error.kind}: {error.message}"
    remedy = "see the operation at this line"
    into.findings.append(found(case, "precision", text, remedy, error.location))


def _undecidable(error: RunError) -> str:
    """Why an error says nothing of the module in half precision; empty if it does.

    Lightning refuses what does not go together (``AMP and the LBFGS optimizer``, ``plugins/
    precision/amp.py``, 2.6.6), and here nobody has asked for it. A GradScaler asserts that an
    optimizer has a gradient (``GradScaler.step``, torch 2.13); fp32 makes the step without.
    """
    by_lightning = error.raised_in.partition(".")[0] in LIGHTNING
    if by_lightning and error.kind == "MisconfigurationException":
        return "Lightning refuses it"
    if error.raised_in == SCALER and error.kind == "AssertionError":
        return "an optimizer makes a step, and none of its parameters has a gradient; see training"
    if error.kind in ("RuntimeError", "NotImplementedError"):
        return next((why for sign, why in UNDECIDABLE.items() if sign in error.message), "")
    return ""


def _not_finite(record: PrecisionRecord, reference: Reference) -> list[str]:
    """The logged keys that are not finite here, and finite in fp32, in the order of their calls."""
    events = (e for e in record.events if e.value is not None and not math.isfinite(e.value))
    return list(dict.fromkeys(e.name for e in events if e.name not in reference.not_finite))


def _judge_overflow(
    spelling: str, name: str, first: Overflow, case: CaseFacts, into: Gathering
) -> None:
    if cuda_runs_in_fp32(first.operation):
        into.undecided.append(
            Note(spelling, f"{name!r} overflows in {first.operation}, which CUDA runs in fp32")
        )
        return
    place = first.location
    divided = first.operation in DIVISIONS
    text = (
        f"under {spelling} {name!r} is logged as not finite; the first overflow is in "
        f"{first.operation} on {first.dtype}"
    )
    code, remedy = ("LTN604", _LARGER_EPS) if divided else ("LTN606", _FULL_MATH)
    script = scripts.values(case.building, text, spelling, name)
    into.findings.append(found(case, code, text, remedy, place, script=script))


@dataclass(frozen=True)
class _Compared:
    """A value in half precision, and what fp32 says."""

    spelling: str
    name: str
    value: float
    truth: Truth

    @property
    def off(self) -> float:
        return abs(self.value - self.truth.value)

    @property
    def bound(self) -> float:
        return self.truth.bound(EPSILON[self.spelling])

    def __str__(self) -> str:
        values = f"{shown(self.value)}, in fp32 {shown(self.truth.value)}"
        return f"under {self.spelling} {self.name!r} is {values}"


def _judge_value(
    one: _Compared,
    sensitive: _Sensitivity,
    record: PrecisionRecord,
    case: CaseFacts,
    into: Gathering,
) -> None:
    if one.off <= one.bound:
        return
    moves = sensitive.moves(one.name)
    if one.off <= moves:
        text = f"{one}; weights that are {SHAKEN} roundings off move it as far in fp32"
        into.notes.append(sentence(text))
        return
    place = next((e.location for e in record.events if e.name == one.name), None)
    stage = sensitive.reference.stage
    script = scripts.values(case.building, str(one), one.spelling, one.name, stage)
    evidence = (_farther(one, moves),)
    into.findings.append(
        found(case, "LTN606", str(one), _FULL_MATH, place, evidence, script=script)
    )


def _farther(one: _Compared, moves: float) -> Evidence:
    """``moves`` is how far the value goes in fp32 when the weights are a little off."""
    return Evidence(
        key=one.name,
        logged=one.value,
        true=one.truth.value,
        tolerance=max(one.bound, moves),
        because=f"{STEPS} roundings of the format, or what {SHAKEN} roundings of the weights move",
        world=f"1 process, CPU, {one.spelling}",
        how=f"the same weights and samples; {STEPS} roundings of the format are allowed"
        + (", and two samples" if one.truth.jump else "")
        + f"; in fp32, weights that are {SHAKEN} roundings off move it by {shown(moves)}",
    )


_FULL_STATE = (
    "keep metrics out of .half() and bf16-true conversions: metric.set_dtype(torch.float32)"
)
_LARGER_EPS = "an epsilon below 6e-8 is zero in fp16: use a larger one, or divide in float32"
_FULL_MATH = "do this computation in float32: x.float() before it"
