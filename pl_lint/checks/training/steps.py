"""Steps of the optimizers: one for a batch, down the gradient of that batch."""

from __future__ import annotations

from pl_lint.checks.registry import Gathering
from pl_lint.checks.training import script
from pl_lint.checks.training.view import View, watched
from pl_lint.facts.events import sentence
from pl_lint.facts.training import OptimizerStory
from pl_lint.findings import Finding, Location

MOST = 0.75
"""A share of the steps that no accumulation by hand explains: a step on gradients that an earlier
one has used already is wrong however many batches they were gathered from."""


def judge_steps(view: View, into: Gathering) -> None:
    story = view.story
    steps = sum(each.steps for each in story.optimizers)
    if not story.parameters:
        into.untriggered.append(sentence("the module has nothing that could be trained"))
    elif story.automatic and story.batches and story.empty_steps == story.batches:
        into.findings.append(_no_loss(view))
    elif story.backwards and not steps:
        into.findings.append(_no_step(view))
    elif not story.backwards:
        into.undecided.append(sentence("no backward pass was seen"))
    for each in story.optimizers:
        if each.steps:
            _judge_optimizer(view, each, into)


def _judge_optimizer(view: View, each: OptimizerStory, into: Gathering) -> None:
    added = each.steps - view.story.batches if view.story.automatic else 0
    if view.story.automatic and each.nested:
        into.findings.append(_stepped_twice(view, each))
    elif 0 < added <= each.repeated:
        into.findings.append(_stepped_again(view, each, added))
    if each.steps > 2 and each.unzeroed >= MOST * (each.steps - 1):
        into.findings.append(_not_zeroed(view, each))
    elif each.unzeroed:
        text = (
            f"{each.unzeroed} of {each.steps} steps of {each.name} used gradients of an earlier one"
        )
        into.undecided.append(sentence(text))


def _stepped_twice(view: View, each: OptimizerStory) -> Finding:
    text = (
        f"{each.name} is stepped inside training_step {each.nested} times, while Lightning makes "
        "a step for each batch: every batch is stepped twice"
    )
    remedy = "leave steps to Lightning, or set self.automatic_optimization = False"
    evidence, shows = watched("steps inside training_step", each.nested, 0), script.steps()
    return view.found("LTN705", text, _step_place(view), remedy, script=shows, evidence=evidence)


def _stepped_again(view: View, each: OptimizerStory, added: int) -> Finding:
    """Beside Lightning's steps, of which there is one for each batch at the most."""
    text = (
        f"{each.name} makes {added} steps beside those of Lightning, with gradients that one was "
        "made with before"
    )
    remedy = "leave steps to Lightning, or set self.automatic_optimization = False"
    evidence = watched("steps beside Lightning's", added, 0)
    return view.found(
        "LTN705", text, _step_place(view), remedy, script=script.steps(), evidence=evidence
    )


def _not_zeroed(view: View, each: OptimizerStory) -> Finding:
    text = (
        f"the gradients of {each.name} are not zeroed: {each.unzeroed} of its {each.steps} steps "
        "are made with those of earlier batches as well"
    )
    remedy = "call zero_grad() of the optimizer before each backward pass"
    shows = script.left_over() if len(view.story.optimizers) == 1 else None
    evidence = watched("steps with gradients of earlier batches", each.unzeroed, 0)
    return view.found("LTN707", text, _step_place(view), remedy, script=shows, evidence=evidence)


def _no_loss(view: View) -> Finding:
    text = (
        f"training_step returned nothing for all {view.story.batches} batches: Lightning skips "
        "them, and nothing is trained"
    )
    shows = script.moved(view.story.parameters[0].name) if view.story.parameters else None
    remedy = "return the loss from training_step"
    evidence = watched("batches with a loss", 0, view.story.batches)
    return view.found("LTN718", text, _step_place(view), remedy, script=shows, evidence=evidence)


def _no_step(view: View) -> Finding:
    text = f"{view.story.backwards} backward passes, and no optimizer made a step"
    remedy = "call step() of the optimizer"
    return view.found("training", text, _step_place(view), remedy, script=script.steps())


def _step_place(view: View) -> Location:
    return view.trained.step_place or view.case.home
