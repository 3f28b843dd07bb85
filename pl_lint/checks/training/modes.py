"""Training and evaluation mode: who is trained in the wrong one, and who left it there?"""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.checks.registry import Gathering
from pl_lint.checks.training import script
from pl_lint.checks.training.view import View, inside, watched
from pl_lint.facts.events import Note, sentence
from pl_lint.facts.training import ModeChange, Part
from pl_lint.findings import Finding, Location, Status
from pl_lint.join import same_place

# Hooks in which modes are set on purpose, for the training that follows.
SETTING = (
    *("setup", "configure_model", "configure_optimizers", "on_fit_start", "on_train_start"),
    *("on_train_epoch_start", "on_train_batch_start"),
)
EVALUATING = ("validation", "test", "predict")


def judge_modes(view: View, into: Gathering) -> None:
    said = [note.text for note in view.trained.notes if note.about == "modes"]
    into.undecided += [Note("modes", text) for text in said]
    changes = (*view.story.mode_changes, *view.trained.mode_changes)
    findings = [finding for change in changes for finding in _judged(view, change)]
    into.findings += findings
    if any(finding.counts_for_runner for finding in findings):
        return  # what is in evaluation mode is so for that reason
    for part in _trained_in_eval(view):
        _judge_part(view, part, into)
    for suspicion in view.suspected:
        _clear(view, suspicion, into)
    into.passed += any(part.sensitive and part.ran for part in view.story.parts)


def within(name: str, part: str) -> bool:
    """As ``inside``; everything is within the module itself."""
    return not part or inside(name, part)


def _judged(view: View, change: ModeChange) -> Iterator[Finding]:
    """What a hook leaves behind is a mistake where the rest of the training, or of the evaluation,
    is done in it."""
    if _is_of_evaluation(change) and change.to == "train":
        if change.followed and ("" in change.parts or change.ran):
            yield _evaluated_in_training_mode(view, change)
    elif _is_of_evaluation(change):
        return  # restored by Lightning when the evaluation is over
    elif change.hook in SETTING:
        if change.to == "eval" and _nothing_left_in_training(view, change):
            yield _trained_in_evaluation_mode(view, change)
    elif change.to == "eval" and _goes_on_in_it(view, change):
        yield _trained_in_evaluation_mode(view, change)
    elif change.to == "train":
        woken = [part for part in _parts(view, change) if _was_woken(view, part)]
        if woken:
            yield _woken(view, change, woken[0])


def _is_of_evaluation(change: ModeChange) -> bool:
    """Until Lightning, or the module's own hook in its place, restores the modes."""
    name = change.hook.removeprefix("on_")
    return name.startswith(EVALUATING) and not name.endswith("_model_train")


def _parts(view: View, change: ModeChange) -> list[Part]:
    parts = {part.name: part for part in view.story.parts}
    return [parts[name] for name in change.parts if name in parts]


def _goes_on_in_it(view: View, change: ModeChange) -> bool:
    """Whether training was done in evaluation mode from then on. What is to end an evaluation may
    have done so before the first batch, in the sanity check."""
    parts = _parts(view, change)
    if change.hook.endswith("_model_train"):
        return any(part.sensitive and part.last == ("eval",) for part in parts)
    return any(map(_stopped_training, parts))


def _nothing_left_in_training(view: View, change: ModeChange) -> bool:
    """Set for the training that follows: a part is put into evaluation mode on purpose, the whole
    module, with layers in it that learn and work differently, is so by nobody's choice."""
    ran = [part for part in view.story.parts if part.ran]
    whole = [part for part in _parts(view, change) if not part.name and not part.chosen_mode]
    anything = any("train" in part.last for part in ran)
    return any(_switched_off(view, part) for part in whole) and not anything


