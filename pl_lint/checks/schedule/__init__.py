"""Is the learning-rate schedule stepped as often as it was made for?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pl_lint.checks.proving import found
from pl_lint.checks.registry import Gathering, Result, Runs, check
from pl_lint.checks.schedule.script import rates, steps
from pl_lint.checks.values.evidence import counted
from pl_lint.checks.values.numbers import shown
from pl_lint.facts.events import CaseFacts, Note, SchedulerState, sentence
from pl_lint.facts.records import FitRecord
from pl_lint.facts.training import Overfitting, quarters
from pl_lint.findings import Evidence, Finding, Location, Status

UNITS = {"steps": "optimizer steps", "epochs": "epochs", "batches": "batches"}
RESTARTING = ("CosineAnnealingWarmRestarts",)
STILL = 0.01
"""A rate that moves by less than this share of itself over a whole training has no schedule."""
NEARLY_ALL = 0.9
"""A curve of which less than this is used was made for another training."""
STEPPED_EACH = {"step": "steps", "epoch": "epochs"}


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
    A constant horizon about which the code says nothing is not decided. A scheduler without a
    horizon, such as StepLR, cannot fail. Where the case or a script says how long its own training
    is, the schedule is stepped alone that often: one whose rate falls and rises again, or hardly
    moves, or that uses less than nine tenths of its curve, is suspected.
    """
    if "train" not in runs.case().stages:
        return Gathering().result("the module has no training")
    record, case, gathering = runs.fit(), runs.case(), Gathering()
    if not record.schedulers:
        return gathering.result("the module has no learning-rate scheduler")
    longer = runs.trained().overfitting
    for index, state in enumerate(record.schedulers):
        horizons = _Horizons(state, record, longer, index)
        _judge(horizons, record, case, gathering)
    return gathering.result("the module has no learning-rate scheduler")


@dataclass(frozen=True)
class _Horizons:
    """One scheduler in two fits of different lengths."""

    state: SchedulerState
    fit: FitRecord
    longer: Overfitting
    index: int

    @property
    def counts(self) -> str:
        """What the horizon follows, the steps of a fit or its epochs; nothing where it is the same
        in both, or was not seen in the other.

        In proportion, since a warm restart may come every fifth epoch: then to the steps or to the
        batches of an epoch; or with what is left of the steps after a warm-up."""
        here, there = self.state.horizon, self._there()
        if not here or there is None or here == there:
            return ""
        steps, batches = self.fit.estimated_steps or 0, self._batches()
        if here == there * self.fit.epochs_planned:
            return "epochs"
        if here == self.fit.training.batches != steps and there == self.longer.steps:
            return "batches"  # that fit makes a step of every batch
        proportional = any(here * self.longer.steps == there * each for each in (steps, batches))
        return "steps" if proportional or there - here == self.longer.steps - steps else ""

    @property
    def stepped(self) -> str:
        """What it was stepped after."""
        if self.state.stepped == self.fit.epochs_planned:
            return "epochs"
        return "steps" if self.state.stepped == self.fit.estimated_steps else ""

    @property
    def skips(self) -> bool:
        """Whether it was made for every one of the intervals that it follows, and Lightning steps
        it after some of them only (``frequency``)."""
        length = {"steps": self.fit.estimated_steps, "epochs": self.fit.epochs_planned}
        interval = STEPPED_EACH.get(self.state.interval, "")
        stepped = self.state.stepped == self.state.by_lightning
        exact = self.state.horizon == length.get(interval)
        return self.state.frequency > 1 and interval == self.counts and exact and stepped

    def _there(self) -> int | None:
        known = self.longer.horizons[self.index : self.index + 1]
        return next((length for name, length in known if name == self.state.name), None)

    def _batches(self) -> int:
        return self.fit.training.batches // max(1, self.fit.epochs_run)


def _judge(horizons: _Horizons, record: FitRecord, case: CaseFacts, into: Gathering) -> None:
    state = horizons.state
    if not state.interval:
        into.findings.append(_dropped(state, case))
    elif not record.training.automatic and not state.stepped:
        _judge_never_stepped(horizons, case, into)
    elif _is_stepped_twice(state, record):
        into.findings.append(_stepped_twice(horizons, case))
    else:
        _name_dropped_keys(state, case, into)
        _judge_horizon(horizons, record, case, into)


