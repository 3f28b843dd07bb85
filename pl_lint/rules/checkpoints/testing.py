"""Which weights are tested."""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.facts import lightning
from pl_lint.facts.branches import apart
from pl_lint.facts.sites import Hands, ProjectFacts, TrainerCall, TrainerSite
from pl_lint.facts.values import Known, Made, Several, Value, must_be
from pl_lint.findings import Finding, Status
from pl_lint.fixes import Fix, SetArgument
from pl_lint.rules.checkpoints.loading import BEST
from pl_lint.rules.judging import defines
from pl_lint.rules.loops.predicting import without_step
from pl_lint.rules.registry import Rule, rule

LOADING = ("torch.load", ".load_from_checkpoint", ".load_state_dict", ".from_pretrained")
"""Calls that bring trained weights."""
RESUMED = "resume_from_checkpoint"


@rule(
    "LTN317",
    "last-weights-tested",
    rows=("CKP17",),
    status=Status.SUSPECTED,
    observers="both",
    condition="if the best checkpoint is what you mean to report",
    fixable=True,
)
def last_weights_tested(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """After fit, the last weights are tested although a ModelCheckpoint kept the best ones.

    What it does
    ------------
    Finds `trainer.test(model, ...)`, `validate` or `predict` without `ckpt_path` after
    `trainer.fit` of the same model by the same Trainer, in the same function, in functions that the
    model is handed to one after the other, or in a method further up of the object that holds the
    model, where the Trainer has a ModelCheckpoint with a monitor. The best weights may be loaded in
    between, but not in the other branch alone, which runs that fit do not come by. Where weights
    are averaged (`StochasticWeightAveraging` and its like) the last ones are those that are wanted;
    of two cells of a notebook that test the same, the last is found.

    Why is this bad
    ---------------
    With a model given, Lightning takes its current weights: those of the last epoch. In one run
    -2.114 was reported where the best checkpoint had -1.314. Only without a model does Lightning
    use the best checkpoint by itself, and say so.

    Example
    -------
        class Net(L.LightningModule):
            pass

        model = Net()
        trainer = L.Trainer(callbacks=[ModelCheckpoint(monitor="val_loss")])
        trainer.fit(model, datamodule=data)
        trainer.test(model, datamodule=data)

    Use instead
    -----------
        class Net(L.LightningModule):
            pass

        model = Net()
        trainer = L.Trainer(callbacks=[ModelCheckpoint(monitor="val_loss")])
        trainer.fit(model, datamodule=data)
        trainer.test(model, datamodule=data, ckpt_path="best")

    When to ignore
    --------------
    Where the last weights are what you report.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/common/evaluation_intermediate.html
    - https://github.com/Lightning-AI/pytorch-lightning/issues/2046
    """
    for call in facts.trainer_calls:
        if call.method != "fit" and _after_fit(facts, call):
            yield self.finding(
                call.location,
                f"trainer.{call.method} with a model takes its last weights, not those of the "
                "best checkpoint",
                remedy='add ckpt_path="best"',
                subject=call.model.rpartition(".")[2],
                fix=Fix('add ckpt_path="best"', (_best(call),)),
            )


def _best(call: TrainerCall) -> SetArgument:
    position = 4 if call.method == "predict" else 2
    return SetArgument(call.location, "ckpt_path", '"best"', position)


def _best_is_tested(facts: ProjectFacts, call: TrainerCall) -> bool:
    """Whether the same function also runs a checkpoint: then the last weights are meant, or what
    was loaded before is still in the module. Not where it does so without fitting anything, in a
    run of another kind."""
    beside = [
        other
        for other in facts.trainer_calls
        if (other.scope, other.trainer) == (call.scope, call.trainer)
    ]
    fits = [other for other in beside if other.method == "fit"]
    return any(
        (_has_path(other, call.method) or _has_loaded(other, call))
        and not (fits and all(one.excludes(other) for one in (call, *fits)))
        for other in beside
    )


def _has_path(call: TrainerCall, method: str) -> bool:
    return call.method == method and not must_be(call.ckpt_path, None)


def _has_loaded(other: TrainerCall, call: TrainerCall) -> bool:
    """Whether a checkpoint has been loaded before a call: the best one where neither it nor a model
    is given."""
    loads = not (other.passes_model and must_be(other.ckpt_path, None))
    return loads and other.method != "fit" and other.location.order < call.location.order


def _after_fit(facts: ProjectFacts, call: TrainerCall) -> bool:
    if not (call.passes_model and call.monitored and must_be(call.ckpt_path, None)):
        return False
    if _best_is_tested(facts, call) or _is_told_apart(facts, call):
        return False
    if without_step(facts, call) is not None:
        return False
    return any(
        other.method == "fit"
        and (other.trainer, other.model) == (call.trainer, call.model)
        and _has_what_was_fitted(other, call)
        and (_is_before(other, call) or _hands_over(other, call))
        for other in facts.trainer_calls
    )


def _is_told_apart(facts: ProjectFacts, call: TrainerCall) -> bool:
    """Whether another cell below tests the same on the same data once more, without a fit in
    between: the results of the last weights stand beside those that are meant to be the best
    ones', and only these are wrong."""
    fits = [one.location for one in facts.trainer_calls if one.method == "fit"]
    return call.method == "test" and any(
        _of_the_same(other) == _of_the_same(call)
        and call.location.cell != other.location.cell
        and call.location.order < other.location.order
        and not any(call.location.order < fit.order < other.location.order for fit in fits)
        for other in facts.trainer_calls
    )


def _of_the_same(call: TrainerCall) -> tuple[object, ...]:
    return call.method, call.trainer, call.model, call.data, call.loaders, call.names


def _has_what_was_fitted(fit: TrainerCall, test: TrainerCall) -> bool:
    """Whether a run that fits tests the same model: the function that does both puts no other one
    under the name in between, and no other weights into it, which were the best ones. What it does
    so in another branch is for runs that do not fit."""
    renewed = test.renewed if fit.scope == test.scope else ()
    elsewhere = [one for one in renewed if apart(fit.arms, one.arms)]
    later = [one for one in renewed if one.location.order > fit.location.order]
    if any(one not in elsewhere for one in later):
        return False
    return bool(elsewhere) or fit.reloaded == test.reloaded


def _is_before(fit: TrainerCall, call: TrainerCall) -> bool:
    """Whether a fit of a class that is known comes before a test: in the function that tests, or in
    a method further up of the object that holds the module. One further down may well be called
    later."""
    if fit.location.order > call.location.order or fit.location.path != call.location.path:
        return False
    if fit.scope != call.scope:
        same = call.written.startswith("self.") and call.written == fit.written
        return bool(call.model) and same and not fit.replaced and not call.renewed
    return bool(call.model) and not call.excludes(fit)


def _hands_over(fit: TrainerCall, test: TrainerCall) -> bool:
    """Whether a function has a model fitted and then tested, both by its own hands or by those of
    functions that it gives the model, and nobody else has it in between."""
    if test.excludes(fit):
        return False
    return any(
        (one.scope, one.name) == (two.scope, two.name)
        and one.line < two.line
        and two.handled <= one.line
        and not any(inner.handled or inner.later for inner in fit_within)
        and not any(inner.handled for inner in test_within)
        for one, fit_within in _with_inner(fit.hands)
        for two, test_within in _with_inner(test.hands)
    )


def _with_inner(hands: tuple[Hands, ...]) -> Iterator[tuple[Hands, tuple[Hands, ...]]]:
    """The functions that a model came through, each with those further in."""
    return ((one, hands[:place]) for place, one in enumerate(hands))


@rule(
    "LTN318",
    "untrained-module-tested",
    rows=("CKP18",),
    status=Status.SUSPECTED,
    observers="both",
    condition="unless its weights come from elsewhere, such as a pretrained network in __init__",
    calls=LOADING,
)
def untrained_module_tested(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A module is tested as it was built: nothing has trained it or loaded weights.

    What it does
    ------------
    Finds `trainer.test(model, ...)`, and `trainer.validate` in a project that fits nothing, without
    `ckpt_path` for a module that was built by calling its class, in a function in which no
    `trainer.fit` trains such a module (one in the other branch of an `if`, or under another `task
    == "..."`, does not: either it is trained, or it is tested) and no weights are loaded into it,
    neither by the script nor when it is built. A module that anything but a Trainer was given may
    have got weights there, and so may one whose constructor was given a path, a network or
    settings: of these nothing is said, nor of tests and of Trainers that only try the code. A run
    decides where it can: the score must be another one under another seed, and after training.

    Why is this bad
    ---------------
    The table then shows what random weights score. Nothing says so: `trainer.test` takes any
    module. It happens when training and testing were split into two scripts.

    Example
    -------
        class Net(L.LightningModule):
            pass

        model = Net()
        trainer = L.Trainer()
        trainer.test(model, datamodule=data)

    Use instead
    -----------
        class Net(L.LightningModule):
            pass

        model = Net()
        trainer = L.Trainer()
        trainer.test(model, datamodule=data, ckpt_path="checkpoints/best.ckpt")

    When to ignore
    --------------
    Where the module loads trained weights when it is built, or the untrained score is what you
    want to know.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/common/evaluation_intermediate.html
    """
    for call in facts.trainer_calls:
        untrained = call.as_built and _is_untrained(facts, call) and not _measures(facts, call)
        untrained = untrained and not (call.method == "validate" and _trains_too(facts))
        if untrained and _reports(facts, call) and without_step(facts, call) is None:
            yield self.finding(
                call.location,
                f"trainer.{call.method} takes the module as it was built: nothing here has trained "
                "it or loaded weights into it",
                remedy="add ckpt_path=, or build it with load_from_checkpoint",
                subject=call.model.rpartition(".")[2],
            )


def _trains_too(facts: ProjectFacts) -> bool:
    """Whether the project fits as well: what is validated there may be the beginning."""
    return any(one.method == "fit" for one in facts.trainer_calls)


def _measures(facts: ProjectFacts, call: TrainerCall) -> bool:
    """Whether a module is for tests alone, and no training is thought of: it compares what is in
    the data."""
    owners = [one for one in facts.all_modules() if one.name == call.model]
    return any(
        defines(facts, one, lightning.STEP_OF[call.method])
        and not defines(facts, one, "training_step")
        and not defines(facts, one, "configure_optimizers")
        for one in owners
    )


def _reports(facts: ProjectFacts, call: TrainerCall) -> bool:
    """Whether what is tested is looked at: tests, dry runs and measurements of time only try it,
    and Lightning 1 may be told a checkpoint where the Trainer is built."""
    trying = ("fast_dev_run", "barebones", "profiler", RESUMED)
    trying += ("limit_test_batches", "limit_val_batches")
    given = [one.argument(name) for one in facts.trainers_of(call) for name in trying]
    tries = any(not must_be(one, None) and not must_be(one, False) for one in given)
    return not tries and not facts.in_tests(call.location) and not _loads(facts, call)


def _loads(facts: ProjectFacts, call: TrainerCall) -> bool:
    """Whether the class loads weights when it is built or set up."""
    owners = (owner for owner in facts.all_modules() if owner.name == call.model)
    sites = (site for owner in owners for site in facts.calls_in(owner, *LOADING))
    return any(site.hook in ("__init__", "setup", "configure_model") for site in sites)


def _is_untrained(facts: ProjectFacts, call: TrainerCall) -> bool:
    """What is tested as it was built was made by the function that tests it and given to Trainers
    alone: only those of this function can have trained it."""
    if not (call.passes_model and call.model and must_be(call.ckpt_path, None)) or call.reloaded:
        return False
    return not any(
        other.method == "fit"
        and other.scope == call.scope
        and other.model in ("", call.model)
        and not call.excludes(other)
        for other in facts.trainer_calls
    )


@rule("LTN316", "best-is-the-last", rows=("CKP16",), calls=(".load_from_checkpoint",))
def best_is_the_last(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """The "best" checkpoint is asked for, but none of the callbacks watches anything.

    What it does
    ------------
    Finds `ckpt_path="best"` for a Trainer whose callbacks are all seen and none of which is a
    ModelCheckpoint with a `monitor`, in projects where no module configures callbacks. So with the
    `best_model_path` of a ModelCheckpoint that watches nothing, where it is tested or given to
    `load_from_checkpoint`; that of the one which Lightning adds only where the result is called
    the best (`best = Net.load_from_checkpoint(...)`).

    Why is this bad
    ---------------
    Without `monitor` a ModelCheckpoint keeps the last epoch, and so does the one that Lightning
    adds by itself: its `best_model_path` is the last checkpoint, and nothing says so.

    Example
    -------
        trainer = L.Trainer(max_epochs=20)
        trainer.fit(model)
        trainer.test(ckpt_path="best")

    Use instead
    -----------
        trainer = L.Trainer(max_epochs=20, callbacks=[ModelCheckpoint(monitor="val_loss")])
        trainer.fit(model)
        trainer.test(ckpt_path="best")

    When to ignore
    --------------
    Where the last epoch is meant; then say "last".

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/api/lightning.pytorch.callbacks.ModelCheckpoint.html
    """
    if any(method.name == "configure_callbacks" for o in facts.classes for method in o.own_methods):
        return
    for call in facts.trainer_calls:
        if facts.in_tests(call.location):
            continue
        made = facts.trainers_of(call)
        by_path = call.method != "fit" and _is_path_of_last(call.ckpt_path)
        by_word = bool(made) and must_be(call.ckpt_path, "best")
        if by_path or (by_word and all(map(_watches_nothing, made))):
            yield self.finding(
                call.location,
                'no checkpoint callback of this Trainer watches a key: "best" is the last one',
                remedy="add ModelCheckpoint(monitor=...) to the Trainer's callbacks",
                subject=call.model.rpartition(".")[2],
            )

    for load in facts.calls_of(".load_from_checkpoint"):
        path = load.argument("checkpoint_path", 0)
        said = "best" in load.assigned.lower()
        if (
            (said or _is_path_of_last(path))
            and _is_last(path)
            and not facts.in_tests(load.location)
        ):
            yield self.finding(
                load.location,
                "the checkpoint callback watches no key: its best_model_path is the last one",
                remedy="add ModelCheckpoint(monitor=...) to the Trainer's callbacks",
            )


def _is_path_of_last(path: Value) -> bool:
    """Whether a path is the best of a checkpoint callback that somebody has made, and that watches
    nothing. That of the one which Lightning adds may be meant for what it is: its only one."""
    return _is_last(path) and isinstance(path, Made) and bool(path.arguments)


def _is_last(path: Value) -> bool:
    return isinstance(path, Made) and path.name == BEST and _keeps_no_best(path)


def _watches_nothing(trainer: TrainerSite) -> bool:
    """Whether every callback is seen, and none keeps a best checkpoint."""
    given = trainer.argument("callbacks")
    if must_be(given, None):
        return trainer.complete and must_be(trainer.argument("checkpoint_callback"), None)
    items = given.items if isinstance(given, Several) else (given,)
    return all(isinstance(one, Made) and _keeps_no_best(one) for one in items)


def _keeps_no_best(callback: Made) -> bool:
    watches = callback.name in (lightning.MODEL_CHECKPOINT, BEST)
    known = watches or lightning.canonical(callback.name) is not None
    if not known or "**" in dict(callback.arguments):
        return False
    return not watches or callback.argument("monitor", 2) in (None, Known(None))
