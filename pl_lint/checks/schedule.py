"""Is the learning-rate schedule stepped as often as it was made for?"""

from __future__ import annotations

from pl_lint.checks.registry import Gathering, Result, Runs, check
from pl_lint.facts.events import CaseFacts, SchedulerState
from pl_lint.facts.records import FitRecord
from pl_lint.findings import Evidence, Finding, Location, Status


@check("schedule", place=90)
def schedule(runs: Runs) -> Result:
    """A schedule made for N steps is stepped N times.

    What it promises:
    A scheduler whose horizon (`total_steps`, `T_max`, `num_training_steps`) is the number of
    optimizer steps is stepped after every optimizer step, and one made for epochs after every
    epoch.

    How it is judged:
    The small fit has many more steps than epochs, and counts how often the scheduler was stepped.
    One that was stepped once per epoch, but whose horizon equals
    `trainer.estimated_stepping_batches`, never gets past its first few percent: a one-cycle rate
    stays at its start, a cosine never falls (LTN710). So is one that was made for the epochs and
    stepped after every optimizer step.

    When it cannot say:
    A horizon that is neither this fit's number of steps nor of epochs (a constant) is not decided.
    A scheduler without a horizon, such as StepLR, cannot fail.
    """
    if "train" not in runs.case().stages:
        return Gathering().result("the module has no training")
    record, gathering = runs.fit(), Gathering()
    for state in record.schedulers:
        _judge(state, record, runs.case(), gathering)
    return gathering.result("the module has no learning-rate scheduler")


def _judge(state: SchedulerState, record: FitRecord, case: CaseFacts, into: Gathering) -> None:
    steps, epochs = record.estimated_steps, record.epochs_planned
    if state.horizon is None:
        into.untriggered.append(f"{state.name} has no horizon")
    elif steps is None or steps <= epochs:
        into.undecided.append(f"{state.name}: the fit had no more steps than epochs")
    elif state.horizon == steps and state.stepped == epochs:
        into.findings.append(_finding(state, steps, "optimizer steps", case))
    elif state.horizon == epochs and state.stepped == steps:
        into.findings.append(_finding(state, epochs, "epochs", case))
    elif state.horizon == state.stepped:
        into.passed += 1
        location = state.location or Location(case.path, case.line)
        into.clear(("LTN710",), location, _evidence(state, state.horizon), case.module)
    else:
        into.undecided.append(
            f"{state.name}: its horizon of {state.horizon} is neither the {steps:g} steps nor the "
            f"{epochs} epochs of this fit"
        )


def _evidence(state: SchedulerState, horizon: int) -> Evidence:
    return Evidence(
        key=f"horizon of {state.name}",
        logged=float(horizon),
        true=float(horizon),
        tolerance=0.0,
        world="1 process, CPU, fp32",
        how="the schedule's horizon against the number of times that Lightning steps it",
    )


def _finding(state: SchedulerState, horizon: float, unit: str, case: CaseFacts) -> Finding:
    right = "step" if unit == "optimizer steps" else "epoch"
    cause = f"made for {horizon:g} {unit}, stepped {state.stepped} times"
    return Finding(
        code="LTN710",
        message=f"{state.name} is {cause}: the learning rate does not follow the schedule",
        location=state.location or Location(case.path, case.line),
        status=Status.PROVED,
        remedy='return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, '
        f'"interval": "{right}"}}}}',
        subject=case.module,
    )
