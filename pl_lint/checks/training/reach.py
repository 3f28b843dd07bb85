"""Parameters that ought to learn: which get no gradient, which no optimizer, which do not move?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from pl_lint.checks.registry import Gathering
from pl_lint.checks.training import script
from pl_lint.checks.training.view import View, blocks, in_words, inside
from pl_lint.facts.events import sentence
from pl_lint.facts.training import (
    GRADIENT,
    NO_GRADIENT,
    ZERO_GRADIENT,
    CutGraph,
    ParameterStory,
)
from pl_lint.findings import Finding, Location, Status

_FIXED = frozenset(
    ("target", "teacher", "frozen", "fixed", "momentum", "ema", "reference", "random")
)
"""Words that say of a network that it is not to be trained."""
PUSHED = 10.0
"""A step of so many roundings of the parameter's own size moves it, whatever is added to what."""
ON_PURPOSE = "if it is meant to learn; else say so with requires_grad_(False)"
Block = tuple[str, tuple[ParameterStory, ...]]


def judge_parameters(view: View, into: Gathering) -> None:
    stories = view.story.parameters
    moved = [story for story in stories if story.moved]
    into.passed += bool(moved)
    if not moved:
        into.untriggered.append(sentence("no parameter moved in this fit"))
    _name_unregistered(view, into)
    if not view.story.backwards or not any(each.steps for each in view.story.optimizers):
        return  # that nothing moves is then said where steps are judged
    if _nothing_has_a_gradient(view, into):
        return
    for is_so, judge in (
        (_is_left_out, _judge_left_out),
        (_is_unreached, _judge_unreached),
        (_is_flat, _judge_flat),
        (_loses_gradient, _judge_lost),
        (_stands_still, _judge_still),
    ):
        for block in _blocks(stories, is_so):
            judge(view, block, into)


def _blocks(
    stories: Iterable[ParameterStory], is_so: Callable[[ParameterStory], bool]
) -> Iterator[Block]:
    by_name = {story.name: story for story in stories}
    bad = [name for name, story in by_name.items() if not story.moved and is_so(story)]
    for block, members in blocks(bad, by_name):
        yield block, tuple(by_name[name] for name in members)


def _words(block: Block) -> str:
    return in_words(block[0], tuple(story.name for story in block[1]))


# --- the kinds of trouble -------------------------------------------------------------------------


def _is_left_out(story: ParameterStory) -> bool:
    return not story.optimizers and story.gradient == GRADIENT


def _judge_left_out(view: View, block: Block, into: Gathering) -> None:
    text = f"{_words(block)} gets gradients and is in no optimizer: it never moves"
    strangers = [each for each in view.story.optimizers if each.strangers]
    if strangers:
        one = strangers[0]
        text += f"; {one.strangers} of the {one.held} tensors of {one.name} are not this module's"
    if _is_in_eval(view, block[0]):
        into.notes.append(sentence(f"{text} (it is in evaluation mode: taken for frozen)"))
        return
    if _serves_the_loss(view, block[0]):
        place = view.place(block[0])
        into.findings.append(
            view.found(
                "LTN713",
                text,
                place,
                _GIVE_ALL,
                Status.SUSPECTED,
                ON_PURPOSE,
                script.moved(block[1][0].name),
            )
        )
        return
    into.findings.append(_finding(view, "LTN713", text, block, _GIVE_ALL))


def _is_unreached(story: ParameterStory) -> bool:
    return bool(story.optimizers) and story.gradient == NO_GRADIENT


def _judge_unreached(view: View, block: Block, into: Gathering) -> None:
    name, stories = block
    cuts = [cut for cut in view.trained.cuts if _cuts_off(cut, stories)]
    if not cuts:
        reason = "its output does not reach the loss" if _ran(view, name) else "nothing uses it"
        into.notes.append(
            sentence(f"{_words(block)} is in an optimizer and gets no gradient: {reason}")
        )
        return
    cut = cuts[0]
    text = (
        f"{_words(block)} is in an optimizer and never gets a gradient: "
        f"{_cut_words(cut)} cuts it off from the loss"
    )
    into.findings.append(_finding(view, "training", text, block, _LET_THROUGH, cut.location))


def _cuts_off(cut: CutGraph, stories: Iterable[ParameterStory]) -> bool:
    return any(story.name in cut.parameters for story in stories)


def _cut_words(cut: CutGraph) -> str:
    return cut.function if cut.function.startswith("torch.") else f"{cut.function}()"


def _ran(view: View, block: str) -> bool:
    return any(part.ran for part in view.story.parts if inside(part.name, block))


def _is_flat(story: ParameterStory) -> bool:
    return bool(story.optimizers) and story.gradient == ZERO_GRADIENT


def _judge_flat(view: View, block: Block, into: Gathering) -> None:
    into.notes.append(sentence(f"{_words(block)} never had a gradient other than zero in this fit"))


def _loses_gradient(story: ParameterStory) -> bool:
    return bool(story.optimizers) and story.gradient == GRADIENT and not story.at_step


def _judge_lost(view: View, block: Block, into: Gathering) -> None:
    never = [each.name for each in view.story.optimizers if not each.steps]
    if never:
        into.notes.append(
            sentence(f"{_words(block)} does not move: {never[0]} made no step in this fit")
        )
        return
    text = (
        f"{_words(block)} gets gradients, and they are gone when its optimizer steps: "
        "zero_grad() stands between backward and step"
    )
    place, shows = view.place(block[0]), script.moved(block[1][0].name)
    into.findings.append(view.found("training", text, place, _ZERO_BEFORE, script=shows))


