"""Which weights does a script test?"""

from __future__ import annotations

import math
from collections.abc import Iterator

from pl_lint.checks.registry import Gathering, Runs
from pl_lint.checks.values.evidence import compared
from pl_lint.checks.values.numbers import far, same, shown, tolerance
from pl_lint.facts.events import CaseFacts, EvaluationPass, Note
from pl_lint.facts.records import UntrainedRecord
from pl_lint.findings import Evidence, Status


def judge_last_weights(runs: Runs, into: Gathering) -> None:
    """What a script's ``trainer.test(model)`` says, beside the best weights by the key it watches.

    Asked only where reading suspects LTN317: testing the last weights is no mistake by itself.
    """
    suspected = runs.suspected("LTN317")
    tested = runs.fit().tested
    if not suspected or not tested or any(done.error is not None for done in tested):
        return
    last, *best, again = tested
    comparable = [kept for kept in best if last.seen == kept.seen == again.seen]
    differences = [pair for kept in comparable for pair in _differences(last, kept, again)]
    if differences:
        into.findings += [finding.judged(Status.PROVED, differences[0]) for finding in suspected]
    else:
        why = _why_as_good(last, again, drawn_anew=len(comparable) < len(best))
        into.undecided.append(Note("LTN317", why))


def _why_as_good(last: EvaluationPass, again: EvaluationPass, drawn_anew: bool) -> str:
    """Why the last weights are not known to be worse than the best."""
    if drawn_anew:
        return "the test data are drawn anew for each test"
    unsteady = [name for name in last.values if not _steady(name, last, again)]
    if unsteady:
        return f"two tests of the same weights do not agree on {', '.join(unsteady)}"
    return "the last weights test as the best do in this short fit"


def _differences(
    last: EvaluationPass, best: EvaluationPass, again: EvaluationPass
) -> Iterator[Evidence]:
    """The keys that the best weights move, and a second test of the last ones does not."""
    for name, value in last.values.items():
        true = best.values.get(name, value)
        if _steady(name, last, again) and not same(value, true, tolerance(true)):
            yield compared(
                name,
                value,
                true,
                how=f"a two-epoch fit; the truth is the {best.batching.label}",
                cause="the last weights are tested, not the best",
            )


def _steady(name: str, last: EvaluationPass, again: EvaluationPass) -> bool:
    """Whether two tests of the same weights agree on a key."""
    value = last.values[name]
    return same(value, again.values.get(name, math.nan), tolerance(value))


def judge_untrained(runs: Runs, case: CaseFacts, into: Gathering) -> None:
    """What a script's ``trainer.test(Model())`` says, where reading suspects LTN318.

    A score of weights that nobody trained is that of the seed that drew them: other weights drawn
    in the same way score otherwise, and trained ones do, too. Weights that come from elsewhere are
    the same under every seed.
    """
    suspected = runs.suspected("LTN318")
    if not suspected:
        return
    if "test" not in case.stages:
        into.undecided.append(Note("LTN318", "the case has no test data"))
        return
    record = runs.untrained()
    evidence = next(_untrained_scores(record), None)
    if evidence is not None:
        into.findings += [finding.judged(Status.PROVED, evidence) for finding in suspected]
    else:
        into.undecided.append(Note("LTN318", _why_open(record)))


def _untrained_scores(record: UntrainedRecord) -> Iterator[Evidence]:
    """The keys that follow the seed and the training, and nothing else."""
    for name, value in record.built.values.items():
        if not all(name in each.values for each in (record.again, record.other, record.trained)):
            continue
        other, true = record.other.values[name], record.trained.values[name]
        within = max(tolerance(value), tolerance(true))
        steady = same(record.again.values[name], value, tolerance(value))
        if steady and far(value, other, within) and far(value, true, within):
            yield compared(
                name,
                value,
                true,
                how="the module as the case builds it; the truth is after a two-epoch fit",
                cause=f"nobody has trained these weights: {record.drawn} of {record.weights} "
                f"trainable tensors are drawn, and those of another seed score {shown(other)}",
            )


def _why_open(record: UntrainedRecord) -> str:
    errors = (record.error, *(each.error for each in (record.built, record.other, record.trained)))
    raised = next((error for error in errors if error is not None), None)
    if raised is not None:
        return f"testing the module as it is built: {raised}"
    if not record.drawn:
        return (
            "another seed builds the same weights: they may come from elsewhere, as those of a "
            "pretrained network do"
        )
    return "what the test logs does not depend on the weights that are drawn, or not on training"
