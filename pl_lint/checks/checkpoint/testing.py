"""Which weights does a script test after its fit?"""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.checks.registry import Gathering, Runs
from pl_lint.checks.values.numbers import FLOAT32, same, tolerance
from pl_lint.facts.events import EvaluationPass
from pl_lint.findings import Evidence, Status


def judge_last_weights(runs: Runs, into: Gathering) -> None:
    """What a script's ``trainer.test(model)`` says, beside the best weights by the key it watches.

    Asked only where reading suspects LTN317: testing the last weights is no mistake by itself.
    """
    if runs.suspected("LTN318"):
        into.undecided.append(
            "LTN318: no short run can tell whether what a script tests was trained elsewhere"
        )
    suspected = runs.suspected("LTN317")
    passes = [done for done in runs.fit().tested if done.error is None]
    if not suspected or not passes:
        return
    last, *best = passes
    differences = [pair for kept in best for pair in _differences(last, kept)]
    if differences:
        into.findings += [finding.judged(Status.PROVED, differences[0]) for finding in suspected]
    else:
        into.undecided.append("LTN317: the last weights test as the best do in this short fit")


def _differences(last: EvaluationPass, best: EvaluationPass) -> Iterator[Evidence]:
    for name, value in last.values.items():
        true = best.values.get(name, value)
        if not same(value, true, tolerance(true)):
            yield Evidence(
                key=name,
                logged=value,
                true=true,
                tolerance=tolerance(true),
                world="1 process, CPU, fp32",
                how=f"a two-epoch fit; the truth is the {best.batching.label}",
                cause="the last weights are tested, not the best",
                because=FLOAT32,
            )
