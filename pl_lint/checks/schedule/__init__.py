"""Is the learning-rate schedule stepped as often as it was made for?"""

from __future__ import annotations

from dataclasses import replace

from pl_lint.checks.registry import Gathering, Result, Runs, check
from pl_lint.checks.schedule.findings import (
    clear,
    dropped,
    found_at,
    name_dropped_keys,
    skips,
    stepped_twice,
    wrong_unit,
)
from pl_lint.checks.schedule.horizons import STEPPED_EACH, Horizons
from pl_lint.checks.schedule.own_training import look_at_own_training
from pl_lint.checks.schedule.script import steps
from pl_lint.facts.events import CaseFacts, Note, SchedulerState, sentence
from pl_lint.facts.records import FitRecord


@check("schedule", place=90)
def schedule(runs: Runs) -> Result:
    """A schedule made for N steps is stepped N times.

    What it promises:
    A scheduler whose horizon (`total_steps`, `T_max`, `num_training_steps`) is the number of
    optimizer steps is stepped after every optimizer step, and one made for epochs after every
    epoch. What `configure_optimizers` returns reaches Lightning, and somebody steps it.

    How it is judged:
    The small fit has many more steps than epochs, and counts how often the scheduler was stepped.
    A second fit has one epoch with more batches: a horizon that is larger there in proportion
    counts steps, one that is half as large counts epochs. One that counts steps and was stepped
    once per epoch never gets past its first few percent: a one-cycle rate stays at its start, a
    cosine never falls (LTN710). One that counts epochs and was stepped after every optimizer step
    is over too soon. One that counts batches where several are accumulated for a step, or every
    epoch where its `frequency` leaves some out, uses the first part of its curve only. The schedule
    is also stepped alone over its whole horizon: the failure says how much of this curve the fit
    used, and both rates at 0, 25, 50, 75 and 100 % of a training.

    A horizon that is the same in both fits is a constant, and proves nothing by being as large as
    one of them happens to be. It is held against what the code says of it: `steps_per_epoch`, the
    case's own `max_epochs` (or that of the project's scripts, where one number is read in them),
    times the batches of its own loader, and hyper-parameters that are named after steps or epochs
    and have this value (then it is suspected only).

    What else it finds:
    A scheduler under a key that Lightning does not know (LTN711), one that nobody steps in manual
    optimization (LTN708), one that is stepped by Lightning and by hand.

    When it cannot say:
    A constant horizon about which the code says nothing is not decided, nor is a function's curve
    that is the same in both fits: `0.95 ** epoch` may be meant for steps. A scheduler of torch's
    without a horizon, such as StepLR, cannot fail. Where the case or a script says how long its own
    training is, the schedule is stepped alone that often: one whose rate falls and rises again, or
    hardly moves, or that uses less than nine tenths of its curve, is suspected.
    """
    if "train" not in runs.case().stages:
        return Gathering().result("the module has no training")
    record, case, gathering = runs.fit(), runs.case(), Gathering()
    if not record.schedulers:
        return gathering.result("the module has no learning-rate scheduler")
    longer = runs.trained().overfitting
    for index, state in enumerate(record.schedulers):
        _judge(Horizons(state, record, longer, index), record, case, gathering)
    return gathering.result("the module has no learning-rate scheduler")


def _judge(horizons: Horizons, record: FitRecord, case: CaseFacts, into: Gathering) -> None:
    state = horizons.state
    if not state.interval:
        into.findings.append(dropped(state, case))
    elif not record.training.automatic and not state.stepped:
        _judge_never_stepped(horizons, case, into)
    elif _is_stepped_twice(state, record):
        into.findings.append(stepped_twice(state, horizons.index, case))
    else:
        name_dropped_keys(state, case, into)
        _judge_horizon(horizons, record, case, into)


def _judge_horizon(horizons: Horizons, record: FitRecord, case: CaseFacts, into: Gathering) -> None:
    state, counts = horizons.measured, horizons.counts
    steps, epochs = record.estimated_steps, record.epochs_planned
    if state.horizon is None and not state.curve:
        into.untriggered.append(sentence(f"{state.name} has no horizon"))
        look_at_own_training(state, case, into)
    elif steps is None or steps <= epochs:
        into.undecided.append(Note(state.name, "the fit had no more steps than epochs"))
    elif state.horizon is None:
        into.undecided.append(Note(state.name, _why_open(horizons)))
        look_at_own_training(state, case, into)
    elif counts and horizons.skips:
        into.findings.append(skips(state, horizons.index, counts, record, case))
    elif not counts or not horizons.stepped:
        _judge_constant(horizons, record, case, into)
    elif counts != horizons.stepped:
        followed = replace(state, unit="", because="", by_name=False)
        into.findings.append(wrong_unit(followed, horizons.index, counts, record, case))
    else:
        into.passed += 1
        clear(state, case, into)


def _why_open(horizons: Horizons) -> str:
    """Of a curve that a function of the user's own draws."""
    state = horizons.state
    if len(set(state.curve)) == 1:
        return f"its rate does not move in {len(state.curve)} steps"
    if horizons.is_free:
        return (
            "its curve is the same in fits of two lengths, and nothing says whether it counts "
            "steps or epochs"
        )
    return "its curve is another one in a longer fit, and does not follow its steps or epochs"


def _judge_constant(
    horizons: Horizons, record: FitRecord, case: CaseFacts, into: Gathering
) -> None:
    """A horizon that is not this fit's: what does the code say that it counts?"""
    state = horizons.measured
    counted = STEPPED_EACH.get(state.interval, "")
    if not state.unit or not counted or not record.training.automatic:
        into.undecided.append(
            Note(
                state.name,
                f"nothing says whether its horizon of {state.horizon} counts steps or "
                f"epochs; it was stepped {state.stepped} times in {record.estimated_steps:g} steps "
                f"and {record.epochs_planned} epochs",
            )
        )
        look_at_own_training(state, case, into)
    elif state.unit == counted:
        into.passed += 1
        clear(state, case, into)
    else:
        into.findings.append(wrong_unit(state, horizons.index, state.unit, record, case))


def _judge_never_stepped(horizons: Horizons, case: CaseFacts, into: Gathering) -> None:
    state = horizons.state
    text = f"{state.name} was not stepped once: in manual optimization Lightning leaves it alone"
    if state.mentioned:
        into.undecided.append(sentence(f"{text} ({state.mentioned[0]} may do so later)"))
        return
    script = steps(case.building, text, horizons.index, state.name, "at least 1")
    into.findings.append(
        found_at("LTN708", text, "self.lr_schedulers().step()", state, case, script)
    )


def _is_stepped_twice(state: SchedulerState, record: FitRecord) -> bool:
    by_hand = state.stepped - state.by_lightning
    return (
        record.training.automatic
        and state.by_lightning > 0
        and by_hand >= max(2, state.by_lightning)
    )
