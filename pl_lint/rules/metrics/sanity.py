"""What the sanity check leaves behind in values that remember."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pl_lint.facts.sites import (
    AssignmentSite,
    CallSite,
    ClassFacts,
    MetricSite,
    MetricUse,
    ProjectFacts,
    TrainerSite,
)
from pl_lint.facts.values import must_be
from pl_lint.findings import Finding, Location, Status
from pl_lint.rules.metrics.judging import BEST, FILLS
from pl_lint.rules.registry import Rule, rule
from pl_lint.rules.wording import attribute_text

PUT = (".copy_", ".fill_")
"""What puts another value into a tensor that is there."""
IN_SANITY = ("sanity_checking", "global_step", "current_epoch", "training", "fitting", "state")


@rule(
    "LTN204",
    "sanity-check-counted",
    rows=("MET04",),
    status=Status.SUSPECTED,
    default=False,
    observers="both",
    condition="if the untrained module happens to be good in the sanity check",
    calls=PUT,
)
def sanity_check_counted(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """What the sanity check validated is still in a logged value.

    What it does
    ------------
    Reading finds a MaxMetric or MinMetric that validation fills and nothing resets, and a best
    value that the end of validation keeps in a plain attribute or a buffer and logs (`if score >
    self.best: self.best = score`), where some Trainer runs the sanity check. Running makes the same
    fit with and without Lightning's two validation batches before training, and compares what is
    logged.

    Why is this bad
    ---------------
    These batches see the untrained module. A best-so-far tracker that caught a lucky batch keeps it
    for the whole run: 1.0 was logged as best accuracy where .2 was true.

    Example
    -------
        def __init__(self):
            super().__init__()
            self.best = torchmetrics.MaxMetric()

        def on_validation_epoch_end(self):
            self.best.update(self.score())
            self.log("val/best", self.best.compute())

    Use instead
    -----------
        def __init__(self):
            super().__init__()
            self.best = torchmetrics.MaxMetric()

        def on_train_start(self):
            self.best.reset()

        def on_validation_epoch_end(self):
            self.best.update(self.score())
            self.log("val/best", self.best.compute())

    When to ignore
    --------------
    With `num_sanity_val_steps=0`.

    References
    ----------
    - https://github.com/ashleve/lightning-hydra-template/issues/287
    - https://github.com/ashleve/lightning-hydra-template/issues/533
    """
    if runs_no_sanity_check(facts):
        return
    for owner in facts.modules():
        for metric in owner.metrics if not owner.open else ():
            place = _first_best(owner, metric)
            if place is not None:
                name = attribute_text(metric.path)
                yield self.finding(
                    place.location,
                    f"{name} may keep what the sanity check saw of the untrained module",
                    remedy=f"{name}.reset() in on_train_start",
                    subject=owner.short_name,
                )
        for attribute, location in dict(_kept_by_hand(facts, owner)).items():
            yield self.finding(
                location,
                f"self.{attribute} may keep what the sanity check saw of the untrained module",
                remedy="return early where self.trainer.sanity_checking",
                subject=owner.short_name,
            )


LOADED = ("on_load_checkpoint", "load_state_dict")
"""Where an older value comes back: not before the sanity check of a training from the start."""
VALIDATED = ("on_validation_epoch_end", "validation_epoch_end", "on_validation_end")
A_BEST = re.compile(r"(^|_)(best|min|max|lowest|highest|top)(_|$)", re.IGNORECASE)


def _kept_by_hand(facts: ProjectFacts, owner: ClassFacts) -> Iterator[tuple[str, Location]]:
    """Where the end of validation puts a better value in the place of the best so far, which it
    logs, and nothing before training does: in an attribute, or in the buffer that it is."""
    puts = [(one.receiver.removeprefix("self."), one) for one in facts.calls_in(owner, *PUT)]
    hooks: dict[str, set[str]] = {}
    for one in owner.assignments:
        hooks.setdefault(one.attribute, set()).add(one.hook)
    for name, call in puts:
        hooks.setdefault(name, set()).add(call.hook)
    for one in owner.assignments:
        compared = one.attribute in one.guards or one.carried
        if compared and not one.augmented and _is_best_so_far(owner, one.attribute, one, hooks):
            yield one.attribute, one.location
    for name, call in puts:
        own = call.receiver == f"self.{name}" and name in call.guards
        if own and _is_best_so_far(owner, name, call, hooks):
            yield name, call.location


def _is_best_so_far(
    owner: ClassFacts, name: str, site: AssignmentSite | CallSite, hooks: dict[str, set[str]]
) -> bool:
    asks = any(word in site.guards for word in IN_SANITY)
    shown = any(name in log.shows and log.hook in VALIDATED for log in owner.logs)
    early = hooks[name] <= {"__init__", *VALIDATED, *LOADED}
    begun = "__init__" in hooks[name] or isinstance(site, CallSite)
    named = A_BEST.search(name) is not None
    return site.hook in VALIDATED and named and not asks and shown and early and begun


def runs_no_sanity_check(facts: ProjectFacts) -> bool:
    """Whether there are Trainers, and all of them are told to leave it out."""
    return bool(facts.trainers) and all(map(_without_sanity_check, facts.trainers))


def _without_sanity_check(trainer: TrainerSite) -> bool:
    quick = not must_be(trainer.argument("fast_dev_run"), None)
    return must_be(trainer.argument("num_sanity_val_steps"), 0) or quick


def _first_best(owner: ClassFacts, metric: MetricSite) -> MetricUse | None:
    """Where validation fills a tracker that nothing empties before training."""
    uses = owner.uses_of(metric.path) if metric.class_name in BEST else ()
    if any(use.use == "reset" for use in uses):
        return None
    fills = [use for use in uses if use.use in FILLS and use.stage == "validate" and use.certain]
    guarded = any(word in use.guards for use in fills for word in IN_SANITY)
    return fills[0] if fills and not guarded else None
