"""What a Trainer predicts, tests and validates with."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pl_lint.facts import lightning
from pl_lint.facts.sites import ClassFacts, LoaderSite, ProjectFacts, TrainerCall
from pl_lint.facts.values import Made
from pl_lint.findings import Finding, Status
from pl_lint.plain import replace
from pl_lint.rules.judging import defines, is_whole
from pl_lint.rules.registry import Rule, rule


@rule("LTN729", "prediction-without-forward", rows=("LOOP29",))
def prediction_without_forward(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A Trainer predicts with a module that has no predict_step, and whose forward cannot do it.

    What it does
    ------------
    Finds `trainer.predict(model)` where the class of the model, with all that it inherits, has
    neither `predict_step` nor `forward`; or where it has a `forward` of one argument only, and the
    loader gives pairs of samples and labels, by its data set: one of torchvision's, a
    `TensorDataset` of several tensors, or one of the project's whose `__getitem__` returns tuples.
    The latter is suspected only: a `forward` may take the batch apart.

    Why is this bad
    ---------------
    Lightning's own `predict_step` calls `forward` with the whole batch, labels and all, and refuses
    to run without one.

    Example
    -------
        class Model(LightningModule):
            def training_step(self, batch, batch_idx):
                return self.net(batch).sum()

        Trainer().predict(Model(), loader)

    Use instead
    -----------
        class Model(LightningModule):
            def training_step(self, batch, batch_idx):
                return self.net(batch).sum()

            def predict_step(self, batch, batch_idx):
                return self.net(batch)

        Trainer().predict(Model(), loader)

    When to ignore
    --------------
    Never: the call fails.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/common/lightning_module.html#predict-step
    """
    known = {owner.name: owner for owner in facts.all_modules()}
    for call in facts.trainer_calls:
        owner = known.get(call.model)
        if call.method != "predict" or owner is None or not is_whole(owner):
            continue
        if defines(facts, owner, "predict_step") or "predict_step" in owner.given:
            continue
        if not defines(facts, owner, "forward"):
            yield self.finding(
                call.location,
                f"{owner.short_name} has neither predict_step nor forward: predict fails",
                remedy="write predict_step",
                subject=owner.short_name,
            )
        elif _takes_a_sample(facts, owner) and _is_given_pairs(facts, call):
            found = self.finding(
                call.location,
                f"the default predict_step gives {owner.short_name}.forward the whole batch, a "
                "list of samples and labels",
                remedy="write predict_step, which takes the batch apart",
                subject=owner.short_name,
            )
            condition = "unless forward takes the batch apart itself"
            yield replace(found, status=Status.SUSPECTED, condition=condition)


