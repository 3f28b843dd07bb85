"""Which parameters were meant to learn, and how they are named."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pl_lint.checks.registry import Gathering
from pl_lint.checks.training.modes import judge_modes
from pl_lint.checks.training.reach import judge_parameters
from pl_lint.checks.training.view import View, blocks, in_words
from pl_lint.facts.events import CaseFacts
from pl_lint.facts.records import FitRecord, TrainingRecord
from pl_lint.facts.training import (
    GRADIENT,
    OptimizerStory,
    ParameterStory,
    Part,
    TrainingStory,
)
from pl_lint.findings import Finding, Location, Status

CASE = CaseFacts("Model", "model.py", 1, "lightning.pytorch", ("train",))
LEARNS = ParameterStory("head.weight", "head", 1, GRADIENT, True, 0.1, 100.0, True, (1, 8))
LEFT_OUT = ParameterStory("body.weight", "body", 0, GRADIENT, False, 0.0, 0.0, False, (8, 5))


def view(*parts: Part, given: tuple[str, ...] = (), left_out: ParameterStory = LEFT_OUT) -> View:
    story = TrainingStory(
        batches=12,
        backwards=12,
        parameters=(LEARNS, left_out),
        parts=(Part("", "Model"), *parts),
        optimizers=(OptimizerStory("Adam", 12, held=1),),
    )
    places = {"self.body": Location("model.py", 7)}
    fit = FitRecord(case=CASE, training=story, places=places)
    return View(CASE, fit, TrainingRecord(case=CASE, given=given))


@pytest.mark.parametrize(
    ("seen", "status"),
    [
        (view(Part("body", "Linear")), Status.PROVED),
        (view(Part("body", "ResNet", foreign=True)), Status.SUSPECTED),
        (view(Part("body", "Sequential"), Part("body.0", "Block", True)), Status.SUSPECTED),
        (view(Part("body", "Linear"), given=("body",)), Status.SUSPECTED),
        (
            view(
                Part("body", "Linear"),
                Part("head", "Linear"),
                left_out=replace(LEFT_OUT, shape=(1, 8)),
            ),
            Status.SUSPECTED,
        ),
    ],
)
def test_only_fresh_layers_were_surely_meant_to_learn(seen: View, status: Status) -> None:
    gathering = Gathering()
    judge_parameters(seen, gathering)
    (finding,) = gathering.findings
    assert (finding.code, finding.status, finding.location.line) == ("LTN713", status, 7)


def test_what_is_left_out_in_evaluation_mode_is_taken_for_frozen() -> None:
    gathering = Gathering()
    judge_parameters(view(Part("body", "Linear", in_eval=True)), gathering)
    assert not gathering.findings and "taken for frozen" in str(gathering.notes[0])


def tuned(mode: str) -> Gathering:
    """What a run says of a network that reading takes for one in evaluation mode."""
    parts = (
        Part("body", "Bert", ran=True, modes=(mode,), in_eval=mode == "eval"),
        Part("body.drop", "Dropout", ran=True, modes=(mode,), sensitive=True),
    )
    learns = replace(LEARNS, name="body.weight", part="body")
    seen = view(*parts, left_out=learns)
    suspicion = Finding("LTN736", "", Location("model.py", 7), Status.SUSPECTED)
    gathering = Gathering()
    judge_modes(replace(seen, suspected=(suspicion,)), gathering)
    return gathering


def test_a_run_proves_that_a_pretrained_network_is_trained_as_it_comes() -> None:
    (finding,) = tuned("eval").findings
    assert (finding.code, finding.status) == ("LTN736", Status.PROVED)


def test_a_run_refutes_it() -> None:
    gathering = tuned("train")
    assert not gathering.findings
    assert [one.codes for one in gathering.cleared] == [("LTN736",)]


def test_parameters_are_named_by_the_largest_part_that_is_all_bad() -> None:
    names = ("a.0.weight", "a.0.bias", "a.1.weight", "b.weight", "scale")
    assert list(blocks(names[:2], names)) == [("a.0", names[:2])]
    assert [block for block, _ in blocks(names[:3], names)] == ["a"]
    assert [block for block, _ in blocks(("scale", "b.weight"), names)] == ["scale", "b"]


def test_words() -> None:
    assert in_words("a", ("a.weight", "a.bias")) == "self.a (2 parameters)"
    assert in_words("scale", ("scale",)) == "self.scale"
