"""Values in half precision, held against those of fp32; and those of fp32 against fp64."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pl_lint.checks.precision import script as scripts
from pl_lint.checks.precision.rounding import SHAKEN, STEPS, Truth
from pl_lint.checks.precision.spelling import Spelling
from pl_lint.checks.registry import Gathering, Runs
from pl_lint.checks.values.numbers import shown
from pl_lint.facts.events import RunError, sentence
from pl_lint.facts.records import PrecisionRecord
from pl_lint.findings import Evidence

FULL_MATH = "do this computation in float32: x.float() before it"
MORE_DIGITS = "sum up differences from a mean, or do this computation in float64: x.double()"
DOUBLE, FP32 = "64-true", 2**-24


@dataclass(frozen=True)
class Reference:
    """What fp32 logs on the same samples: the evaluation's values, without those that chance
    decides, the keys that are not finite there either, and what batches of other sizes raise."""

    runs: Runs
    stage: str
    truths: Mapping[str, Truth]
    not_finite: frozenset[str]
    raised: tuple[RunError, ...] = ()

    def moves(self, name: str, epsilon: float) -> float:
        """How far fp32 itself moves a value when the weights are a few roundings off. This takes
        another run, which is asked for only where a value has moved farther than roundings do."""
        shaken = self.runs.shaken(self.stage, SHAKEN * epsilon).passes
        values = [done.values[name] for done in shaken if name in done.values]
        return max((abs(value - self.truths[name].value) for value in values), default=0.0)


@dataclass(frozen=True)
class Compared:
    """A value, and what a wider format says; ``names`` are those of the two formats, ``world`` is
    where the narrower one was computed."""

    name: str
    value: float
    truth: Truth
    epsilon: float
    names: tuple[str, str]
    world: str

    @property
    def off(self) -> float:
        return abs(self.value - self.truth.value)

    @property
    def bound(self) -> float:
        return self.truth.bound(self.epsilon)

    def __str__(self) -> str:
        narrow, wide = self.names
        values = f"{shown(self.value)}, in {wide} {shown(self.truth.value)}"
        return f"under {narrow} {self.name!r} is {values}"


def judge_values(
    spelling: Spelling,
    lost: set[str],
    record: PrecisionRecord,
    reference: Reference,
    into: Gathering,
) -> None:
    """Those of the last evaluation that are finite."""
    values = evaluated(record, reference.stage)
    for name in sorted(values.keys() & reference.truths.keys() - lost):
        truth, names = reference.truths[name], (spelling.name, "fp32")
        one = Compared(name, values[name], truth, spelling.epsilon, names, spelling.world)
        _judge(one, record, spelling, reference, into)
    logged = {e.name for e in record.events if e.value is not None} | values.keys()
    into.passed += len(logged - reference.not_finite - lost)


def evaluated(record: PrecisionRecord, stage: str) -> Mapping[str, float]:
    return next((e.values for e in reversed(record.epochs) if e.stage == stage), {})


def _judge(
    one: Compared,
    record: PrecisionRecord,
    spelling: Spelling,
    reference: Reference,
    into: Gathering,
) -> None:
    if one.off <= one.bound:
        return
    moves = reference.moves(one.name, one.epsilon)
    if one.off <= moves:
        into.notes.append(sentence(f"{one}; {_as_far(moves)}"))
        return
    place = next((e.location for e in record.events if e.name == one.name), None)
    building, stage = spelling.case.building, reference.stage
    script = scripts.values(building, str(one), spelling.name, one.name, stage)
    evidence = (_farther(one, moves),)
    into.findings.append(
        spelling.found("LTN606", str(one), FULL_MATH, place, evidence, script=script)
    )


def judge_fp32(reference: Reference, into: Gathering) -> None:
    """What fp32 says of the evaluation, held against fp64: a value that keeps few digits there is
    noise in any narrower format, and mostly in this one too."""
    record = reference.runs.in_precision(DOUBLE)
    if record.error is not None:
        into.notes.append(sentence(f"nothing is compared with {DOUBLE}: {record.error}"))
        return
    for name, value in evaluated(record, reference.stage).items():
        truth = reference.truths.get(name)
        if truth is not None:
            double = Truth(value, truth.scale, truth.jump, truth.declared)
            names, world = ("fp32", "fp64"), "1 process, CPU, fp32"
            _judge_digits(Compared(name, truth.value, double, FP32, names, world), reference, into)


def _judge_digits(one: Compared, reference: Reference, into: Gathering) -> None:
    """A note: where few digits are needed, few digits are enough."""
    if one.off > one.bound and one.off > reference.moves(one.name, FP32):
        into.notes.append(sentence(f"{one}: few of its digits are right; {MORE_DIGITS}"))


def _as_far(moves: float) -> str:
    return f"weights that are {SHAKEN} roundings off move it as far in fp32"


def _farther(one: Compared, moves: float) -> Evidence:
    """``moves`` is how far the value goes in fp32 when the weights are a little off."""
    return Evidence(
        key=one.name,
        logged=one.value,
        true=one.truth.value,
        tolerance=max(one.bound, moves),
        because=f"{STEPS} roundings of the format, or what {SHAKEN} roundings of the weights move",
        world=one.world,
        how=f"the same weights and samples; {STEPS} roundings of the format are allowed"
        + (", and two samples" if one.truth.jump else "")
        + f"; in fp32, weights that are {SHAKEN} roundings off move it by {shown(moves)}",
    )
