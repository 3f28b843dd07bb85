"""A Trainer that is asked to fit once more."""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.facts.sites import ABSENT, ProjectFacts, TrainerCall, TrainerSite, made_of
from pl_lint.facts.values import Known, Several
from pl_lint.findings import Finding, Status
from pl_lint.plain import replace
from pl_lint.rules.judging import version_at
from pl_lint.rules.loops.trainers import stoppers
from pl_lint.rules.registry import Rule, rule

SETTING_BACK = frozenset({"max_epochs", "max_steps", "fit_loop", "epoch_loop", "epoch_progress"})
"""What other code assigns that lets a Trainer go on."""


@rule("LTN744", "fitted-again", rows=())
def fitted_again(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A Trainer fits a second time, and has reached its limit already.

    What it does
    ------------
    Finds a `trainer.fit(...)` below another one with the same Trainer, and one in a loop (over
    folds, seeds, settings) with a Trainer that is made outside of it. Silent where only one of the
    two may run, where somebody else gets the Trainer or something of it is set in between, where
    any code of the project sets `max_epochs` or `fit_loop`, with `max_epochs=-1`, with a checkpoint
    to go on from, in tests, and for Lightning before 1.6.

    Why is this bad
    ---------------
    A Trainer goes on counting where it was. After `max_epochs` it makes no step: the weights of the
    second model are those that it was built with, and nothing is said. Every fold but the first is
    then scored untrained. With EarlyStopping it makes one epoch each time, for its patience is used
    up as well.

    Example
    -------
        trainer = Trainer(max_epochs=10)
        for fold in folds:
            model = Model()
            trainer.fit(model, datamodule=fold)

    Use instead
    -----------
        for fold in folds:
            model = Model()
            trainer = Trainer(max_epochs=10)
            trainer.fit(model, datamodule=fold)

    To train one model for longer, raise `trainer.fit_loop.max_epochs` before.

    When to ignore
    --------------
    Where the first fit is surely stopped before its limit.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/common/trainer.html#max-epochs
    """
    if any(reach.attribute in SETTING_BACK for reach in facts.reaches):
        return
    for call in facts.trainer_calls:
        made = facts.trainers_of(call)
        if call.fitted_before and len(made) == 1 and _goes_on_alone(facts, call, made[0]):
            found = self.finding(
                call.location,
                f"nothing is trained here: {_ended(call)} has brought the Trainer to its limit",
                remedy="make a Trainer for each fit, or raise trainer.fit_loop.max_epochs",
            )
            early = "unless the fit before was stopped early"
            suspected = replace(found, status=Status.SUSPECTED, condition=early)
            yield suspected if _may_stop(made[0]) else found


def _goes_on_alone(facts: ProjectFacts, call: TrainerCall, trainer: TrainerSite) -> bool:
    """Whether nothing but the Trainer's own count says where a fit begins, and it has an end."""
    alone = call.ckpt_path == ABSENT and trainer.argument("max_epochs") != Known(-1)
    return (
        alone and version_at(facts, call.location) >= (1, 6) and not facts.in_tests(call.location)
    )


def _ended(call: TrainerCall) -> str:
    if call.fitted_before == call.location.line:
        return "the first round of the loop"
    return f"the fit in line {call.fitted_before}"


def _may_stop(trainer: TrainerSite) -> bool:
    """Whether some callback may end a fit before its limit."""
    callbacks = trainer.argument("callbacks")
    known = callbacks == ABSENT or isinstance(callbacks, Several)
    kinds = {one.name.rpartition(".")[2] for one in made_of(callbacks)}
    return not known or any(True for _ in stoppers(trainer)) or not kinds <= GOING_ON


GOING_ON = frozenset(
    {"ModelCheckpoint", "LearningRateMonitor", "TQDMProgressBar", "RichProgressBar"}
    | {"ModelSummary", "RichModelSummary", "DeviceStatsMonitor", "StochasticWeightAveraging"}
)
"""Callbacks that stop nothing."""
