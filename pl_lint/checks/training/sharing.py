"""Several optimizers: who moves the same parameters, and who steps with another one's gradients?"""

from __future__ import annotations

from pl_lint.checks.registry import Gathering
from pl_lint.checks.training.view import View, watched
from pl_lint.facts.events import sentence
from pl_lint.facts.training import Overlap, Tainted
from pl_lint.findings import Status

OFTEN = 2
"""Batches; where optimizers take turns, both may have one at the change."""
MOST = 0.75
"""A share of the steps that no accident explains, such as the last batch before a change."""


def judge_sharing(view: View, into: Gathering) -> None:
    for overlap in view.story.overlaps:
        _judge_overlap(view, overlap, into)
    for tainted in view.story.tainted:
        _judge_tainted(view, tainted, into)
    shared = view.story.overlaps or view.story.tainted
    into.passed += len(view.story.optimizers) > 1 and not shared


def _judge_overlap(view: View, overlap: Overlap, into: Gathering) -> None:
    both = f"{view.optimizer(overlap.first)} and {view.optimizer(overlap.second)}"
    who = view.parts_in_words(overlap.parameters)
    if overlap.batches < OFTEN:
        into.notes.append(sentence(f"{who} is in two optimizers ({both}), which take turns at it"))
        return
    text = (
        f"{who} is moved by two optimizers in the same batch, {overlap.batches} times in "
        f"{view.story.batches} batches: {both}"
    )
    remedy = (
        "give each optimizer the parameters of its own part: "
        "Adam(self.generator.parameters()), not Adam(self.parameters())"
    )
    # With only a part in common both may be meant: an encoder that learns two things in turn.
    status = Status.PROVED if overlap.whole else Status.SUSPECTED
    condition = "" if overlap.whole else "if the two are not meant to take turns at it"
    evidence = watched("batches in which two optimizers moved it", overlap.batches, 0)
    into.findings.append(
        view.found(
            "training",
            text,
            view.configured,
            remedy,
            status,
            condition,
            evidence=evidence,
        )
    )


def _judge_tainted(view: View, tainted: Tainted, into: Gathering) -> None:
    story = view.story.optimizers[tainted.optimizer]
    mine, other = view.optimizer(tainted.optimizer), view.optimizer(tainted.by)
    text = (
        f"{tainted.steps} of {story.steps} steps of {mine} are made with gradients of another loss "
        f"in them: its parameters were filled by the backward pass that {other} steps with, "
        "and not zeroed after it"
    )
    if tainted.steps < MOST * (story.steps - 1):
        into.undecided.append(sentence(text))
        return
    remedy = (
        "call zero_grad() of this optimizer right before the backward pass of its own loss, "
        "or toggle_optimizer() around each"
    )
    place = view.trained.step_place or view.case.home
    evidence = watched("steps with gradients of another loss", tainted.steps, 0)
    # Two losses that add up in a decoder may be meant. A judge of what another part makes has a
    # loss of its own, and is nothing but looked through in that of the other.
    sure = tainted.judging >= MOST * tainted.steps
    status = Status.PROVED if sure else Status.SUSPECTED
    condition = "" if sure else "if the two losses are not meant to add up there"
    into.findings.append(
        view.found("LTN707", text, place, remedy, status, condition, evidence=evidence)
    )
