"""Several dataloaders: what is logged for one of them is its own, whoever else is evaluated."""

from __future__ import annotations

from collections.abc import Mapping

from pl_lint.checks.logged_values.cause import Cause
from pl_lint.checks.logged_values.reporting import STAGE_WORDS, place_of, wrong_value
from pl_lint.checks.registry import Gathering
from pl_lint.checks.values.evidence import ONE_PROCESS
from pl_lint.checks.values.lines import deciding
from pl_lint.checks.values.numbers import same, sizes_in_words
from pl_lint.checks.values.randomness import random_part, value_tolerance
from pl_lint.facts.events import ALONE, USUAL, CaseFacts, EvaluationPass, Note
from pl_lint.findings import Evidence, Finding


def judge_loaders(passes: Mapping[str, EvaluationPass], case: CaseFacts, into: Gathering) -> None:
    """Each dataloader together with the others, and while they are empty."""
    together = passes[USUAL]
    for label, alone in passes.items():
        if not label.startswith(ALONE) or together.error is not None:
            continue
        if alone.error is not None:
            into.undecided.append(
                Note(f"dataloader {label.removeprefix(ALONE)} alone", str(alone.error))
            )
            continue
        loader = int(label.removeprefix(ALONE))
        _note_left_out(together, into)
        for name in together.values:
            if _only_of(loader, name, together) and name in alone.values:
                _judge(name, loader, alone, passes, case, into)


def _note_left_out(together: EvaluationPass, into: Gathering) -> None:
    """What an epoch's end logs is in nobody's batch: that it holds another loader's stays open."""
    at_end = [name for name in together.values if _at_end(name, together)]
    if at_end:
        into.notes.append(
            Note(
                STAGE_WORDS[together.stage],
                f"{', '.join(at_end)} of an epoch's end may be of all "
                "dataloaders: not compared with what one of them gives while the others are empty",
            )
        )


def _at_end(name: str, done: EvaluationPass) -> bool:
    events = deciding(done.events, name)
    return bool(events) and all(event.batch < 0 for event in events)


def _only_of(loader: int, name: str, done: EvaluationPass) -> bool:
    """Whether a key says something of one dataloader: what an epoch's end logs may be of all."""
    events = deciding(done.events, name)
    return bool(events) and all(e.batch >= 0 and e.dataloader == loader for e in events)


def _judge(
    name: str,
    loader: int,
    alone: EvaluationPass,
    passes: Mapping[str, EvaluationPass],
    case: CaseFacts,
    into: Gathering,
) -> None:
    together, true = passes[USUAL], alone.values[name]
    within = value_tolerance(case, name, true)
    if same(together.values[name], true, within) or name in case.batch_dependent:
        return
    if random_part(name, passes, case):
        return
    into.findings.append(_mixed(name, loader, together, alone, within, case))


def _mixed(
    name: str,
    loader: int,
    together: EvaluationPass,
    alone: EvaluationPass,
    within: float,
    case: CaseFacts,
) -> Finding:
    evidence = Evidence(
        key=name,
        logged=together.values[name],
        true=alone.values[name],
        tolerance=within,
        world=ONE_PROCESS,
        how=f"{STAGE_WORDS[together.stage]}: {sizes_in_words(alone.batching.sizes)} of dataloader "
        f"{loader}, after the others; the truth is the same while the others are empty",
    )
    cause = Cause(
        "LTN116",
        "what other dataloaders left behind is in it",
        "keep one metric, list or counter for each dataloader",
    )
    place = place_of(together.events, name, together.stage, case)
    return wrong_value(cause, name, evidence, place, case)
