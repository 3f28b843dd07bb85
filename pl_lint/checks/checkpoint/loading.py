"""``load_from_checkpoint``: is what comes back what was trained?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from pl_lint.checks.checkpoint.carried import causes, never_cleared, remedy_of
from pl_lint.checks.checkpoint.deciding import Put, deciding
from pl_lint.checks.checkpoint.left_over import left_over_keys
from pl_lint.checks.checkpoint.script import argument_lost, load_fails, other_output
from pl_lint.checks.checkpoint.wording import (
    SAVE_ARGUMENTS,
    SAVE_FIRST,
    SAVE_STATE,
    at_line,
    differing,
    essence,
    is_refusal,
    place_of,
    refused,
)
from pl_lint.checks.proving import found
from pl_lint.checks.registry import Gathering, Runs
from pl_lint.checks.values.evidence import compared
from pl_lint.checks.values.numbers import same, shown, tolerance
from pl_lint.facts.events import CaseFacts, Note, RunError, sentence
from pl_lint.facts.records import FitRecord, Outputs, ReloadRecord
from pl_lint.findings import Finding


def judge_loading(runs: Runs, case: CaseFacts, into: Gathering) -> None:
    record = runs.reloaded()
    if record.refused is not None:
        entries = record.refused_in
        into.findings.append(refused(case, "load_from_checkpoint", record.refused, entries))
    if record.error is not None:
        into.findings.append(_load_error(record.error, record, case))
        return
    if record.arguments:
        into.findings.append(_lost_arguments(record.arguments, case))
    elif record.weights:
        into.findings.append(found(case, "LTN310", _lost_weights(record.weights), SAVE_STATE))
    else:
        _judge_outputs(runs, record, case, into)


def _judge_outputs(runs: Runs, record: ReloadRecord, case: CaseFacts, into: Gathering) -> None:
    """What the trained module said at the end of its fit, beside what the loaded one says."""
    trained, loaded = runs.fit().outputs, record.outputs
    error = trained.error or loaded.error
    if error is not None:
        into.undecided.append(Note(f"{trained.stage} after training or loading", str(error)))
    elif not trained.values:
        nothing = "the module predicts and logs nothing that could be compared"
        into.untriggered.append(sentence(nothing))
    else:
        _compare_outputs(runs, record, case, into)


def _compare_outputs(runs: Runs, record: ReloadRecord, case: CaseFacts, into: Gathering) -> None:
    """One finding is enough: what one output lacks, others lack too."""
    fit, loaded, again = runs.fit(), record.outputs, record.again
    stage, lost = fit.outputs.stage, _lost(fit.outputs, loaded, again)
    kept: list[str] = []
    for name, true in fit.outputs.values.items():
        value, other = (of.values.get(name, float("nan")) for of in (loaded, again))
        if same(value, true, tolerance(true)):
            into.passed += 1
        elif not same(value, other, tolerance(value)):
            into.undecided.append(Note(stage, f"{name!r} differs between two equal evaluations"))
        elif stage != "predict" and name in left_over_keys(runs, case, lost):
            kept.append(name)
        else:
            into.findings.append(_other_output(name, value, lost, runs, case))
            return
    into.notes += _left_over(kept, fit) if kept else _without_effect(lost, fit)


def _without_effect(lost: Mapping[str, str], fit: FitRecord) -> Iterator[Note]:
    to_no_effect = f"not in the checkpoint, to no effect on {fit.outputs.stage}"
    for name, text in lost.items():
        yield sentence(f"{to_no_effect}: {text}{at_line(name, fit.places)}")


def _left_over(keys: Iterable[str], fit: FitRecord) -> Iterator[Note]:
    """What ``logged-values`` fails for is no fault of the checkpoint's."""
    for key in keys:
        yield sentence(
            f"after load_from_checkpoint, {fit.outputs.stage} gives another {key!r}: before it, "
            "it held what earlier epochs had left behind (see logged-values)"
        )


def _lost(trained: Outputs, loaded: Outputs, again: Outputs) -> dict[str, str]:
    """State that the loaded module does not have, nor gets when it is used."""
    kept = {name for name, text in loaded.state.items() if again.state.get(name) == text}
    steady = {n: t for n, t in trained.state.items() if n not in loaded.state or n in kept}
    return differing(steady, loaded.state, "after loading")


def _other_output(
    name: str, value: float, lost: Mapping[str, str], runs: Runs, case: CaseFacts
) -> Finding:
    fit = runs.fit()
    stage, true = fit.outputs.stage, fit.outputs.values[name]

    def are_right(put: Put) -> list[bool]:
        values = [outputs.values.get(name) for outputs in runs.reloaded_with(put).outputs]
        return [value is not None and same(value, true, tolerance(true)) for value in values]

    guilty = deciding(lost, (), are_right)
    given = bool(guilty.lost) and all(_is_given(n, fit, runs.reloaded()) for n in guilty.lost)
    equal = "equal weights" if given else "equal weights and arguments"
    said = (
        f"after load_from_checkpoint, {stage} gives {name!r} as {shown(value)}, before it "
        f"was {shown(true)}, with {equal}"
    )
    how = f"{stage} with the loaded module; the truth is what the trained one gave"
    evidence = compared(name, value, true, how, cause="something that the checkpoint does not have")
    script = other_output(case.building, said, stage, name)
    names = list(guilty.lost) or list(never_cleared(fit))
    text = f"{said}; {guilty.words}" if lost else said
    text += causes(names, fit)
    place = place_of(names, fit.places)
    if given:
        text += (
            "; it comes with the module and training leaves it as it is: no state, but an argument"
        )
        return found(case, "LTN306", text, SAVE_FIRST, place, (evidence,), script=script)
    remedy = remedy_of(names, fit, only_logged=stage != "predict")
    return found(case, "LTN310", text, remedy, place, (evidence,), script=script)


def _is_given(name: str, fit: FitRecord, record: ReloadRecord) -> bool:
    """A plain value that a module is built with, and that training leaves as it is: an argument
    that got lost on its way into the checkpoint, as by ``cfg.pop()``. Tensors may be drawn."""
    text = fit.outputs.state.get(name, "#")
    return name.startswith("self.") and "#" not in text and record.built.get(name) == text


def _load_error(error: RunError, record: ReloadRecord, case: CaseFacts) -> Finding:
    text = f"load_from_checkpoint raised {error.kind}: {essence(error)}"
    if record.arguments:
        return _lost_arguments(record.arguments, case, f"; {text}")
    if is_refusal(error):
        return refused(case, "load_from_checkpoint", error, record.refused_in)
    code, remedy = "checkpoint", "see the traceback of load_from_checkpoint"
    if error.kind == "TypeError" and "missing" in error.message:
        code, remedy = "LTN306", SAVE_ARGUMENTS
    return found(case, code, text, remedy, script=load_fails(case.building, text))


def _lost_arguments(
    arguments: Mapping[str, Sequence[str]], case: CaseFacts, consequence: str = ""
) -> Finding:
    name, (built, loaded) = next(iter(arguments.items()))
    text = f"built with {name}={built}, loaded from its own checkpoint with {name}={loaded}"
    if len(arguments) > 1:
        others = len(arguments) - 1
        text += f" (and {others} other argument{'s' if others > 1 else ''})"
    fails = load_fails(case.building, text + consequence)
    script = fails if consequence else argument_lost(case.building, text, name)
    return found(case, "LTN306", text + consequence, SAVE_ARGUMENTS, script=script)


def _lost_weights(names: Sequence[str]) -> str:
    return f"{len(names)} tensors of the loaded module differ from the checkpoint: {names[0]}"
