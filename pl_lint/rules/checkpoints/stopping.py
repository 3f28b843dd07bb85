"""When EarlyStopping can stop anything."""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.facts.origins import UNPACKED
from pl_lint.facts.sites import ABSENT, ProjectFacts, TrainerSite
from pl_lint.facts.values import Known, Made, Value
from pl_lint.findings import Finding, Status
from pl_lint.rules.loops.trainers import stoppers
from pl_lint.rules.registry import Rule, rule

OTHER_REASONS = ("stopping_threshold", "divergence_threshold", UNPACKED)
"""What else may end training, or is not seen."""
TRIALS = ("fast_dev_run", "limit_train_batches", "limit_val_batches", "overfit_batches")
FOR_EVER = 10
"""So many times the epochs is a patience that is not meant to end: it switches stopping off."""


@rule(
    "LTN332",
    "patience-outlasts-training",
    rows=("LOOP20",),
    status=Status.SUSPECTED,
    condition="if training is meant to stop early",
)
def patience_outlasts_training(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """EarlyStopping has more patience than there are epochs: it can stop nothing.

    What it does
    ------------
    Finds Trainers with `max_epochs` and an EarlyStopping whose `patience` is one less, as large or
    larger. Silent where an epoch has several validations (`val_check_interval`), with
    `stopping_threshold` or `divergence_threshold`, which stop by themselves, for a single epoch,
    for ten times as much patience and more, which is a way to switch it off, where a Trainer with
    more epochs has the same callback, in trials on a part of the data (`fast_dev_run`,
    `limit_train_batches`), and in tests.

    Why is this bad
    ---------------
    The first validation is always the best so far, and each other one can use up one of `patience`:
    with 100 epochs there are 99 of them, so that `patience=99` ends after the last epoch, and more
    never does. All runs take their whole time, however long ago they got no better.

    Example
    -------
        stop = EarlyStopping("val_loss", patience=100)
        trainer = Trainer(callbacks=[stop], max_epochs=100)

    Use instead
    -----------
        stop = EarlyStopping("val_loss", patience=10)
        trainer = Trainer(callbacks=[stop], max_epochs=100)

    When to ignore
    --------------
    Where EarlyStopping is there to end runs with NaN alone.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/api/lightning.pytorch.callbacks.EarlyStopping.html
    """
    for trainer in facts.trainers:
        epochs = _number(trainer.argument("max_epochs"))
        if epochs is None or epochs < 2 or not _is_whole(facts, trainer):
            continue
        for stopper in stoppers(trainer):
            patience = _patience(stopper)
            endless = patience is not None and epochs - 1 <= patience < FOR_EVER * epochs
            if endless and not _has_longer(facts, trainer, stopper, epochs):
                yield self.finding(
                    trainer.location,
                    f"EarlyStopping can stop nothing: patience={patience}, and there are "
                    f"{epochs} epochs",
                    remedy="choose a smaller patience, or drop EarlyStopping",
                )


def _is_whole(facts: ProjectFacts, trainer: TrainerSite) -> bool:
    """Whether it is no trial, and each epoch is validated once."""
    trial = any(trainer.argument(name) not in (ABSENT, Known(None)) for name in TRIALS)
    return not (trial or _validates_often(trainer) or facts.in_tests(trainer.location))


def _has_longer(facts: ProjectFacts, trainer: TrainerSite, stopper: Made, epochs: int) -> bool:
    """Whether a Trainer of the file with more epochs is given the same callback."""
    return any(
        (_number(one.argument("max_epochs")) or 0) > epochs and stopper in stoppers(one)
        for one in facts.trainers
        if one.location.path == trainer.location.path
    )


def _patience(stopper: Made) -> int | None:
    """How many validations it waits for, where nothing else can make it stop."""
    other = any(stopper.argument(name) not in (None, Known(None)) for name in OTHER_REASONS)
    return None if other else _number(stopper.argument("patience", 2))


def _number(value: Value | None) -> int | None:
    known = value.value if isinstance(value, Known) else None
    return known if isinstance(known, int) and not isinstance(known, bool) else None


def _validates_often(trainer: TrainerSite) -> bool:
    """Whether an epoch may have several validations."""
    return trainer.argument("val_check_interval") not in (ABSENT, Known(None), Known(1.0))