def _stopped_training(part: Part) -> bool:
    """Trained in training mode at first, and in evaluation mode only at last."""
    whole_module = not part.name
    if whole_module and not part.ran:  # its step calls the layers, not itself
        return part.in_eval
    switched = "train" in part.first and part.last == ("eval",)
    return switched and (part.sensitive or whole_module)


def _was_woken(view: View, part: Part) -> bool:
    """In evaluation mode at first and in training mode at last, though it does not learn: frozen,
    with a dropout or statistics that work again."""
    above = part.name.rpartition(".")[0] or part.name
    learns = any(s.moved and within(s.name, above) for s in view.story.parameters)
    return part.sensitive and part.first == ("eval",) and part.last == ("train",) and not learns


def _who(change: ModeChange) -> str:
    return f"{change.owner}.{change.hook}" if change.owner else change.hook


def _what(change: ModeChange) -> str:
    return "the module" if "" in change.parts else f"self.{change.parts[0]}"


def _evaluated_in_training_mode(view: View, change: ModeChange) -> Finding:
    """The whole module is nobody's purpose; some layers may be (dropout that is to show how sure a
    prediction is)."""
    whole = "" in change.parts
    text = (
        f"{_who(change)} leaves {_what(change)} in training mode: the evaluation goes on in it"
        f"{_acting(change.ran)}"
    )
    status = Status.PROVED if whole else Status.SUSPECTED
    condition = "" if whole else "if chance and batch statistics are not wanted there"
    return view.found("LTN715", text, _place(view, change), _REMEDY, status, condition)


def _trained_in_evaluation_mode(view: View, change: ModeChange) -> Finding:
    text = (
        f"{_who(change)} leaves {_what(change)} in evaluation mode: the training after it is done "
        "in it"
    )
    return view.found("LTN715", text, _place(view, change), _REMEDY)


def _woken(view: View, change: ModeChange, part: Part) -> Finding:
    text = (
        f"{_who(change)} puts self.{part.name} ({part.kind}) into training mode, which was frozen "
        "in evaluation mode when training began: it works differently from there on"
    )
    remedy = "restore the modes that you found, one by one, not all with self.train()"
    return view.found("LTN715", text, _place(view, change), remedy)


def _acting(ran: tuple[str, ...]) -> str:
    return f" (self.{ran[0]} works differently in it)" if ran and ran[0] else ""


def _place(view: View, change: ModeChange) -> Location:
    return change.location or view.place("")


_REMEDY = "leave modes to Lightning, or restore the one that you found"


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
        into.notes.append(sentence(f"{text}, by the code's own choice"))
        return
    remedy = (
        f"call {who}.train() in __init__ (from_pretrained() returns evaluation mode), "
        "or freeze it: requires_grad_(False)"
    )
    place, shows = view.place(part.name), script.in_evaluation(part.name)
    as_it_came = any(same_place(each.location, place) for each in view.suspected)
    code = "LTN736" if as_it_came else "LTN714"
    into.findings.append(view.found(code, text, place, remedy, script=shows))


def _clear(view: View, suspicion: Finding, into: Gathering) -> None:
    """A network that reading took for one in evaluation mode, if it was trained in training mode
    and works differently in it."""
    parts = view.story.parts
    made = [one for one in parts if same_place(view.place(one.name), suspicion.location)]
    inner = [one for one in parts if any(within(one.name, up.name) for up in made)]
    acting = [one for one in inner if one.sensitive and one.ran]
    if acting and all("train" in one.modes for one in acting):
        count = len(acting)
        seen = watched(acting[0].name, count, count, "layers that were trained in training mode")
        into.clear((suspicion.code,), suspicion.location, seen, view.case.module)


def _was_set(view: View, part: Part) -> bool:
    """By a hook of the module, or by a callback: it was in training mode at first."""
    changed = any(
        part.name in change.parts and change.to == "eval" for change in view.story.mode_changes
    )
    inner = [each for each in view.story.parts if within(each.name, part.name)]
    return changed or any("train" in each.modes for each in inner)