def _stands_still(story: ParameterStory) -> bool:
    return story.at_step


def _judge_still(view: View, block: Block, into: Gathering) -> None:
    _, stories = block
    if max(story.rate for story in stories) == 0:
        into.notes.append(
            sentence(f"{_words(block)} does not move: its learning rate is 0 in this fit")
        )
    elif min(story.push for story in stories) >= PUSHED and not any(
        each.moved for each in view.story.parameters
    ):
        text = "the optimizer steps, with gradients and a learning rate, and no parameter moves"
        place, shows = view.place(block[0]), script.moved(stories[0].name)
        remedy = "look who puts the weights back"
        into.findings.append(view.found("training", text, place, remedy, script=shows))
    else:
        into.notes.append(sentence(f"{_words(block)} does not move: its steps are below rounding"))


# --- all of them ----------------------------------------------------------------------------------


def _nothing_has_a_gradient(view: View, into: Gathering) -> bool:
    """Every gradient of every step is exactly zero, though there is a loss."""
    reached = [story for story in view.story.parameters if story.gradient != NO_GRADIENT]
    if not reached or any(story.gradient == GRADIENT or story.moved for story in reached):
        return False
    losses = view.trained.overfitting.losses
    if not view.story.automatic or not losses or not losses[0]:
        into.undecided.append(sentence("every gradient of this fit was zero"))
        return True
    text = (
        f"every gradient of {view.story.backwards} backward passes is exactly zero, with a loss of "
        f"{losses[0]:.6g}: nothing can learn"
    )
    remedy = "look for a softmax over one class, or a factor of zero"
    place, shows = view.case.home, script.moved(reached[0].name)
    into.findings.append(view.found("training", text, place, remedy, script=shows))
    return True


def _name_unregistered(view: View, into: Gathering) -> None:
    for lost in view.story.unregistered:
        if not lost.trained:
            continue  # hidden on purpose: a teacher that no checkpoint should hold
        missing = "no checkpoint has them" if lost.optimized else "no optimizer has them"
        text = (
            f"self.{lost.attribute} holds {lost.parameters} parameters that are used in training "
            f"and that self.parameters() does not name: {missing}"
        )
        remedy = "keep layers in nn.ModuleList or nn.ModuleDict, parameters in nn.ParameterList"
        place, shows = view.place(lost.attribute), script.unnamed(lost.attribute)
        into.findings.append(view.found("LTN655", text, place, remedy, script=shows))


# --- was it on purpose? ---------------------------------------------------------------------------


def _finding(
    view: View,
    code: str,
    text: str,
    block: Block,
    remedy: str,
    location: Location | None = None,
) -> Finding:
    """Proved where the parameters were meant to learn, else suspected."""
    where, shows = location or view.place(block[0]), script.moved(block[1][0].name)
    if _was_to_learn(view, block):
        return view.found(code, text, where, remedy, script=shows)
    return view.found(code, text, where, remedy, Status.SUSPECTED, ON_PURPOSE, shows)


def _was_to_learn(view: View, block: Block) -> bool:
    """Fresh layers of the user's own have learnt nothing yet. Whole networks from a library, from
    outside or with loaded weights may be frozen by leaving them alone, and so may a target or a
    teacher: one that is called so, or that has a twin."""
    name = block[0]
    called_so = _FIXED.intersection(name.lower().replace(".", "_").split("_"))
    if called_so or _is_in_eval(view, name) or _has_twin(view, block):
        return False
    if any(inside(name, given) for given in view.trained.given if given):
        return False
    above = [part for part in view.story.parts if inside(name, part.name) and part.name]
    within = [part for part in view.story.parts if inside(part.name, name)]
    return not any(part.foreign for part in (*above, *within))


def _serves_the_loss(view: View, name: str) -> bool:
    """What no prediction passes through, while others that learn do make predictions: a network
    that only measures them (perceptual losses) has its weights from elsewhere."""
    predicting, own = set(view.story.predicting), name.partition(".")[0]
    learning = {story.name.partition(".")[0] for story in view.story.parameters if story.moved}
    return own not in predicting and bool(predicting & learning)


def _is_in_eval(view: View, block: str) -> bool:
    """From the first batch on. What a hook put there later was trained until then."""
    parts = {part.name: part for part in view.story.parts}
    root, own = parts.get(""), parts.get(block)
    if own is None or not own.in_eval or (root is not None and root.in_eval):
        return False
    called = [own] if own.ran else [part for part in view.story.parts if inside(part.name, block)]
    return not any("train" in part.modes for part in called)


def _has_twin(view: View, block: Block) -> bool:
    """Whether another submodule of the same shapes does learn."""
    name, stories = block
    shapes = {story.name.removeprefix(name): story.shape for story in stories}
    learning = {story.name: story.shape for story in view.story.parameters if story.moved}
    others = (part.name for part in view.story.parts if part.name and not inside(part.name, name))
    return any(
        all(learning.get(other + end) == shape for end, shape in shapes.items()) for other in others
    )


_GIVE_ALL = (
    "give the optimizer self.parameters(), or freeze what should stay: requires_grad_(False)"
)
_LET_THROUGH = "compute the loss from the tensor itself, or freeze the layer: requires_grad_(False)"
_ZERO_BEFORE = "call zero_grad() before the backward pass: zero_grad, backward, step"
