"""Modules that are built again with the defaults of their arguments."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pl_lint.facts import lightning
from pl_lint.facts.sites import CallSite, ClassFacts, ParameterSite, ProjectFacts
from pl_lint.facts.values import Known
from pl_lint.findings import Finding, Status
from pl_lint.rules.checkpoints.hyperparameters import (
    SAVING,
    loading,
    missing_from,
    not_held,
    parameters_of,
)
from pl_lint.rules.judging import LOADING, building
from pl_lint.rules.registry import Rule, rule

USING = frozenset({"__init__", "forward", "predict_step", "test_step", "validation_step"})
"""The methods by which an argument changes what a trained module computes."""


@rule(
    "LTN337",
    "loaded-with-defaults",
    rows=("CKP06",),
    status=Status.SUSPECTED,
    condition="if the checkpoint is of a module that was built with something else",
    calls=(*SAVING, LOADING, lightning.MODULE),
)
def loaded_with_defaults(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A module is loaded with the defaults of arguments that it was trained without.

    What it does
    ------------
    Finds `Model.load_from_checkpoint(...)` that does not give an argument which the checkpoints of
    the class do not hold, because `save_hyperparameters` is not called or leaves it out, where the
    project gives it something other than the default wherever it builds the class. Arguments that
    only training needs (a learning rate) are left alone.

    Why is this bad
    ---------------
    Lightning builds the module again with the defaults: a network with dropout 0.5, another slope
    or another number of heads than the one that was trained. Where the weights still fit, nothing
    says so, and the numbers are those of another model.

    Example
    -------
        class Model(L.LightningModule):
            def __init__(self, heads=4):
                super().__init__()
                self.mix = nn.MultiheadAttention(32, heads)

        L.Trainer().fit(Model(heads=8))
        model = Model.load_from_checkpoint("best.ckpt")

    Use instead
    -----------
        class Model(L.LightningModule):
            def __init__(self, heads=4):
                super().__init__()
                self.save_hyperparameters()
                self.mix = nn.MultiheadAttention(32, heads)

        L.Trainer().fit(Model(heads=8))
        model = Model.load_from_checkpoint("best.ckpt")

    When to ignore
    --------------
    Where another value is meant in use than in training, such as a threshold.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/common/checkpointing_basic.html
    - https://github.com/Lightning-AI/pytorch-lightning/issues/4390
    """
    for call, owner in loading(facts):
        if facts.in_tests(call.location) or missing_from(facts, owner, call):
            continue
        builds = building(facts, owner)
        names = [
            one.name
            for one in not_held(facts, owner)
            if not call.gives(one.name) and _is_always_given(owner, one, builds)
        ]
        if names:
            shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
            yield self.finding(
                call.location,
                f"{owner.short_name} is built with its default {shown} here, with other values "
                "elsewhere, and its checkpoints do not hold them",
                remedy=f"call self.save_hyperparameters() in {owner.short_name}.__init__, or give "
                f"{names[0]}= here",
                subject=owner.short_name,
            )


def _is_always_given(
    owner: ClassFacts, parameter: ParameterSite, builds: Sequence[CallSite]
) -> bool:
    """Whether all that build a class give a parameter that matters something of their own."""
    place = parameters_of(owner).index(parameter)
    matters = isinstance(parameter.default, Known) and not USING.isdisjoint(parameter.used)
    return (
        matters
        and bool(builds)
        and all(one.gives(parameter.name, place) for one in builds)
        and all(one.argument(parameter.name, place) != parameter.default for one in builds)
    )
