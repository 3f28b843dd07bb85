"""Counters of a few bits: they begin again at the other end, however the samples are cut."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pl_lint.checks.logged_values.cause import Cause
from pl_lint.checks.logged_values.reporting import STAGE_WORDS, place_of, wrong_value
from pl_lint.checks.registry import Gathering
from pl_lint.checks.values.evidence import ONE_PROCESS
from pl_lint.checks.values.numbers import sizes_in_words
from pl_lint.facts.events import Accumulator, CaseFacts, EvaluationPass, sentence
from pl_lint.findings import Evidence, Finding

EXACT_UP_TO: Mapping[str, int] = {"bfloat16": 256, "float16": 2048}
BITS: Mapping[str, int] = {"int8": 8, "uint8": 8, "int16": 16}


def judge_counters(passes: Iterable[EvaluationPass], case: CaseFacts, into: Gathering) -> None:
    """A counter that only ever rises, and once falls by almost all that it can hold."""
    for done in passes:
        for kept in done.accumulators:
            range_ = 2 ** BITS.get(kept.dtype, 0)
            if kept.dtype in BITS and _begins_again(kept.given, range_):
                into.findings.append(_finding(kept, range_, done, case))
                return


def note_half_sums(done: EvaluationPass, into: Gathering) -> None:
    """So few samples do not stop a sum in half precision; those of a whole data set may."""
    for kept in done.accumulators:
        if kept.dtype in EXACT_UP_TO:
            into.notes.append(
                sentence(
                    f"self.{kept.name} adds up in {kept.dtype}, which holds every whole number up "
                    f"to {EXACT_UP_TO[kept.dtype]} only: what comes after is lost"
                )
            )


def _begins_again(given: tuple[float, ...], range_: int) -> bool:
    falls = [step for step in given if step < 0]
    rises = [step for step in given if step > 0]
    return bool(falls) and bool(rises) and all(step <= max(rises) - range_ / 2 for step in falls)


def _finding(kept: Accumulator, range_: int, done: EvaluationPass, case: CaseFacts) -> Finding:
    true = sum(step if step >= 0 else step + range_ for step in kept.given)
    at_end = (e for e in done.events if e.on_epoch and e.batch < 0)
    name = next((event.name for event in at_end), kept.name)
    evidence = Evidence(
        key=name,
        logged=kept.values[-1],
        true=true,
        tolerance=0.0,
        world=ONE_PROCESS,
        how=f"{STAGE_WORDS[done.stage]}: {sizes_in_words(done.batching.sizes)}; the counter "
        f"self.{kept.name} itself, and what its batches add up to",
    )
    cause = Cause(
        "LTN210",
        f"the counter self.{kept.name} is {kept.dtype} and holds {range_} values only",
        "count in int64",
    )
    return wrong_value(cause, name, evidence, place_of(done.events, name, done.stage, case), case)
