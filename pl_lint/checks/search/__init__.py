"""Which is the smallest run that lies? Drawn by hypothesis, and shrunk."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from dataclasses import replace

from pl_lint.checks.logged_values.mixing import attributed
from pl_lint.checks.logged_values.own_batches import as_served
from pl_lint.checks.logged_values.rebatching import judge_rebatching
from pl_lint.checks.registry import Gathering, Result, Runs, check
from pl_lint.checks.search.judging import is_cut_off, judge_searched
from pl_lint.checks.search.words import smallest_in_words
from pl_lint.checks.sync_dist.sharing import TRUNCATION
from pl_lint.checks.sync_dist.worlds import judge_worlds
from pl_lint.checks.values import lies
from pl_lint.checks.values.randomness import random_part
from pl_lint.facts.events import TIME_LIMIT, USUAL, Note, sentence
from pl_lint.facts.records import SearchRecord
from pl_lint.facts.searches import TEST, VALIDATE, Searched, SmallestRun
from pl_lint.findings import Finding, Location


def _judge_alone(record: SearchRecord, runs: Runs, random: Set[str]) -> Gathering:
    """What lies in one process."""
    into = Gathering()
    for searched in record.searched:
        seen = judge_searched(searched, record.recipe, runs.case(), random)
        if searched.program in (VALIDATE, TEST):
            stage = searched.program
            seen.findings = attributed(as_served(seen.findings, stage, runs), stage, runs)
        into.add(seen)
    return into


def _judge_on_ranks(
    record: SearchRecord, runs: Runs, told: Set[str], random: Set[str]
) -> Gathering:
    """What lies on ranks and not in one process (``told``), where ranks can be compared at all:
    each draws other random numbers than one process does. A key that ``sync-dist`` reports is its
    business; here it is told in which smallest run it lies."""
    into = Gathering()
    for searched in record.searched:
        lying = [one for one in searched.smallest if one.key not in told | random]
        cut_off = [one for one in lying if is_cut_off(one)]
        into.notes += map(_lightnings_own, cut_off)
        others = [one for one in lying if one not in cut_off]
        known = _known_otherwise(runs, searched.program) if others else frozenset()
        into.notes += [sentence(smallest_in_words(one)) for one in others if one.key in known]
        new = tuple(one for one in others if one.key not in known)
        on_ranks = replace(searched, program=f"{searched.program} on ranks", smallest=new)
        into.add(judge_searched(on_ranks, None, runs.case(), random))
    return into


def _lightnings_own(smallest: SmallestRun) -> Note:
    said = smallest_in_words(smallest)
    return sentence(f"{said}; Lightning's own, not the module's ({TRUNCATION})")


def _known_otherwise(runs: Runs, stage: str) -> frozenset[str]:
    """The keys that larger runs on ranks show to be wrong, and those that move with the batches in
    one process already, which is no business of ranks."""
    case = runs.case()
    return judge_worlds(runs, case).keys | judge_rebatching(runs.rebatched(stage), case).keys


def _random_keys(record: SearchRecord, runs: Runs) -> set[str]:
    """The keys that chance decides: those that moved in a search, and those that another seed moves
    in an evaluation of many samples. An accuracy of four samples is often the same by chance."""
    case = runs.case()
    random = {key for searched in record.searched for key in searched.unsteady}
    for stage in {"validate", "test"} & set(case.stages):
        passes = {done.batching.label: done for done in runs.rebatched(stage).passes}
        names = passes[USUAL].values if USUAL in passes else ()
        random |= {name for name in names if random_part(name, passes, case)}
    return random


def _unique(findings: Iterable[Finding]) -> list[Finding]:
    """One mistake may lie in several kinds of run; an evaluation is the simplest of them."""
    first: dict[tuple[str, str, Location], Finding] = {}
    for finding in findings:
        first.setdefault((finding.code, finding.key, finding.location), finding)
    return list(first.values())


@check("search", place=30)
def search(runs: Runs) -> Result:
    """No small run that can be drawn logs anything but the truth.

    What it promises:
    However many samples there are, however they are cut and ordered, whatever `val_check_interval`,
    `num_sanity_val_steps` or `accumulate_grad_batches` say: what `self.log` wrote for an epoch is
    the same number.

    How it is judged:
    Runs are drawn by hypothesis: evaluations of 1 to 9 samples in batches of 1 to 5; fits of a few
    batches that validate up to three times an epoch, with and without a sanity check; training
    epochs with the weights held, with and without accumulation; evaluations on two ranks, and on
    three where more than 12 examples are asked for (`sync-dist` always has three). Each starts from
    an untouched copy of the module, with weights that a little training gave. An evaluation is held
    against all its samples in one batch of one process, a fit against the same training with
    nothing before its last validation, an accumulated epoch against one that is not. A key that
    lies is given the smallest run in which it does, to be checked by hand. A script that shows it
    with nothing but Lightning stands under it where each stage has one loader, over a data set with
    positions and with a sampler of torch's, and not where it lies on ranks. Values that chance
    decides, best values of earlier validations (in whose place a worse one never comes), keys that
    are declared `batch_dependent` and runs that raise are set aside.

    What it can say:
    The mistakes of `logged-values`, by the same formulas, on numbers that fit on a slip of paper;
    and those that only some settings show: what one validation leaves for the next of the same
    epoch, a value that is divided by the batches that are accumulated (LTN724; the loss that
    `training_step` returns, logged or not), a last batch of one sample. A number that no formula
    explains is LTN100. What lies on ranks alone is the business of `sync-dist`: the smallest run is
    then a note. So is a batch so short that it makes no number.

    When it passes:
    Only if a logged value depends on the data, and not on chance: its truths over different samples
    differ, and another seed does not move it. In fits also only if a validation moved it from one
    to the next of an epoch, by ten tolerances: an accuracy of a few samples often stays, and what
    one validation leaves for the next does not show then. The result says how many runs were
    searched; `--pl-examples N` draws more. The same runs are drawn each time. What a run took, in
    milliseconds, stands in the file of `--pl-report` (`cost`).
    """
    case, gathering = runs.case(), Gathering()
    if not case.stages:
        return gathering.result("there is nothing to run")
    record = runs.searched(lies.NAME)
    searched = [*record.searched]
    if record.error is not None:
        slow = record.error.kind == TIME_LIMIT
        why = record.error.message if slow else f"training a little raised {record.error}"
        gathering.undecided.append(sentence(why))
    random = _random_keys(record, runs) if record.searched else set()
    gathering.add(_judge_alone(record, runs, random))
    if record.error is None and {"validate", "test"} & set(case.stages):
        told = set(gathering.keys)
        for on_ranks in runs.searched_on_ranks(lies.NAME):
            gathering.add(_judge_on_ranks(on_ranks, runs, told, random))
            told |= {one.key for each in on_ranks.searched for one in each.smallest}
            searched += on_ranks.searched
    gathering.findings = _unique(gathering.findings)
    result = gathering.result("it logs no epoch value")
    reason = "; ".join(part for part in (result.reason, _number(searched)) if part)
    return replace(result, reason=reason, cost=_cost(searched))


def _number(searched: Sequence[Searched]) -> str:
    return f"{sum(each.examples for each in searched)} runs searched"


def _cost(searched: Sequence[Searched]) -> str:
    """What an example takes, with the runs that it is held against and those that shrink it."""
    made, seconds = sum(each.runs for each in searched), sum(each.seconds for each in searched)
    each = 1000 * seconds / max(1, made)
    return f"{made} runs made, {each:.1f} ms each"