def _judge_horizon(
    horizons: _Horizons, record: FitRecord, case: CaseFacts, into: Gathering
) -> None:
    state, counts = horizons.state, horizons.counts
    steps, epochs = record.estimated_steps, record.epochs_planned
    if state.horizon is None:
        into.untriggered.append(sentence(f"{state.name} has no horizon"))
        _look_at_own_training(state, case, into)
    elif steps is None or steps <= epochs:
        into.undecided.append(Note(state.name, "the fit had no more steps than epochs"))
    elif counts and horizons.skips:
        into.findings.append(_skips(state, horizons.index, counts, record, case))
    elif not counts or not horizons.stepped:
        _judge_constant(horizons, record, case, into)
    elif counts != horizons.stepped:
        followed = replace(state, unit="", because="", by_name=False)
        into.findings.append(_wrong_unit(followed, horizons.index, counts, record, case))
    else:
        into.passed += 1
        _clear(state, case, into)


def _judge_constant(
    horizons: _Horizons, record: FitRecord, case: CaseFacts, into: Gathering
) -> None:
    """A horizon that is not this fit's: what does the code say that it counts?"""
    state = horizons.state
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
        _look_at_own_training(state, case, into)
    elif state.unit == counted:
        into.passed += 1
        _clear(state, case, into)
    else:
        into.findings.append(_wrong_unit(state, horizons.index, state.unit, record, case))


def _look_at_own_training(state: SchedulerState, case: CaseFacts, into: Gathering) -> None:
    """What the schedule does over as many epochs as the case's own Trainer has. That nobody says
    what its horizon counts leaves it suspected."""
    if not state.own:
        return
    first, highest, last = state.own
    how_often = f"{state.planned} times in the case's own training"
    if state.place:
        how_often = f"{state.planned} times in the training of {state.place}"
    if state.turns and state.horizon is not None and state.name not in RESTARTING:
        text = (
            f"{state.name} is made for {state.horizon} steps and stepped {how_often}: the rate "
            f"falls to its end and rises again, {state.turns} times"
        )
    elif state.horizon and state.planned and state.planned < NEARLY_ALL * state.horizon:
        text = (
            f"{state.name} is made for {state.horizon} steps and stepped {how_often}: "
            f"{_share(state.planned, state.horizon)} of its curve, from {shown(first)} to "
            f"{shown(last)} instead of {_listed(state.alone)} at its quarters"
        )
    elif not state.turns and highest - min(first, last) < STILL * highest:
        text = (
            f"{state.name} is stepped {how_often}, and the rate hardly moves: from {shown(first)} "
            f"to {shown(last)}"
        )
    else:
        return
    remedy = "say what it counts: make its length of max_epochs, or of the estimated steps"
    finding = _found("LTN710", text, remedy, state, case, script="")
    condition = "if it is not meant to"
    into.findings.append(replace(finding, status=Status.SUSPECTED, condition=condition))


# --- findings -------------------------------------------------------------------------------------


def _wrong_unit(
    state: SchedulerState, index: int, unit: str, record: FitRecord, case: CaseFacts
) -> Finding:
    right = "epoch" if unit == "epochs" else "step"
    text = (
        f"{state.name} is made for {state.horizon} {UNITS[unit]}, stepped {state.stepped} times: "
        "the learning rate does not follow the schedule"
    )
    if state.unit and state.because:
        text += f" ({state.because})"
    remedy = (
        'return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, '
        f'"interval": "{right}"}}}}'
    )
    if unit == "batches":
        text += "; several batches are accumulated for each optimizer step"
        remedy = "make it as long as int(self.trainer.estimated_stepping_batches)"
        remedy += "" if state.interval == "step" else ', with "interval": "step"'
    text += _trace(state, record)
    script = steps(case.building, text, index, state.name, state.horizon or 0)
    finding = _found("LTN710", text, remedy, state, case, script)
    return finding.judged(finding.status, _counts(state, state.stepped))


def _counts(state: SchedulerState, stepped: float) -> Evidence:
    return counted(
        f"horizon of {state.name}",
        stepped,
        state.horizon or 0,
        how="the number of times that it is stepped against the schedule's horizon",
    )


