"""One batch: can its loss fall, and do its samples keep to themselves?"""

from __future__ import annotations

import math

from pl_lint.checks.logged_values.mixing import APART, MASKED
from pl_lint.checks.registry import Gathering
from pl_lint.checks.training import script
from pl_lint.checks.training.view import View
from pl_lint.checks.values.evidence import ONE_PROCESS
from pl_lint.checks.values.numbers import shown
from pl_lint.facts.events import Note, sentence
from pl_lint.facts.training import Company
from pl_lint.findings import Evidence, Finding, Location, Status

ENOUGH = 5
"""Losses that are needed to say that they fall."""

RELATIVE, ABSOLUTE = 1e-4, 1e-6
ROUNDING = (
    f"{RELATIVE:g} of the largest output, and {ABSOLUTE:g}: matrix products of the same rows in "
    "other company agree to about 1e-6"
)
"""Why a tolerance is as large as it is."""
_PREDICTION = "what predict_step returns"


def judge_one_batch(view: View, into: Gathering) -> None:
    if several := _several(view):
        into.undecided.append(Note("one batch", several))
        return
    if view.story.negated:
        into.findings.append(_negated(view))
        return
    losses = view.trained.overfitting.losses
    if len(losses) < ENOUGH:
        into.untriggered.append(_no_losses(view))
        return
    first, best = losses[0], min(losses[-max(1, len(losses) // 4) :])
    if not math.isfinite(first) or not all(map(math.isfinite, losses)):
        into.undecided.append(
            sentence(f"the loss of one batch is not finite within {len(losses)} steps")
        )
    elif best < first:
        into.passed += 1
    elif _goes_uphill(view):
        into.findings.append(_uphill(view))
    else:
        into.undecided.append(
            sentence(
                f"the loss of one batch did not fall in {len(losses)} steps: {shown(first)}, then "
                f"{shown(losses[-1])}"
            )
        )


def _several(view: View) -> str:
    """Why manual optimization leaves open which loss has to fall: players of a game pull both ways,
    and an attack on the inputs goes up."""
    story = view.story
    if story.automatic or not story.backwards:
        return ""
    if len(story.optimizers) > 1:
        return f"manual optimization has {len(story.optimizers)} optimizers, each with its own loss"
    if story.backwards != story.batches:
        passes = f"{story.backwards} backward passes in {story.batches} batches"
        return f"manual optimization makes {passes}"
    return ""


def _no_losses(view: View) -> Note:
    said = [note.text for note in view.trained.notes if note.about == "one batch"]
    if said:
        return Note("one batch", said[0])
    return Note(
        "one batch",
        "the training step returns no loss that has to fall when one batch comes again and again",
    )


def _negated(view: View) -> Finding:
    text = (
        f"the loss is the negative of an error ({view.story.negated}): training makes the error "
        "as large as it can"
    )
    place = view.trained.step_place or view.case.home
    how = "return the error itself" if view.story.automatic else "go backward from the error itself"
    remedy = f"{how}, without the minus"
    if view.story.from_batch:
        return view.found("training", text, place, remedy, script=_losses(view))
    # Two outputs, or an output and a remembered one, may be meant to be pushed apart.
    condition = "if it is not meant to push the two apart"
    return view.found("training", text, place, remedy, Status.SUSPECTED, condition)


def _losses(view: View) -> script.Script:
    return script.losses() if view.story.automatic else script.losses_by_hand()


def _goes_uphill(view: View) -> bool:
    seen = view.trained.overfitting
    return seen.ascents > 0 and not seen.descents


def _uphill(view: View) -> Finding:
    losses = view.trained.overfitting.losses
    guilty = [each.name for each in view.story.optimizers if each.maximize]
    cause = f"{guilty[0]} has maximize=True" if guilty else "the optimizer goes up the gradient"
    text = (
        f"the loss of one batch rose from {shown(losses[0])} to {shown(losses[-1])} in "
        f"{len(losses)} steps: {cause}"
    )
    place = view.case.home
    remedy = "minimise the loss: maximize=False"
    evidence = Evidence(
        key="loss of one batch",
        logged=losses[-1],
        true=losses[0],
        tolerance=0.0,
        world=ONE_PROCESS,
        how=f"one batch, {len(losses)} steps; the truth is below the first loss",
        because="that the optimizer went up the gradient was measured, not taken from the loss",
    )
    return view.found("training", text, place, remedy, script=_losses(view), evidence=evidence)


# --- samples --------------------------------------------------------------------------------------


def judge_samples(view: View, into: Gathering) -> None:
    said = [note.text for note in view.trained.notes if note.about == "samples"]
    into.undecided += [Note("samples of a batch", text) for text in said]
    said += _judge_lengths(view, into)
    if not view.trained.company and not said:
        into.untriggered.append(
            Note(
                "samples of a batch",
                "no step of validation, test or prediction gives a value for each sample",
            )
        )
    together = [each for each in view.trained.company if each.lengths is None]
    mixed = [each for each in together if each.mixed]
    into.passed += len(together) - len(mixed)
    if mixed and view.case.batch_dependent:
        into.undecided.append(
            Note("samples of a batch", "the case declares values that depend on it")
        )
    elif mixed:
        into.findings.append(_mixed(view, mixed[0]))


def _judge_lengths(view: View, into: Gathering) -> list[str]:
    """Samples beside a longer one. Those of one length have nothing to show here."""
    said = [note.text for note in view.trained.notes if note.about == "lengths"]
    into.undecided += [Note("samples of different lengths", text) for text in said]
    beside_longer = [each for each in view.trained.company if each.lengths is not None]
    padded = [each for each in beside_longer if each.mixed]
    into.passed += len(beside_longer) - len(padded)
    if padded:
        # The layers that it went through first are the nearest to the cause.
        into.findings.append(_padded(view, padded[0]))
    return said


def _padded(view: View, each: Company) -> Finding:
    short, longer = each.lengths or (0, 0)
    name = f"self.{each.call}" if each.call else "forward"
    who = _PREDICTION if each.call == "prediction" else f"the output of {name}"
    text = (
        f"padding gets into the samples in {_by(each)}: {who} for six of length {short} changed by "
        f"up to {shown(each.difference)} when the seventh was one of length {longer}"
    )
    if each.by_design:
        text += f" ({each.by_design})"
    sure = each.is_mistake
    finding = view.found(
        "LTN810",
        text,
        _line(view, each),
        MASKED,
        Status.PROVED if sure else Status.SUSPECTED,
        "" if sure else "if a sample should be judged by itself",
    )
    how = f"one batch of 7 samples in {each.stage}, in evaluation mode, of {short} and of {longer}"
    return finding.judged(finding.status, _difference(each, how))


def _mixed(view: View, each: Company) -> Finding:
    who = _PREDICTION if each.call == "prediction" else f"the output of {_by(each)}"
    text = (
        f"samples of a batch see each other: {who} for six samples changed by up to "
        f"{shown(each.difference)} when the seventh was replaced by another one"
    )
    if each.by_design:
        text += f" ({each.by_design})"
    elif each.over_batch:
        text += f": {each.over_batch.operation}"
    sure = each.is_mistake
    finding = view.found(
        "training",
        text,
        _line(view, each),
        APART,
        Status.PROVED if sure else Status.SUSPECTED,
        "" if sure else "if a sample should be judged by itself",
        script.mixed(each.stage, each.by, each.call == "prediction"),
    )
    how = f"one batch of 7 samples in {each.stage}, in evaluation mode"
    return finding.judged(finding.status, _difference(each, how))


def _difference(each: Company, how: str) -> Evidence:
    return Evidence(
        key=each.call or "forward",
        logged=each.difference,
        true=0.0,
        tolerance=RELATIVE * each.size + ABSOLUTE,
        world=ONE_PROCESS,
        how=how,
        because=ROUNDING,
    )


def _line(view: View, each: Company) -> Location:
    if each.over_batch and not each.of_torch:
        return each.over_batch.location
    return each.location or view.place(each.by)


def _by(each: Company) -> str:
    return f"self.{each.by} ({each.kind})" if each.by else f"{each.kind}.forward"