@rule("LTN741", "evaluation-without-step", rows=())
def evaluation_without_step(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A Trainer tests or validates a module that has no step for it.

    What it does
    ------------
    Finds `trainer.test(...)` where the class of the model, with all that it inherits, has no
    `test_step`, and `trainer.validate(...)` where it has no `validation_step`; a call without a
    model is about the one that the same function has fitted before. Where the model is one of
    several (`MODELS[name]()`), those without the step are suspected. Silent where some code of the
    project names such a method of an object (`model.test_step`, `hasattr(model, "test_step")`), and
    in tests.

    Why is this bad
    ---------------
    Lightning refuses the call (MisconfigurationException): a training of hours ends in an error,
    and nothing was tested. `validation_step` is not taken for it.

    Example
    -------
        class Model(LightningModule):
            def validation_step(self, batch, batch_idx):
                self.log("val_loss", self.loss(batch))

        model, trainer = Model(), Trainer(max_epochs=10)
        trainer.fit(model, datamodule=data)
        trainer.test(datamodule=data)

    Use instead
    -----------
        class Model(LightningModule):
            def validation_step(self, batch, batch_idx):
                self.log("val_loss", self.loss(batch))

            def test_step(self, batch, batch_idx):
                self.log("test_loss", self.loss(batch))

        model, trainer = Model(), Trainer(max_epochs=10)
        trainer.fit(model, datamodule=data)
        trainer.test(datamodule=data)

    When to ignore
    --------------
    Never: the call fails.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/common/lightning_module.html#test-step
    """
    for call in facts.trainer_calls:
        owner = without_step(facts, call)
        if owner is not None and not facts.in_tests(call.location):
            yield _without_step(self, call, owner)
        for one in _some_without(facts, call) if not facts.in_tests(call.location) else ():
            found = _without_step(self, call, one)
            condition = f"where the model is a {one.short_name}"
            yield replace(found, status=Status.SUSPECTED, condition=condition)


def _without_step(self: Rule, call: TrainerCall, owner: ClassFacts) -> Finding:
    step = lightning.STEP_OF[call.method]
    return self.finding(
        call.location,
        f"{owner.short_name} has no {step}: trainer.{call.method} fails",
        remedy=f"write {step}",
        subject=owner.short_name,
    )


def _some_without(facts: ProjectFacts, call: TrainerCall) -> Iterator[ClassFacts]:
    """Those of several classes that the model may be of which cannot be tested or validated. What
    chooses the class may also say whether it is tested, unless it is fitted under no other
    condition."""
    owners = [one for one in facts.all_modules() if one.name in call.models]
    fitted = any(
        (one.scope, one.models, one.arms) == (call.scope, call.models, call.arms)
        for one in facts.trainer_calls
        if one.method == "fit"
    )
    always = fitted or not call.arms
    if call.method in lightning.STEP_OF and len(set(call.models)) > 1 and always:
        yield from (one for one in owners if _lacks(facts, one, lightning.STEP_OF[call.method]))


def without_step(facts: ProjectFacts, call: TrainerCall) -> ClassFacts | None:
    """The class of the model that a call is to test or validate, where it cannot. One that has no
    step at all may get them in other ways."""
    step = lightning.STEP_OF.get(call.method)
    given = {_model_of(facts, call), *call.models} - {""}
    owners = [one for one in facts.all_modules() if one.name in given]
    if step is None or len(given) != 1 or not owners:
        return None
    return owners[0] if _lacks(facts, owners[0], step) else None


def _lacks(facts: ProjectFacts, owner: ClassFacts, step: str) -> bool:
    """Whether a class that is seen as a whole has other steps, and surely not this one."""
    put = {one.attribute for one in (*owner.assignments, *facts.reaches)} | owner.given
    has = step in put or defines(facts, owner, step)
    others = any(
        defines(facts, owner, one) for one in ("training_step", *lightning.STEP_OF.values())
    )
    return is_whole(owner) and others and not has


def _model_of(facts: ProjectFacts, call: TrainerCall) -> str:
    """The class of what is run: without a model, that of the last fit by the same Trainer above."""
    if call.passes_model:
        return call.model
    fits = [
        one
        for one in facts.trainer_calls
        if one.method == "fit"
        and (one.scope, one.trainer) == (call.scope, call.trainer)
        and one.location < call.location
        and not one.excludes(call)
    ]
    return fits[-1].model if len({one.model for one in fits}) == 1 else ""


LABELLED = re.compile(
    r"torchvision\.datasets\.(?:\w*MNIST|CIFAR10+|SVHN|STL10|ImageFolder|ImageNet|Food101|"
    r"Flowers102|Places365|Caltech\d+|OxfordIIITPet|StanfordCars|FakeData|USPS|EuroSAT|DTD|GTSRB)"
)
"""Data sets of an image and a number."""
WHOLE = frozenset({"batch", "inputs", "input", "data", "batch_data", "sample", "samples", "args"})
"""Names of a parameter that may take the batch as it comes."""
ASKING = frozenset({"isinstance", "tuple", "list"})
"""What a ``forward`` says that takes apart what may be a batch."""
TAKING_APART = ("on_before_batch_transfer", "transfer_batch_to_device", "on_after_batch_transfer")
"""Hooks that may make another batch before it is handed on."""


def _takes_a_sample(facts: ProjectFacts, owner: ClassFacts) -> bool:
    """Whether ``forward`` takes one thing, and by its name no batch."""
    methods = (
        one
        for found in facts.classes
        if found.name in {owner.name, *owner.ancestors}
        for one in found.own_methods
        if one.name == "forward"
    )
    taken = [one for one in methods if not one.star_arguments and ASKING.isdisjoint(one.words)]
    return bool(taken) and all(
        one.parameters[:1] and one.parameters[0] not in WHOLE for one in taken
    )


def _is_given_pairs(facts: ProjectFacts, call: TrainerCall) -> bool:
    """Whether all loaders that a prediction may read give samples with their labels."""
    of = {call.model, *call.data}
    owners = [one for one in facts.classes if one.name in of]
    if any(defines(facts, one, hook) for one in owners for hook in TAKING_APART):
        return False
    loaders = [one for one in facts.loaders if one.stage == "predict" and one.owner in of]
    return bool(loaders) and all(_gives_pairs(facts, one) for one in loaders)


def _gives_pairs(facts: ProjectFacts, loader: LoaderSite) -> bool:
    data, own = loader.dataset, loader.gives("collate_fn", 7) or not loader.complete
    if own or not isinstance(data, Made):
        return False
    tensors = sum(name.isdigit() for name, _ in data.arguments)
    written = data.name in facts.of_pairs or LABELLED.fullmatch(data.name) is not None
    return written or (data.name == "torch.utils.data.TensorDataset" and tensors > 1)
