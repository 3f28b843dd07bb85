"""Does a dropout that does not know of validation change what validation logs?"""

from __future__ import annotations

from collections.abc import Sequence

from pl_lint.checks.registry import Gathering
from pl_lint.checks.reproducible.reporting import found
from pl_lint.checks.values.evidence import ONE_PROCESS
from pl_lint.checks.values.numbers import same
from pl_lint.checks.values.randomness import value_tolerance, why_tolerance
from pl_lint.facts.events import AGAIN, USUAL, CaseFacts, sentence
from pl_lint.facts.records import EvaluationRecord
from pl_lint.facts.repetition import ActiveDropout
from pl_lint.findings import Evidence


def judge_dropouts(
    dropouts: Sequence[ActiveDropout], record: EvaluationRecord, case: CaseFacts, into: Gathering
) -> None:
    """The same weights and samples, validated with two seeds: a value that moves is chance."""
    moved = _moved(record, case)
    for dropout in dropouts:
        if moved is None:
            place = f"{dropout.call} at {dropout.location}"
            into.notes.append(
                sentence(f"{place} drops while validating, to no effect on what is logged")
            )
            continue
        attention = dropout.call.endswith("attention")
        flag = "its dropout_p knows no mode" if attention else "without training= it always drops"
        into.findings.append(
            found(
                "LTN804",
                f"{dropout.call} drops while validating: {flag}, and {moved.key!r} changes from "
                f"one validation of the same samples to the next",
                dropout.location,
                "dropout_p=p if self.training else 0.0" if attention else "training=self.training",
                case,
                (moved,),
            )
        )


def _moved(record: EvaluationRecord, case: CaseFacts) -> Evidence | None:
    passes = {each.batching.label: each for each in record.passes}
    usual, again = passes.get(USUAL), passes.get(AGAIN)
    if usual is None or again is None:
        return None
    numbers = {event.name for event in usual.events if event.python_number}
    for name, value in usual.values.items():
        other, within = again.values.get(name, value), value_tolerance(case, name, value)
        if name not in numbers and not same(value, other, within):
            return Evidence(
                key=name,
                logged=other,
                true=value,
                tolerance=within,
                world=ONE_PROCESS,
                how="the same weights and samples, validated with two seeds",
                cause="dropout while validating",
                because=why_tolerance(case, name),
            )
    return None
