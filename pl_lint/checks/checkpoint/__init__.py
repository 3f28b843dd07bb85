"""Does what was saved come back: as a model, and as a training run that goes on?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pl_lint.checks.registry import Gathering, Result, Runs, check
from pl_lint.checks.values.numbers import same, shown, tolerance
from pl_lint.facts.events import CaseFacts, EvaluationPass, LogEvent, RunError
from pl_lint.facts.records import FitRecord, Outputs, ReloadRecord
from pl_lint.findings import Evidence, Finding, Location, Status


@check("checkpoint", place=70)
def checkpoint(runs: Runs) -> Result:
    """What is saved in a checkpoint is what comes back from it.

    What it promises:
    `load_from_checkpoint` rebuilds the module that was trained: the same arguments, the same
    weights, the same predictions. `fit(ckpt_path=...)` after one epoch ends with the same bits as
    the fit that was never interrupted.

    How it is judged:
    A two-epoch fit saves a checkpoint after each epoch. The last one is loaded; arguments that the
    module leaves out on purpose (`save_hyperparameters(ignore=...)`) are taken from the case. The
    first one is resumed, with the random generators of torch, numpy and Python restored by pl-lint,
    so that any difference left is state that the module forgot to save. Predictions are compared,
    or logged values where there are no predict data.

    What it finds:
    Arguments that come back as their defaults or not at all (LTN306), hyper-parameters that
    `weights_only` loading refuses (LTN309), counters, averages and tensors in plain attributes that
    a resumed run starts anew (LTN310), named with both values. Where a script tests the last
    weights beside a monitored checkpoint (LTN317), what the best and the last weights score.

    When it cannot say:
    A module that is not reproducible cannot be compared with itself: see `reproducible`.
    """
    case, gathering = runs.case(), Gathering()
    if "train" not in case.stages:
        return gathering.result("the module has no training to save a checkpoint of")
    _judge_loading(runs.fit(), runs.reloaded(), case, gathering)
    _judge_resuming(runs, case, gathering)
    _judge_last_weights(runs, gathering)
    return gathering.result("the fit made no optimizer step")


# --- loading --------------------------------------------------------------------------------------


def _judge_loading(fit: FitRecord, record: ReloadRecord, case: CaseFacts, into: Gathering) -> None:
    if record.error is not None:
        into.findings.append(_load_error(record.error, record.arguments, case))
        return
    if record.arguments:
        into.findings.append(_lost_arguments(record.arguments, case))
    elif record.weights:
        into.findings.append(_found(case, "LTN310", _lost_weights(record.weights), _SAVE_STATE))
    else:
        _judge_outputs(fit.outputs, record.outputs, record.again, case, into)


def _judge_outputs(
    trained: Outputs,
    loaded: Outputs,
    again: Outputs,
    case: CaseFacts,
    into: Gathering,
) -> None:
    """What the trained module said at the end of its fit, beside what the loaded one says."""
    stage = trained.stage
    error = trained.error or loaded.error
    if error is not None:
        into.undecided.append(f"{stage} after training or loading: {error}")
        return
    if not trained.values:
        into.untriggered.append("the module predicts and logs nothing that could be compared")
        return
    for name, true in trained.values.items():
        value, other = (of.values.get(name, float("nan")) for of in (loaded, again))
        if same(value, true, tolerance(true)):
            into.passed += 1
        elif not same(value, other, tolerance(value)):
            into.undecided.append(f"{stage}: {name!r} differs between two equal evaluations")
        else:
            text = (
                f"after load_from_checkpoint, {stage} gives {name!r} as {shown(value)}, before it "
                f"was {shown(true)}, with equal weights and arguments"
            )
            into.findings.append(_found(case, "LTN310", text, _SAVE_STATE))
            return


def _load_error(
    error: RunError, arguments: Mapping[str, Sequence[str]], case: CaseFacts
) -> Finding:
    text = f"load_from_checkpoint raised {error.kind}: {_essence(error)}"
    if arguments:
        return _lost_arguments(arguments, case, f"; {text}")
    if error.kind == "TypeError" and "missing" in error.message:
        return _found(case, "LTN306", text, _SAVE_ARGUMENTS)
    if _is_refusal(error):
        return _found(case, "LTN309", text, _PLAIN_ARGUMENTS)
    return _found(
        case, "checkpoint", text, "load it by hand with load_from_checkpoint to see the traceback"
    )


def _lost_arguments(
    arguments: Mapping[str, Sequence[str]], case: CaseFacts, consequence: str = ""
) -> Finding:
    name, (built, loaded) = next(iter(arguments.items()))
    text = f"built with {name}={built}, loaded from its own checkpoint with {name}={loaded}"
    if len(arguments) > 1:
        text += f" (and {len(arguments) - 1} more arguments)"
    return _found(case, "LTN306", text + consequence, _SAVE_ARGUMENTS)


def _lost_weights(names: Sequence[str]) -> str:
    return f"{len(names)} tensors of the loaded module differ from the checkpoint: {names[0]}"


# --- resuming -------------------------------------------------------------------------------------


def _judge_resuming(runs: Runs, case: CaseFacts, into: Gathering) -> None:
    whole = runs.fit()
    if whole.epochs_run < whole.epochs_planned:
        into.undecided.append(f"resuming: the fit stopped after {whole.epochs_run} epoch")
        return
    resumed = runs.resumed()
    if resumed.error is not None:
        error = _resume_error(resumed.error, case)
        if error.code not in {finding.code for finding in into.findings}:
            into.findings.append(error)  # else loading has found the same
        return
    changed = set(_changed_values(whole, resumed))
    lost = list(_lost_attributes(whole, resumed))
    if whole.digests == resumed.digests and not (lost and changed):
        into.passed += bool(whole.steps)
        into.notes += [f"lost on resume, to no effect here: {text}" for text in lost]
        return
    again = runs.fit_again()
    by_chance = changed and changed <= set(_changed_values(whole, again))
    if whole.digests != again.digests or (whole.digests == resumed.digests and by_chance):
        into.undecided.append("resuming: the module is not reproducible to begin with")
        return
    into.findings.append(_lost_state(whole, resumed, case))


def _call(event: LogEvent) -> tuple[str, int, int, str]:
    return event.stage, event.epoch, event.batch, event.name


def _changed_values(whole: FitRecord, other: FitRecord) -> list[str]:
    """Keys that were logged with another value after the first epoch."""
    values = {(each.stage, each.epoch): each.values for each in other.epochs}
    steps = {_call(event): event.value for event in other.events if event.epoch}
    by_step = [
        event.name
        for event in whole.events
        if event.epoch and _call(event) in steps and event.value != steps[_call(event)]
    ]
    by_epoch = [
        name
        for each in whole.epochs
        for name, value in each.values.items()
        if each.epoch
        and name in values.get((each.stage, each.epoch), {})
        and not same(values[each.stage, each.epoch][name], value, tolerance(value))
    ]
    return by_step + by_epoch


def _resume_error(error: RunError, case: CaseFacts) -> Finding:
    text = f"fit(ckpt_path=...) raised {error.kind}: {_essence(error)}"
    if _is_refusal(error):
        return _found(case, "LTN309", text, _PLAIN_ARGUMENTS)
    return _found(
        case, "checkpoint", text, "resume it by hand with fit(ckpt_path=...) to see the traceback"
    )


def _is_refusal(error: RunError) -> bool:
    """Whether loading with ``weights_only`` refused what was saved."""
    return "Unpickling" in error.kind or "weights_only" in error.message.lower()


def _essence(error: RunError) -> str:
    """The line of torch's long advice that names the class it refuses; else the first line."""
    lines = error.message.splitlines()
    reason = next((line for line in lines if "WeightsUnpickler error" in line), lines[0])
    return reason.split(". Please use ")[0].strip().removeprefix("WeightsUnpickler error: ")


