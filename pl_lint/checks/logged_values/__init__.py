"""Is each epoch value that was logged the truth about the data it is computed on?"""

from __future__ import annotations

from pl_lint.checks.logged_values.finite import judge_finite, judge_served
from pl_lint.checks.logged_values.fitted import (
    judge_evaluated,
    judge_replay,
    judge_sanity_check,
    judge_training_means,
    most_telling,
)
from pl_lint.checks.logged_values.last_loss import judge_last_loss
from pl_lint.checks.logged_values.mixing import attributed
from pl_lint.checks.logged_values.monitored import (
    judge_accumulation,
    judge_curves,
    judge_monitors,
)
from pl_lint.checks.logged_values.own_batches import as_served
from pl_lint.checks.logged_values.rebatching import judge_rebatching
from pl_lint.checks.logged_values.twice import judge_twice
from pl_lint.checks.registry import Gathering, Result, Runs, check
from pl_lint.facts.events import CaseFacts
from pl_lint.findings import Finding


@check("logged-values", place=20)
def logged_values(runs: Runs) -> Result:
    """Each epoch value that was logged is the truth about its data.

    What it promises:
    The number that `self.log` wrote for an epoch of validation or test is a property of the data
    set: it does not depend on how the samples were cut into batches. The number that a torchmetrics
    object gave is the metric of exactly this epoch's inputs.

    How it is judged:
    The module is trained a little, so that its predictions vary. Then 47 samples are evaluated with
    the same weights in batches of 47, 16, 46, 1, and in another order; a right value moves by less
    than 1e-6, a batch-averaged metric by 1e-3 and more. The inputs of every torchmetrics metric are
    recorded and given once to a fresh, reset clone; training values are judged that way too, and
    plain training means by their own values and sizes. Training cannot be cut anew: of a sum,
    minimum or maximum over its batches it is followed how each batch's value was made. One cut is
    evaluated after another one, and the fit is repeated without the sanity check: what earlier
    batches left behind moves. Batch sizes are counted by pl-lint's own loader, never taken from
    Lightning.

    What else is looked at:
    Each of several dataloaders alone, the others empty, but for keys logged at an epoch's end,
    which may be of all of them. What the module adds up itself, in numbers, lists and metrics. What
    monitors saw at the moment when they looked. NaN and Inf: the run is repeated, and followed to
    the operation that made the first of them out of finite numbers. Where batches of one sample
    give one that others do not, up to 1000 samples are evaluated in the loader's own batches, and
    what shows there counts.

    What it can say:
    A wrong value is reported with the mistake whose formula reproduces it: an averaged `compute()`
    (LTN101), an averaged forward value (LTN102, LTN213), an averaged function (LTN103), a wrong
    batch size (LTN104), a sum or maximum of means (LTN121), batch means without weights (LTN218),
    sums in half precision (LTN209, LTN210). A metric shared between stages (LTN201), dataloaders
    (LTN116) or collections (LTN212), one that is never reset (LTN203; counters kept by hand:
    LTN220), reset too early (LTN134), given its batches twice (LTN135: the same tensors, or from
    two lines the same numbers in every batch; lone numbers excepted, which may count each time) or
    not at all (LTN133), or that still
    holds the sanity check's (LTN204; of a tracker of the best, also where that was not the best
    this time: a better one is planted). One key at two places of a step (LTN114). A monitor that
    sees the last batch of a training value, and a loss, or a number of validation or test, that an
    attribute keeps of the last batch (LTN112); a monitor that sees another stage's value (LTN113).
    Scores that are taken for logits in some batches only (LTN205). NaN or Inf (LTN728). Where
    samples of a batch see each other, which `training` proves, that is the cause of a value that
    moves with its batches. Notes, not failures, are a ratio inside the batch, such as a loss with
    `ignore_index`, which moves a little when batches change (LTN105), the curve of steps where
    batches are accumulated (LTN128), a metric that is undefined on finite inputs, an Inf that no
    operation made (a value to begin with), and sums in half precision, unless these 47 samples show
    what is lost.

    When it passes:
    Only if a mistake could have shown: the per-batch values differ, or a known mistake's formula is
    far from the truth on this very data. Otherwise the check says 'not triggered'.

    When it cannot say:
    Data that are drawn anew each time they are asked for, whatever the seed, and whole numbers that
    grow over the run (samples seen so far) are left undecided. So is a training value whose sum,
    minimum or maximum over batches is made in a way that cannot be followed: a norm, a time.

    When to declare instead:
    A quantity that is meant to depend on the batch, such as a contrastive loss, is declared per
    key:
    `@pl_lint.case(batch_dependent={"val_loss": "InfoNCE compares the samples of a batch"})`.

    No script stands under:
    What a script could only repeat: a monitor that looks at the wrong moment (LTN112, LTN113), one
    key at two places (LTN114), the curve of accumulated steps (LTN128), and mostly NaN and Inf
    (LTN728). The others have one if the search finds the same key in a small run.
    """
    case, gathering = runs.case(), Gathering()
    trains = "train" in case.stages
    not_finite = judge_finite(runs, case, gathering)
    if trains:
        judge_twice(runs.fit().events, case, gathering)
        judge_monitors(runs, case, gathering)
        judge_curves(runs.fit(), case, gathering)
        judge_accumulation(runs.fit(), case, gathering)
        judge_training_means(runs, case, gathering)
        judge_last_loss(runs.fit(), case, gathering)
        for replay in most_telling(runs.fit(), case):
            judge_replay(replay, runs.fit().events, case, gathering)
    if {"train", "validate"} <= set(case.stages):
        judge_sanity_check(runs, case, gathering)
    for stage in ("validate", "test"):
        if stage in case.stages:
            _judge_cuts(runs, stage, case, gathering)
            judge_served(runs, stage, not_finite, case, gathering)
            judge_evaluated(runs.rebatched(stage), case, gathering)
            if not trains or stage == "test":
                judge_twice(runs.rebatched(stage).passes[0].events, case, gathering)
    keys = {event.name for event in runs.fit().events if event.on_epoch} if trains else set()
    keys -= gathering.keys
    nothing = f"no oracle judges {', '.join(sorted(keys))}" if keys else "it logs no epoch value"
    if gathering.findings:
        nothing = "what it logs is remarkable, not wrong"
    return _merged(gathering, not_finite).result(nothing)


def _judge_cuts(runs: Runs, stage: str, case: CaseFacts, into: Gathering) -> None:
    """What the ways to cut the samples say of one stage, held against the user's own."""
    seen = judge_rebatching(runs.rebatched(stage), case)
    seen.findings = attributed(as_served(seen.findings, stage, runs), stage, runs)
    into.add(seen)


# What is also true of a value with a deeper cause: an unexplained number, and a metric that is
# never reset holds the sanity check's batches too.
_SECONDARY = ("LTN100", "LTN204")


def _merged(gathering: Gathering, not_finite: frozenset[str]) -> Gathering:
    """One finding per key and cause, and none of the secondary ones where a deeper cause is
    found."""
    gathering.findings = [
        finding
        for finding in gathering.findings
        if finding.key not in not_finite or finding.code == "LTN728"
    ]
    explained = {f.key for f in gathering.findings if f.code not in _SECONDARY}
    unique: dict[tuple[str, str], Finding] = {}
    for finding in gathering.findings:
        if finding.code not in _SECONDARY or finding.key not in explained:
            unique.setdefault((finding.code, finding.key), finding)
    gathering.findings = list(unique.values())
    wrong = gathering.keys | not_finite
    gathering.cleared = [
        ruling for ruling in gathering.cleared if ruling.evidence[0].key not in wrong
    ]
    return gathering
