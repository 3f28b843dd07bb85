"""What is said of a schedule, with its whole curve beside the rates that were used."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pl_lint.checks.proving import found
from pl_lint.checks.registry import Gathering
from pl_lint.checks.schedule.script import rates, steps
from pl_lint.checks.values.evidence import counted
from pl_lint.facts.events import CaseFacts, SchedulerState
from pl_lint.facts.records import FitRecord
from pl_lint.facts.training import quarters
from pl_lint.findings import Evidence, Finding, Location, Status

UNITS = {"steps": "optimizer steps", "epochs": "epochs", "batches": "batches"}


def wrong_unit(
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
    finding = found_at("LTN710", text, remedy, state, case, script)
    return finding.judged(finding.status, _counts(state, state.stepped))


def _counts(state: SchedulerState, stepped: float) -> Evidence:
    return counted(
        f"horizon of {state.name}",
        stepped,
        state.horizon or 0,
        how="the number of times that it is stepped against the schedule's horizon",
    )


def skips(
    state: SchedulerState, index: int, unit: str, record: FitRecord, case: CaseFacts
) -> Finding:
    text = (
        f"{state.name} is made for {state.horizon} {UNITS[unit]}, and stepped once in "
        f'{state.frequency} of them ("frequency": {state.frequency})'
    ) + _trace(state, record)
    remedy = f"leave the frequency out, or make it as long as the {UNITS[unit]} over it"
    script = steps(case.building, text, index, state.name, state.horizon or 0)
    finding = found_at("LTN710", text, remedy, state, case, script)
    return finding.judged(finding.status, _counts(state, state.stepped))


def _trace(state: SchedulerState, record: FitRecord) -> str:
    """The whole curve, how much of it was used, and the rates that this fit had."""
    stories = record.training.optimizers
    used = quarters(stories[state.optimizer].rates) if state.optimizer < len(stories) else ()
    if not used or not state.alone:
        return ""
    return (
        f". At 0, 25, 50, 75 and 100 % of a training its curve is {listed(state.alone)}; in this "
        f"fit, which used {share(state.stepped, state.horizon)} of it, the rate was "
        f"{listed(used)}"
    )


def listed(rates: Sequence[float]) -> str:
    return ", ".join(f"{rate:.3g}" for rate in rates)


def share(part: float, whole: float | None) -> str:
    return f"{100 * part / whole:.0f} %" if whole else "nothing"


def dropped(state: SchedulerState, case: CaseFacts) -> Finding:
    keys = " and ".join(repr(key) for key in state.dropped_keys)
    where = f"under the key {keys}, which Lightning does not read" if keys else "and lost"
    text = f"{state.name} is returned {where}: the learning rate stays constant"
    remedy = 'return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler}}'
    return found_at("LTN711", text, remedy, state, case, rates(case.building, text))


def name_dropped_keys(state: SchedulerState, case: CaseFacts, into: Gathering) -> None:
    """Settings of the schedule that stand where Lightning does not look for them."""
    lost = [key for key in state.dropped_keys if key in ("interval", "frequency", "strict")]
    if lost:
        text = (
            f"{lost[0]!r} stands beside the scheduler's dict, where Lightning does not read it: "
            f"{state.name} is stepped once per {state.interval}"
        )
        remedy = f'put it into the inner dict: "lr_scheduler": {{"scheduler": …, "{lost[0]}": …}}'
        script = rates(case.building, text)
        into.findings.append(found_at("LTN711", text, remedy, state, case, script))


def stepped_twice(state: SchedulerState, index: int, case: CaseFacts) -> Finding:
    text = (
        f"{state.name} was stepped {state.stepped} times, {state.by_lightning} of them by "
        "Lightning: the schedule runs ahead"
    )
    remedy = "leave the steps to Lightning, or override lr_scheduler_step"
    script = steps(case.building, text, index, state.name, state.by_lightning)
    return found_at("schedule", text, remedy, state, case, script)


def clear(state: SchedulerState, case: CaseFacts, into: Gathering) -> None:
    evidence = _counts(state, float(state.horizon or 0))
    into.clear(("LTN710",), _place(state, case), evidence, case.module)


def _place(state: SchedulerState, case: CaseFacts) -> Location:
    """The line that made it; the module, where a library did."""
    if state.location is None or not Path(state.location.path).is_absolute():
        return case.home
    return state.location


def found_at(
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