def _lost_state(whole: FitRecord, resumed: FitRecord, case: CaseFacts) -> Finding:
    lost = list(_lost_attributes(whole, resumed))
    if lost:
        text = "a resumed run is not the run that was interrupted: " + ", ".join(lost[:3])
    else:
        text = "a resumed run ends with other weights than the uninterrupted one, first at " + (
            _first_step(whole, resumed)
        )
    return _found(case, "LTN310", text, _SAVE_STATE)


def _lost_attributes(whole: FitRecord, resumed: FitRecord) -> Iterator[str]:
    """Attributes that had another value at the start of the second epoch."""
    before = whole.states.get("epoch 1", {})
    after = resumed.states.get("epoch 1", {})
    for name, value in before.items():
        if after.get(name) != value:
            was, became = _readable(value), _readable(after.get(name, "gone"))
            yield (
                f"self.{name} was {was}, and {became} after resuming"
                if was != became
                else f"self.{name} ({was}) had other values after resuming"
            )


def _readable(value: str) -> str:
    """Without the fingerprint that tells two lists or tensors apart."""
    return value.partition("#")[0]


def _first_step(whole: FitRecord, resumed: FitRecord) -> str:
    again = {step.step: step for step in resumed.steps}
    for step in whole.steps:
        other = again.get(step.step)
        if other is not None and other.digests != step.digests:
            name = next(k for k, v in step.digests.items() if other.digests.get(k) != v)
            return f"step {step.step} in {name!r}"
    return "the end of the fit"


# --- testing after fit ----------------------------------------------------------------------------


def _judge_last_weights(runs: Runs, into: Gathering) -> None:
    """What a script's ``trainer.test(model)`` says, beside the best weights by the key it watches.

    Asked only where reading suspects LTN317: testing the last weights is no mistake by itself.
    """
    suspected = runs.suspected("LTN317")
    passes = [done for done in runs.fit().tested if done.error is None]
    if not suspected or not passes:
        return
    last, *best = passes
    differences = [pair for kept in best for pair in _differences(last, kept)]
    if differences:
        into.findings += [finding.judged(Status.PROVED, differences[0]) for finding in suspected]
    else:
        into.undecided.append("LTN317: the last weights were the best in this short fit")


def _differences(last: EvaluationPass, best: EvaluationPass) -> Iterator[Evidence]:
    for name, value in last.values.items():
        true = best.values.get(name, value)
        if not same(value, true, tolerance(true)):
            yield Evidence(
                key=name,
                logged=value,
                true=true,
                tolerance=tolerance(true),
                world="1 process, CPU, fp32",
                how=f"a two-epoch fit; the truth is the {best.batching.label}",
                cause="the last weights are tested, not the best",
            )


# --- words ----------------------------------------------------------------------------------------

_SAVE_ARGUMENTS = "call self.save_hyperparameters() in __init__, or load with these arguments"
_PLAIN_ARGUMENTS = (
    "save plain values only (str(path), enum.value), or leave the argument out: "
    "self.save_hyperparameters(ignore=[...])"
)
_SAVE_STATE = (
    "keep tensors with self.register_buffer(...), other state in on_save_checkpoint and "
    "on_load_checkpoint"
)


def _found(case: CaseFacts, code: str, message: str, remedy: str) -> Finding:
    return Finding(
        code=code,
        message=message,
        location=Location(case.path, case.line),
        status=Status.PROVED,
        remedy=remedy,
        subject=case.module,
    )
