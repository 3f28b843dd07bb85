"""The life of a metric object: what fills it, what reads it, what empties it."""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.facts.origins import (
    MetricCompute,
    MetricForward,
    MetricObject,
    Number,
    parts,
    sure_parts,
)
from pl_lint.facts.sites import (
    AssignmentSite,
    ClassFacts,
    MetricSite,
    MetricUse,
    ProjectFacts,
)
from pl_lint.facts.values import ABSENT, Known, must_be
from pl_lint.findings import Finding, Status
from pl_lint.fixes import Applicability, Command, Fix, Insert, Replace
from pl_lint.rules.judging import (
    CLI,
    averaged,
    is_guessed,
    is_run_by_trainer,
    is_tested_again,
    target_version,
    uses_cli,
)
from pl_lint.rules.metrics.judging import AT_THE_START, BEST, FILLS, follows_common_rules
from pl_lint.rules.registry import Rule, rule
from pl_lint.rules.wording import ANY, attribute_text


@rule(
    "LTN203",
    "metric-never-reset",
    rows=("MET03",),
    status=Status.SUSPECTED,
    observers="both",
    condition="from the second epoch on, or after the sanity check",
    calls=(".reset",),
    fixable=True,
)
def never_reset(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A metric is computed by hand and never reset.

    What it does
    ------------
    Finds a metric that steps fill and a hook computes, where neither the class nor a callback
    resets it, or only `on_train_start` and the like, which run once, and nothing logs the object.
    One that these empty and that a step or `on_train_end` computes, or that adds up, is the total
    of a run. Best-so-far trackers such as `MaxMetric` are meant to be like that. Lightning's own
    metrics were emptied by `compute()` before 1.2 and are gone since 1.5 (LTN208): they are told of
    in projects pinned to a version between.

    Why is this bad
    ---------------
    Lightning resets only the metrics that are given to `self.log`. The others count on: three
    epochs were logged as 1.0, 0.5, 0.333 where 1, 0, 0 were true. The batches of the sanity check
    are counted too, and metrics that keep predictions grow without end.

    Example
    -------
        def __init__(self):
            super().__init__()
            self.val_acc = torchmetrics.Accuracy(task="binary")

        def validation_step(self, batch, batch_idx):
            self.val_acc.update(self(batch[0]), batch[1])

        def on_validation_epoch_end(self):
            self.log("val_acc", self.val_acc.compute())

    Use instead
    -----------
        def on_validation_epoch_end(self):
            self.log("val_acc", self.val_acc.compute())
            self.val_acc.reset()

    When to ignore
    --------------
    Where the value over all epochs so far is meant.

    References
    ----------
    - https://github.com/Lightning-AI/torchmetrics/issues/269
    - https://lightning.ai/docs/torchmetrics/stable/pages/lightning.html
    """
    for owner in facts.logging_classes():
        for metric in owner.metrics if not owner.open else ():
            place = _computed_without_reset(owner, metric)
            again = place is not None and (place.stage not in ONCE or is_tested_again(facts, owner))
            if place is not None and again and not _reset_from_outside(facts, owner, metric):
                name = attribute_text(metric.path)
                yield self.finding(
                    place.location,
                    f"`{name}` is computed but {_reset_when(owner, metric)}, so "
                    f"{_counted_on(place)}",
                    remedy=f"call {name}.reset() {_where(place)}, or log the object itself",
                    subject=owner.short_name,
                    fix=_reset(name, place),
                )


def _where(place: MetricUse) -> str:
    return "where each epoch begins" if _is_in_step(place) else "after compute()"


def _is_in_step(place: MetricUse) -> bool:
    return place.hook.endswith(("_step", "_batch_start", "_batch_end"))


def _reset(name: str, place: MetricUse) -> Fix | None:
    """Nothing for one of several that a loop fills, which has no name of its own, and nothing in a
    step, where each value would be that of one batch."""
    if ANY in name or _is_in_step(place):
        return None
    return Fix(f"call {name}.reset()", (_then(place, f"{name}.reset()"),))


def _then(use: MetricUse, text: str) -> Insert:
    return Insert(use.location, text, after=True)


ONCE = ("test", "predict")
"""Stages that a program mostly runs once."""


def _empties(use: MetricUse) -> bool:
    """Whether Lightning or the class empties a metric while the epochs go by."""
    return use.use == "log" or (use.use == "reset" and use.hook not in AT_THE_START)


def _begun_with_the_run(metric: MetricSite, use: MetricUse, resets: set[str]) -> bool:
    """Whether the start of a run empties a metric for what a hook computes: each test has a start
    of its own, and a total of a fit is read when it ends, or in its steps to see it grow."""
    if use.stage in ONCE:
        return "setup" in resets
    return bool(resets) and (not use.hook.endswith(EPOCH) or metric.class_name == "SumMetric")


EPOCH = ("_epoch_start", "_epoch_end")


def _reset_when(owner: ClassFacts, metric: MetricSite) -> str:
    resets = (use.hook for use in owner.uses_of(metric.path) if use.use == "reset")
    hook = next(resets, "")
    return f"reset in {hook} only" if hook else "never reset"


def _counted_on(place: MetricUse) -> str:
    return (
        "another test counts this one"
        if place.stage in ONCE
        else "every epoch counts the ones before"
    )


def _empties_itself(owner: ClassFacts, metric: MetricSite) -> bool:
    """Whether ``compute()`` may have emptied a metric of the years when Lightning had some
    (changelog of 1.2, #5409); where no pin says otherwise, the code is as old as that."""
    at = target_version(owner)
    kept = (1, 2) <= at < (1, 5) and not is_guessed(at)
    return metric.name.startswith("pytorch_lightning.metrics.") and not kept


def _computed_without_reset(owner: ClassFacts, metric: MetricSite) -> MetricUse | None:
    if not follows_common_rules(metric) or metric.hook.startswith("on_"):
        return None  # one that a hook makes anew starts empty
    if _empties_itself(owner, metric):
        return None
    if metric.container and owner.metric(metric.container) is not None:
        return None  # its collection is judged
    uses = owner.uses_of(metric.path)
    inner = [use for use in owner.uses if use.metric.startswith(f"{metric.path}[")]
    if any(map(_empties, (*uses, *inner))) or _made_anew(owner, metric):
        return None
    if _averaged_in_step(owner, metric):
        return None  # LTN101 says so
    filled = any(use.use in FILLS and use.stage for use in uses)
    computed = (use for use in uses if use.use == "compute" and use.stage and use.certain)
    resets = {use.hook for use in (*uses, *inner) if use.use == "reset"}
    meant = (use for use in computed if not _begun_with_the_run(metric, use, resets))
    return next(meant, None) if filled else None


def _made_anew(owner: ClassFacts, metric: MetricSite) -> bool:
    """Whether a hook of the run gives the attribute another object."""
    name = metric.path.partition("[")[0]
    given = (one for one in owner.assignments if one.attribute == name)
    return any(one.hook.startswith("on_") for one in given)


def _reset_from_outside(facts: ProjectFacts, owner: ClassFacts, metric: MetricSite) -> bool:
    """Whether other code resets what has the metric's name (``pl_module.val_f1.reset()``), or a
    callback something that it has a name of its own for: what a loop finds in the module. What the
    callback, or anybody, has made itself is another thing."""
    name = metric.path.partition("[")[0]
    watching = [one for one in facts.classes if one.kind == "callback"]
    callbacks = {one.name for one in watching}
    kept = {one.name: set(_kept_under(one, name)) for one in watching}
    resets = [one for one in facts.calls_of(".reset") if one.owner != owner.name]
    return any(one.receiver in kept.get(one.owner, ()) for one in resets) or any(
        one.receiver.endswith(f".{name}")
        or (one.owner in callbacks and one.receiver.isidentifier() and not one.bound)
        for one in resets
        if one.receiver != "self" and not one.receiver.startswith("self.")
    )


def _kept_under(callback: ClassFacts, name: str) -> Iterator[str]:
    """What a callback calls a metric that it keeps: ``self.metric = pl_module.val_acc``."""
    for site in callback.assignments:
        if site.given.endswith(f".{name}"):
            yield f"self.{site.attribute}"


def _averaged_in_step(owner: ClassFacts, metric: MetricSite) -> bool:
    computed = MetricCompute(metric.path)
    return any(averaged(log) and computed in sure_parts(log.origin) for log in owner.logs)


@rule(
    "LTN215",
    "value-of-batch-unused",
    rows=("MET15",),
    status=Status.SUSPECTED,
    default=False,
    condition="where time matters",
    fixable=True,
)
def value_of_batch_unused(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A metric is called, and its value on the batch is not used.

    What it does
    ------------
    Finds metrics that keep all predictions, such as AUROC, or are slow to compute, which a step
    calls and logs for the epoch only.

    Why is this bad
    ---------------
    The call computes the value of each batch for nothing: .103 s against .007 s for 50 batches.

    Example
    -------
        def __init__(self):
            super().__init__()
            self.auroc = torchmetrics.AUROC(task="binary")

        def validation_step(self, batch, batch_idx):
            self.auroc(self(batch[0]), batch[1])
            self.log("val/auroc", self.auroc)

    Use instead
    -----------
        def __init__(self):
            super().__init__()
            self.auroc = torchmetrics.AUROC(task="binary")

        def validation_step(self, batch, batch_idx):
            self.auroc.update(self(batch[0]), batch[1])
            self.log("val/auroc", self.auroc)

    When to ignore
    --------------
    Where batches are few.

    References
    ----------
    - https://lightning.ai/docs/torchmetrics/stable/pages/overview.html
    """
    for owner in facts.modules():
        for metric in owner.metrics:
            for use in owner.uses_of(metric.path) if _is_slow(metric) else ():
                if use.use == "forward" and use.stage and not _used_per_batch(owner, metric):
                    name = attribute_text(metric.path)
                    yield self.finding(
                        use.location,
                        f"{name} computes a value for this batch that nothing uses",
                        remedy=f"{name}.update(...)",
                        subject=owner.short_name,
                        fix=_only_updated(use),
                    )


def _only_updated(use: MetricUse) -> Fix:
    """The same update, without the value; a call whose value is used is left to people."""
    called = Command(use.location)
    return Fix("call update", (Replace(called, (called, ".update")),), Applicability.SAFE)


SLOW = ("AUROC", "AveragePrecision", "MeanAveragePrecision", "FrechetInceptionDistance")
SLOW += ("PrecisionRecallCurve", "ROC", "InceptionScore", "KernelInceptionDistance")


def _is_slow(metric: MetricSite) -> bool:
    return metric.class_name.endswith(SLOW) and metric.name.startswith("torchmetrics.")


def _used_per_batch(owner: ClassFacts, metric: MetricSite) -> bool:
    """Whether a step's value is logged, as it is or by the object."""
    own, whole = MetricObject(metric.path), MetricObject(metric.container)
    for log in owner.logs:
        found = tuple(parts(log.origin))
        if MetricForward(metric.path) in found:
            return True
        if (own in found or whole in found) and not must_be(log.on_step, False):
            return True
    return not any(use.use in ("log", "compute") for use in owner.uses_of(metric.path))


FIT, CKPT_PATH, RESUMED = ".fit", "ckpt_path", "resume_from_checkpoint"
"""How a fit goes on from a checkpoint: today, and in Lightning 1."""
BEGINNING = ("on_fit_start", "on_train_start")
"""Hooks of a fit's beginning that run after a checkpoint is read."""


@rule(
    "LTN216",
    "best-lost-on-resume",
    rows=("MET16",),
    status=Status.SUSPECTED,
    default=False,
    condition="if a run is resumed",
    calls=(CLI, FIT, f"{RESUMED}="),
    fixable=True,
)
def best_lost_on_resume(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A tracker of the best value is not in the checkpoint.

    What it does
    ------------
    Finds a MaxMetric or MinMetric that no call of `persistent` puts into the checkpoint, or that
    `on_train_start` or `on_fit_start` resets; and a number of `__init__` that validation replaces
    by a better one (`if score > self.best: self.best = score`), in modules that save nothing by
    hand. Silent where the project's fits are seen and none of them can go on from a checkpoint, and
    where each epoch resets it.

    Why is this bad
    ---------------
    The states of metrics are not saved by default: after resuming the best value is -inf, and the
    next one is the best so far whatever it is. `on_train_start` runs after the checkpoint is read:
    a reset there, which is to forget the sanity check, forgets what was read as well (a best of
    10.0 was 8.0 after resuming, with `persistent(True)` and without).

    Example
    -------
        def __init__(self):
            super().__init__()
            self.best = torchmetrics.MaxMetric()

        def on_train_start(self):
            self.best.reset()

        def on_validation_epoch_end(self):
            self.log("val/best", self.best(self.score()))

    Use instead
    -----------
        def __init__(self):
            super().__init__()
            self.best = torchmetrics.MaxMetric()
            self.best.persistent(True)

        def on_validation_epoch_end(self):
            if not self.trainer.sanity_checking:
                self.log("val/best", self.best(self.score()))

    When to ignore
    --------------
    Where runs are not resumed.

    References
    ----------
    - https://lightning.ai/docs/torchmetrics/stable/pages/overview.html
    """
    for owner in facts.modules() if _may_be_resumed(facts) else ():
        saved = any("persistent" in method.words for method in owner.own_methods)
        for metric in owner.metrics:
            filled = any(use.use in FILLS for use in owner.uses_of(metric.path))
            resets = _resets(owner, metric)
            hook = next((one for one in resets if one in BEGINNING), "")
            lasting = filled and not any("epoch" in one for one in resets)
            if metric.class_name in BEST and lasting and (hook or not saved):
                yield self.finding(
                    metric.location,
                    f"{attribute_text(metric.path)} begins anew when the run is resumed"
                    + (f": {hook} resets it after the checkpoint is read" if hook else ""),
                    remedy=_remembering(metric, hook),
                    subject=owner.short_name,
                    fix=None if hook else _persistent(metric),
                )
        for site in () if _saves_by_hand(owner) else _kept_best(owner):
            yield self.finding(
                site.location,
                f"self.{site.attribute} begins anew when the run is resumed: the next score is the "
                "best so far, whatever it is",
                remedy="save it in on_save_checkpoint, and take it in on_load_checkpoint",
                subject=owner.short_name,
            )


def _saves_by_hand(owner: ClassFacts) -> bool:
    names = {method.name for method in owner.own_methods}
    return not names.isdisjoint({"on_save_checkpoint", "get_extra_state"})


def _kept_best(owner: ClassFacts) -> Iterator[AssignmentSite]:
    """Where validation gives a number of ``__init__`` another value because of what it is, and no
    hook does so without asking."""
    begun = {one.attribute for one in owner.assignments if one.hook == "__init__" and _counts(one)}
    asked = {True: dict[str, AssignmentSite](), False: dict[str, AssignmentSite]()}
    for one in owner.assignments:
        if one.hook != "__init__":
            asked[one.attribute in one.guards].setdefault(one.attribute, one)
    for attribute, site in asked[True].items():
        grows = site.augmented or site.carried
        better = site.stage == "validate" and not grows and not isinstance(site.value, Known)
        if better and attribute in begun - asked[False].keys():
            yield site


def _counts(site: AssignmentSite) -> bool:
    number = isinstance(site.value, Known) and type(site.value.value) in (int, float)
    return number or isinstance(site.origin, Number)


def _may_be_resumed(facts: ProjectFacts) -> bool:
    """Whether a fit may go on from a checkpoint: one does, or may be asked to, or none is seen."""
    calls = [one for one in facts.calls_of(FIT) if not facts.in_tests(one.location)]
    fits = [one for one in calls if is_run_by_trainer(one, "fit") or one.gives(CKPT_PATH)]
    asked = any(one.argument(CKPT_PATH, 4) != ABSENT for one in fits)
    trainers = any(RESUMED in dict(one.arguments) for one in facts.trainers)
    unseen = not fits or facts.hides_trainers or uses_cli(facts)
    return unseen or asked or trainers or bool(facts.calls_of(f"{RESUMED}="))


def _resets(owner: ClassFacts, metric: MetricSite) -> list[str]:
    """The hooks that always reset a metric: what asks something first may ask whether the run is
    resumed."""
    uses = owner.uses_of(metric.path)
    return [one.hook for one in uses if one.use == "reset" and not one.guards]


def _remembering(metric: MetricSite, hook: str) -> str:
    name = attribute_text(metric.path)
    if not hook:
        return f"{name}.persistent(True)"
    return (
        f"{name}.persistent(True), no reset in {hook}, and nothing given to it if "
        "self.trainer.sanity_checking"
    )


def _persistent(metric: MetricSite) -> Fix | None:
    text = f"{attribute_text(metric.path)}.persistent(True)"
    if ANY in text:
        return None
    return Fix(f"call {text}", (Insert(metric.location, text, after=True),))
