"""What the findings of this check have in common: how they are said, and what to do about them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from pl_lint.checks.checkpoint.script import load_fails
from pl_lint.checks.proving import found
from pl_lint.facts.events import CaseFacts, RunError
from pl_lint.findings import Finding, Location

SAVE_ARGUMENTS = "call self.save_hyperparameters() in __init__, or load with these arguments"
SAVE_FIRST = (
    "make it an argument of __init__, and call self.save_hyperparameters() before anything changes "
    "the arguments: pop, del and update change a dict that the checkpoint would hold"
)
PLAIN_ARGUMENTS = (
    "save plain values only (str(path), enum.value), or leave the argument out: "
    "self.save_hyperparameters(ignore=[...])"
)
_PLAIN_RATES = (
    "give learning rates and schedules plain numbers: float(...) around what numpy computes, or "
    "math in its place"
)
_PLAIN_VALUES = "save plain values only: float(...), str(...), tensors"
_OF_ENTRIES = {
    "hyper_parameters": ("the hyper-parameters", PLAIN_ARGUMENTS),
    "datamodule_hyper_parameters": ("the hyper-parameters of the data", PLAIN_ARGUMENTS),
    "optimizer_states": ("the state of the optimizer", _PLAIN_RATES),
    "lr_schedulers": ("the state of the scheduler", _PLAIN_RATES),
    "callbacks": ("the state of a callback", f"{_PLAIN_VALUES}, in its state_dict"),
}
"""For each entry of a checkpoint what it is, and what to do where ``weights_only`` refuses it."""
SAVE_STATE = (
    "keep tensors with self.register_buffer(...), other state in on_save_checkpoint and "
    "on_load_checkpoint"
)
SET_MODE = (
    "no checkpoint holds modes: call .eval() or .train() in on_train_epoch_start, or override "
    "train(), so that every epoch begins with it"
)
LAYERS = "layers in "
"""How the name of layers begins that ``state_dict`` does not find."""
_REMEDIES = (
    (
        LAYERS,
        "keep layers in nn.ModuleList or nn.ModuleDict: state_dict does not look into plain lists, "
        "dicts and objects",
    ),
    ("buffer ", "register the buffer without persistent=False"),
    ("optimizer ", "keep it in the optimizer's state or param_groups, which its state_dict has"),
    ("scheduler ", "let the scheduler's state_dict and load_state_dict have it"),
    ("callback ", "give the callback a state_dict and a load_state_dict"),
    ("self.", SAVE_STATE),
)
"""What to do about lost state, by how its name begins."""
SHOWN = 3
"""So much lost state is named in a finding."""
EQUAL_BITS = "the same operations on the same numbers, in the same order, give the same bits"


def remedy_for(lost: Iterable[str]) -> str:
    """What to write instead, for each kind of state that was lost."""
    names = list(lost)
    said = [remedy for kind, remedy in _REMEDIES if any(name.startswith(kind) for name in names)]
    return "; ".join(said) or SAVE_STATE


def is_refusal(error: RunError) -> bool:
    """Whether loading with ``weights_only`` refused what was saved."""
    return "Unpickling" in error.kind or "weights_only" in error.message.lower()


def essence(error: RunError) -> str:
    """The line of torch's long advice that names the class it refuses; else the first line."""
    lines = error.message.splitlines()
    reason = next((line for line in lines if "WeightsUnpickler error" in line), lines[0])
    return reason.split(". Please use ")[0].strip().removeprefix("WeightsUnpickler error: ")


def refused(case: CaseFacts, call: str, error: RunError, entries: Sequence[str] = ()) -> Finding:
    """``entries`` are those of the checkpoint that are refused, where that is known."""
    said = [_OF_ENTRIES.get(name, (f"{name!r}", _PLAIN_VALUES)) for name in entries]
    text = f"{call} raised {error.kind}: {essence(error)}"
    text += f", in {' and in '.join(name for name, _ in said)}" if said else ""
    remedy = "; ".join(dict.fromkeys(remedy for _, remedy in said)) or PLAIN_ARGUMENTS
    return found(case, "LTN309", text, remedy, script=load_fails(case.building, text))


def differing(before: Mapping[str, str], after: Mapping[str, str], when: str) -> dict[str, str]:
    """What has another value, in words, by name."""
    return {
        name: _became(name, readable(value), readable(after.get(name, "gone")), when)
        for name, value in before.items()
        if after.get(name) != value
    }


def listed(lost: Mapping[str, str]) -> str:
    """The first few of what was lost, in words."""
    return ", ".join([*lost.values()][:SHOWN])


def _became(name: str, was: str, became: str, when: str) -> str:
    if was == became:
        return f"{name} ({was}) had other values {when}"
    return f"{name} was {was}, and {became} {when}"


def readable(value: str) -> str:
    """Without the fingerprint that tells two lists or tensors apart, numbers in a few digits."""
    plain = value.partition("#")[0]
    try:
        return f"{float(plain):.6g}"
    except ValueError:
        return plain


def place_of(names: Iterable[str], places: Mapping[str, Location]) -> Location | None:
    """The line that sets the first of these attributes or buffers that a line is known of."""
    plain = (name.removeprefix(LAYERS) for name in names)
    spelled = (re.sub(r"^buffer (\S+).*", r"self.\1", name) for name in plain)
    return next((places[name] for name in spelled if name in places), None)


def at_line(name: str, places: Mapping[str, Location]) -> str:
    place = place_of([name], places)
    return f" (line {place.line})" if place else ""