def _skips(
    state: SchedulerState, index: int, unit: str, record: FitRecord, case: CaseFacts
) -> Finding:
    text = (
        f"{state.name} is made for {state.horizon} {UNITS[unit]}, and stepped once in "
        f'{state.frequency} of them ("frequency": {state.frequency})'
    ) + _trace(state, record)
    remedy = f"leave the frequency out, or make it as long as the {UNITS[unit]} over it"
    script = steps(case.building, text, index, state.name, state.horizon or 0)
    finding = _found("LTN710", text, remedy, state, case, script)
    return finding.judged(finding.status, _counts(state, state.stepped))


def _trace(state: SchedulerState, record: FitRecord) -> str:
    """The whole curve, how much of it was used, and the rates that this fit had."""
    stories = record.training.optimizers
    used = quarters(stories[state.optimizer].rates) if state.optimizer < len(stories) else ()
    if not used or not state.alone:
        return ""
    return (
        f". At 0, 25, 50, 75 and 100 % of a training its curve is {_listed(state.alone)}; in this "
        f"fit, which used {_share(state.stepped, state.horizon)} of it, the rate was "
        f"{_listed(used)}"
    )


def _listed(rates: Sequence[float]) -> str:
    return ", ".join(f"{rate:.3g}" for rate in rates)


def _share(part: float, whole: float | None) -> str:
    return f"{100 * part / whole:.0f} %" if whole else "nothing"


def _dropped(state: SchedulerState, case: CaseFacts) -> Finding:
    keys = " and ".join(repr(key) for key in state.dropped_keys)
    where = f"under the key {keys}, which Lightning does not read" if keys else "and lost"
    text = f"{state.name} is returned {where}: the learning rate stays constant"
    remedy = 'return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler}}'
    return _found("LTN711", text, remedy, state, case, rates(case.building, text))


def _name_dropped_keys(state: SchedulerState, case: CaseFacts, into: Gathering) -> None:
    """Settings of the schedule that stand where Lightning does not look for them."""
    lost = [key for key in state.dropped_keys if key in ("interval", "frequency", "strict")]
    if lost:
        text = (
            f"{lost[0]!r} stands beside the scheduler's dict, where Lightning does not read it: "
            f"{state.name} is stepped once per {state.interval}"
        )
        remedy = f'put it into the inner dict: "lr_scheduler": {{"scheduler": …, "{lost[0]}": …}}'
        script = rates(case.building, text)
        into.findings.append(_found("LTN711", text, remedy, state, case, script))


def _judge_never_stepped(horizons: _Horizons, case: CaseFacts, into: Gathering) -> None:
    state = horizons.state
    text = f"{state.name} was not stepped once: in manual optimization Lightning leaves it alone"
    if state.mentioned:
        into.undecided.append(sentence(f"{text} ({state.mentioned[0]} may do so later)"))
        return
    script = steps(case.building, text, horizons.index, state.name, "at least 1")
    into.findings.append(_found("LTN708", text, "self.lr_schedulers().step()", state, case, script))


def _is_stepped_twice(state: SchedulerState, record: FitRecord) -> bool:
    by_hand = state.stepped - state.by_lightning
    return (
        record.training.automatic
        and state.by_lightning > 0
        and by_hand >= max(2, state.by_lightning)
    )


def _stepped_twice(horizons: _Horizons, case: CaseFacts) -> Finding:
    state = horizons.state
    text = (
        f"{state.name} was stepped {state.stepped} times, {state.by_lightning} of them by "
        "Lightning: the schedule runs ahead"
    )
    remedy = "leave the steps to Lightning, or override lr_scheduler_step"
    script = steps(case.building, text, horizons.index, state.name, state.by_lightning)
    return _found("schedule", text, remedy, state, case, script)


def _clear(state: SchedulerState, case: CaseFacts, into: Gathering) -> None:
    evidence = _counts(state, float(state.horizon or 0))
    into.clear(("LTN710",), _place(state, case), evidence, case.module)


def _place(state: SchedulerState, case: CaseFacts) -> Location:
    """The line that made it; the module, where a library did."""
    if state.location is None or not Path(state.location.path).is_absolute():
        return case.home
    return state.location


def _found(
    code: str, text: str, remedy: str, state: SchedulerState, case: CaseFacts, script: str
) -> Finding:
    by_name_only = code == "LTN710" and state.by_name
    return found(
        case,
        code,
        text,
        remedy,
        _place(state, case),
        status=Status.SUSPECTED if by_name_only else Status.PROVED,
        condition="if the hyper-parameter means what it is called" if by_name_only else "",
        script=script,
    )
