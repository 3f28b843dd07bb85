"""What a schedule does in the training that the case itself, or a script, has in mind."""

from __future__ import annotations

from dataclasses import replace

from pl_lint.checks.registry import Gathering
from pl_lint.checks.schedule.findings import found_at, listed, share
from pl_lint.checks.values.numbers import shown
from pl_lint.facts.events import CaseFacts, SchedulerState
from pl_lint.findings import Status

RESTARTING = ("CosineAnnealingWarmRestarts",)
STILL = 0.01
"""A rate that moves by less than this share of itself over a whole training has no schedule."""
NEARLY_ALL = 0.9
"""A curve of which less than this is used was made for another training."""


def look_at_own_training(state: SchedulerState, case: CaseFacts, into: Gathering) -> None:
    """What the schedule does over as many epochs as the case's own Trainer has. That nobody says
    what its horizon counts leaves it suspected."""
    text = _said_of(state)
    if text:
        remedy = "say what it counts: make its length of max_epochs, or of the estimated steps"
        finding = found_at("LTN710", text, remedy, state, case, script="")
        condition = "if it is not meant to"
        into.findings.append(replace(finding, status=Status.SUSPECTED, condition=condition))


def _said_of(state: SchedulerState) -> str:
    """What is odd about the rates of that training, if anything is."""
    if not state.own:
        return ""
    first, highest, last = state.own
    whose = f"the training of {state.place}" if state.place else "the case's own training"
    how_often = f"{'once' if state.planned == 1 else f'{state.planned} times'} in {whose}"
    if state.turns and state.horizon is not None and state.name not in RESTARTING:
        return (
            f"{state.name} is made for {state.horizon} steps and stepped {how_often}: the rate "
            f"falls to its end and rises again, {state.turns} times"
        )
    if state.horizon and state.planned and state.planned < NEARLY_ALL * state.horizon:
        return (
            f"{state.name} is made for {state.horizon} steps and stepped {how_often}: "
            f"{share(state.planned, state.horizon)} of its curve, from {shown(first)} to "
            f"{shown(last)} instead of {listed(state.alone)} at its quarters"
        )
    if not state.turns and highest - min(first, last) < STILL * highest:
        return (
            f"{state.name} is stepped {how_often}, and the rate hardly moves: from {shown(first)} "
            f"to {shown(last)}"
        )
    return ""
