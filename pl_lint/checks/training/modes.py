"""Training and evaluation mode: who is trained in the wrong one, and who left it there?"""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.checks.registry import Gathering
from pl_lint.checks.training.view import View, inside
from pl_lint.facts.training import ModeChange, Part
from pl_lint.findings import Finding

# Hooks in which modes are set on purpose, for the training that follows.
SETTING = (
    *("setup", "configure_model", "configure_optimizers", "on_fit_start", "on_train_start"),
    *("on_train_epoch_start", "on_train_batch_start", "on_validation_model_train"),
)
EVALUATING = ("validation", "test", "predict")


def judge_modes(view: View, into: Gathering) -> None:
    if not any(part.sensitive for part in view.story.parts):
        into.untriggered.append("modes: no layer of the module depends on them")
    left = [change for change in view.story.mode_changes if _is_left_behind(view, change)]
    for change in left:
        into.findings.append(_left_behind(view, change))
    if left:
        return  # what is in evaluation mode is so for that reason
    for part in _trained_in_eval(view):
        _judge_part(view, part, into)


def within(name: str, part: str) -> bool:
    """As ``inside``; everything is within the module itself."""
    return not part or inside(name, part)


def _is_left_behind(view: View, change: ModeChange) -> bool:
    """The whole module is in another mode after a hook than before it, and works on in it; of its
    layers alone, those that training mode matters to and that were trained in it before."""
    if change.to == "train":
        return "" in change.parts and change.hook.split("_step")[0] in EVALUATING
    if change.hook in SETTING or change.hook.startswith(tuple(f"on_{e}" for e in EVALUATING)):
        return False  # set on purpose, or restored by Lightning when the evaluation is over
    parts = {part.name: part for part in view.story.parts}
    return any(_stopped_training(parts[name]) for name in change.parts if name in parts)


def _stopped_training(part: Part) -> bool:
    """Trained in training mode at first, and in evaluation mode only at last."""
    whole_module = not part.name
    if whole_module and not part.ran:  # its step calls the layers, not itself
        return part.in_eval
    switched = "train" in part.first and part.last == ("eval",)
    return switched and (part.sensitive or whole_module)


def _left_behind(view: View, change: ModeChange) -> Finding:
    whole = "" in change.parts
    who = "the module" if whole else f"self.{change.parts[0]}"
    if change.to == "train":
        text = f"{change.hook} leaves {who} in training mode: the evaluation goes on in it"
    else:
        text = f"{change.hook} leaves {who} in evaluation mode: the training after it is done in it"
    place = change.location or view.place("")
    remedy = "leave modes to Lightning, or restore the one that you found"
    return view.found("LTN715", text, place, remedy)


def _trained_in_eval(view: View) -> Iterator[Part]:
    """Containers in evaluation mode whose parameters are trained nevertheless, outermost first."""
    found: list[Part] = []
    for part in sorted(view.story.parts, key=lambda part: (part.name.count("."), part.name)):
        if part.in_eval and not any(within(part.name, up.name) for up in found):
            found.append(part)
    yield from (part for part in found if _learns(view, part) and _matters(view, part))


def _learns(view: View, part: Part) -> bool:
    return any(s.moved and within(s.name, part.name) for s in view.story.parameters)


def _matters(view: View, part: Part) -> bool:
    """Whether training mode would make a difference. A single layer in evaluation mode was chosen:
    batch norm is often kept there."""
    inner = [each for each in view.story.parts if within(each.name, part.name)]
    return len(inner) > 1 and bool(_switched_off(view, part))


def _switched_off(view: View, part: Part) -> list[Part]:
    """The dropouts and batch norms of a part that ran in evaluation mode only, among layers that
    learn."""
    moved = [story.name for story in view.story.parameters if story.moved]
    return [
        each
        for each in view.story.parts
        if each.sensitive and each.modes == ("eval",) and within(each.name, part.name)
        if any(within(name, each.name.rpartition(".")[0]) for name in moved)
    ]


def _judge_part(view: View, part: Part, into: Gathering) -> None:
    off, who = _switched_off(view, part)[0], f"self.{part.name}" if part.name else "self"
    text = (
        f"{who} is trained in evaluation mode: {off.kind} (self.{off.name}) does what it does in "
        "validation"
    )
    above = [each for each in view.story.parts if within(part.name, each.name)]
    if any(each.chosen_mode for each in above) or _was_set(view, part):
        into.notes.append(f"{text}, by the code's own choice")
        return
    remedy = (
        f"call {who}.train() in __init__ (from_pretrained() returns evaluation mode), "
        "or freeze it: requires_grad_(False)"
    )
    into.findings.append(view.found("LTN714", text, view.place(part.name), remedy))


def _was_set(view: View, part: Part) -> bool:
    """By a hook of the module, or by a callback: it was in training mode at first."""
    changed = any(
        part.name in change.parts and change.to == "eval" for change in view.story.mode_changes
    )
    inner = [each for each in view.story.parts if within(each.name, part.name)]
    return changed or any("train" in each.modes for each in inner)
