"""Do two seeded runs give the same weights and the same logged values?"""

from __future__ import annotations

from collections.abc import Iterable

from pl_lint.checks.registry import Gathering, Result, Runs, check
from pl_lint.checks.reproducible.divergence import (
    Divergence,
    first_divergence,
    timings,
    within_rounding,
)
from pl_lint.checks.reproducible.dropouts import judge_dropouts
from pl_lint.checks.reproducible.fits_in_workers import judge_fits_in_workers
from pl_lint.checks.reproducible.order import set_order
from pl_lint.checks.reproducible.reporting import found
from pl_lint.checks.reproducible.sources import cause_of, times_logged
from pl_lint.checks.reproducible.workers import judge_draws
from pl_lint.facts.events import CaseFacts, Note, sentence
from pl_lint.facts.records import RepeatRecord
from pl_lint.facts.repetition import Leftover
from pl_lint.findings import Finding


@check("reproducible", place=60)
def reproducible(runs: Runs) -> Result:
    """Two runs with the same seed are equal, bit for bit.

    What it promises:
    `random`, numpy and torch are seeded before the case is built. A fit in one process, one in
    another that imports the code anew under another PYTHONHASHSEED, and a second one in that same
    process all end with the same bits in every parameter and buffer, those of `persistent=False`
    included, and log the same values. So do
    two fits with the workers that the case's own loaders ask for, under two hash seeds. What a
    training set draws for a sample is drawn anew in each worker and each epoch; no generator that
    is made with a constant seed for each sample adds the same to all of them.

    How it is judged:
    Fits are made without loader workers first. Where a loader for training or validation has
    `num_workers`, two more are made with them, in two processes: `worker_init_fn`, streams that
    workers share out, copies of the data set and `in_order=False` are at work in those only. At
    most two workers are given to a loader, because one beside another is all that it takes to
    differ, and each is a process. A loader with `num_workers=0` is judged without workers, and no
    setting is held against another one: other workers draw other numbers, and rightly. A second
    fit in one process is made without workers: those begin as copies and leave nothing behind.

    What it can say:
    The first difference in time: weights before the first step, the part of a batch, the global
    generator, the logged key or the parameter. And its cause:

    - LTN401: a generator without a seed, a clock, the system's entropy, `uuid`, a process number.
      Such calls are held still one at a time, in workers too; the one that makes both runs equal is
      named.
    - LTN409: state in a module or a class that a first fit leaves to a second one.
    - LTN411: the order of a set or the hash of a text, where only the hash seed tells runs apart.
    - LTN405: a generator that the data set carries into each worker.
    - A generator that is made anew for each sample with one seed (`RandomState(42)` in
      `__getitem__`): with another seed all samples move by the same amount, so that its noise is a
      constant. Where they move otherwise (a crop, a permutation, a mask), that is not decided: it
      may be meant to be the same for all. One that is seeded by the sample's index is left alone,
      and one that is hidden from this (made by a name imported before, in a library, or in a
      stream) is not seen.
    - LTN804: a functional dropout that drops while validating, where a logged value moves with the
      seed.

    What it sets aside:
    A logged Python number that differs while all weights agree (a step time, a GPU load) is a note,
    and so is a logged tensor that a clock alone makes differ.
    So is a stored generator where the loader has no workers. A buffer of `persistent=False` that
    begins with other bits is room that `torch.empty` made, and is not compared.
    """
    case, gathering = runs.case(), Gathering()
    if "train" not in case.stages:
        return gathering.result("the module has no training that could be repeated")
    first, repeated = runs.fit(), runs.repeated()
    if repeated.error is not None:
        gathering.undecided.append(Note("a second process", str(repeated.error)))
        return gathering.result("training made no optimizer step")
    numbers = timings(first, repeated.fits[0])
    _set_aside(numbers, "a Python number that differs between equal runs is set aside", gathering)
    clocks = times_logged(first, repeated.fits[0], runs)
    _set_aside(
        clocks, "the time of a clock differs between equal runs, and is set aside", gathering
    )
    divergence = first_divergence(first, repeated.fits[0], clocks)
    if divergence is not None:
        _judge_processes(runs, divergence, repeated, case, gathering)
    else:
        gathering.passed += bool(first.steps)
        _judge_one_process(repeated, clocks, case, gathering)
        if repeated.workers:
            judge_fits_in_workers(runs, repeated, clocks, case, gathering)
    if repeated.dropouts and "validate" in case.stages:
        judge_dropouts(repeated.dropouts, runs.rebatched("validate"), case, gathering)
    for draws in repeated.draws:
        judge_draws(draws, case, gathering)
    return gathering.result("training made no optimizer step")


def _set_aside(names: Iterable[str], why: str, into: Gathering) -> None:
    into.notes += [Note(name, why) for name in sorted(names)]


def _judge_processes(
    runs: Runs, divergence: Divergence, repeated: RepeatRecord, case: CaseFacts, into: Gathering
) -> None:
    """Two processes differ. If a third one with the hash seed of the first does not, it was that:
    the second fit under the other hash seed has to agree with the first one under it."""
    traced = runs.traced().fit
    steady = not first_divergence(repeated.fits[0], repeated.fits[-1])
    if traced is not None and steady and first_divergence(runs.fit(), traced) is None:
        into.findings.append(set_order("two runs with the same seed", divergence, case))
        return
    into.findings.append(cause_of(divergence, runs, case))


def _judge_one_process(
    repeated: RepeatRecord, clocks: frozenset[str], case: CaseFacts, into: Gathering
) -> None:
    divergence = first_divergence(*repeated.fits, clocks=clocks)
    if divergence is None:
        return
    if repeated.shared:
        into.notes.append(
            sentence(
                f"a second fit in one process is not judged: the case hands out its "
                f"{' and '.join(repeated.shared)} twice, so that it begins where the first one "
                "ended"
            )
        )
        return
    if not repeated.leftovers and within_rounding(*repeated.fits):
        into.notes.append(
            sentence(
                f"a second fit in one process differs by rounding only, first {divergence.text}, "
                f"and nothing of the user's was left behind: code that torch optimises once it has "
                "run"
            )
        )
        return
    into.findings.append(_left_behind(divergence, repeated, case))


def _left_behind(divergence: Divergence, repeated: RepeatRecord, case: CaseFacts) -> Finding:
    told = [_changed(each) for each in repeated.leftovers[:3]]
    cause = "; ".join(told) or "the first left something behind in the process"
    place = repeated.leftovers[0].location if repeated.leftovers else divergence.location
    return found(
        "LTN409",
        f"a second fit in the same process, seeded and built anew, is not equal to the first: "
        f"first to differ is {divergence.text}; {cause}",
        place,
        "make it in __init__ or in a hook, so that each run has its own",
        case,
        divergence.evidence,
    )


def _changed(each: Leftover) -> str:
    before, after = _readable(each.before), _readable(each.after)
    if before == after:
        return f"the first has changed {each.name} ({before})"
    return f"{each.name} was {before} before the first and {after} before the second"


def _readable(value: str) -> str:
    """Without the fingerprint that tells two lists or tensors apart."""
    return value.partition("#")[0].rstrip()
