"""Hyper-parameters that a module and its data both save."""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.facts import lightning
from pl_lint.facts.origins import UNPACKED
from pl_lint.facts.sites import CallSite, ProjectFacts, TrainerCall
from pl_lint.facts.values import Known, Made, Value, may_be, must_be
from pl_lint.findings import Finding
from pl_lint.rules.registry import Rule, rule

FIT = f"{lightning.TRAINER}.fit"
SAVE = "self.save_hyperparameters"
WITHOUT_ANY = ("fast_dev_run", "barebones")


@rule(
    "LTN910",
    "hyperparameters-disagree",
    rows=("LGR10",),
    calls=(FIT, SAVE),
)
def hyperparameters_disagree(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """The module and the DataModule save one hyper-parameter with two values.

    What it does
    ------------
    Finds `trainer.fit(model, datamodule)` of two objects whose classes save their arguments, where
    both have one of the same name, and the values are known to differ. Silent where the Trainer is
    not known, or may have no logger (`logger=False`, `fast_dev_run`, `barebones`), and in tests.

    Why is this bad
    ---------------
    Lightning merges both for the logger: "Error while merging hparams: the keys ['batch_size'] are
    present in both the LightningModule's and LightningDataModule's hparams but have different
    values". `fit` raises, before anything was trained.

    Example
    -------
        class Net(L.LightningModule):
            def __init__(self, width=8, batch_size=32):
                super().__init__()
                self.save_hyperparameters()

        class Data(L.LightningDataModule):
            def __init__(self, batch_size=64):
                super().__init__()
                self.save_hyperparameters()

        L.Trainer(max_epochs=3).fit(Net(), Data())

    Use instead
    -----------
        class Net(L.LightningModule):
            def __init__(self, width=8, batch_size=32):
                super().__init__()
                self.save_hyperparameters(ignore=["batch_size"])

        class Data(L.LightningDataModule):
            def __init__(self, batch_size=64):
                super().__init__()
                self.save_hyperparameters()

        L.Trainer(max_epochs=3).fit(Net(), Data())

    When to ignore
    --------------
    Never: Lightning raises.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/common/hyperparameters.html
    """
    logged = {one.location for one in facts.trainer_calls if _logs(facts, one)}
    for call in (one for one in facts.calls_of(FIT) if one.location in logged):
        model, data = _fitted(call)
        own, other = _saved(facts, model), _saved(facts, data)
        for name in own.keys() & other.keys():
            if _differ(own[name], other[name]):
                yield self.finding(
                    call.location,
                    f"the module saves {name}={_shown(own[name])}, and its data save "
                    f"{name}={_shown(other[name])}: fit raises when it merges them",
                    remedy=f'leave it out of one: save_hyperparameters(ignore=["{name}"])',
                )


def _logs(facts: ProjectFacts, call: TrainerCall) -> bool:
    """Whether the Trainer of a fit surely has a logger, for which Lightning merges both."""
    made = facts.trainers_of(call)
    quiet = any(not must_be(one.argument(name), None) for one in made for name in WITHOUT_ANY)
    silent = any(may_be(one.argument("logger"), False) for one in made)
    return bool(made) and not quiet and not silent and not facts.in_tests(call.location)


def _fitted(call: CallSite) -> tuple[Value, Value]:
    """The module and the data that ``fit`` is given."""
    data = call.argument("datamodule", 3)
    if not isinstance(data, Made):
        data = call.argument("train_dataloaders", 1)
    return call.argument("model", 0), data


def _saved(facts: ProjectFacts, made: Value) -> dict[str, Value]:
    """The arguments of an object that its class saves for the logger; none where it is not plain
    which these are."""
    if not isinstance(made, Made):
        return {}
    given = dict(made.arguments)
    owner = next((one for one in facts.classes if one.name == made.name), None)
    saving = facts.calls_in(owner, SAVE) if owner is not None else ()
    left_out = _left_out(saving[0]) if len(saving) == 1 else None
    if owner is None or owner.hyperparameters is None or left_out is None or UNPACKED in given:
        return {}
    return {
        one.name: given.get(one.name, given.get(str(place), one.default))
        for place, one in enumerate(owner.hyperparameters.details)
        if one.name not in left_out and not one.rebound
    }


def _left_out(saving: CallSite) -> frozenset[str] | None:
    """What ``ignore`` names; None where the call says more, or is made under a condition."""
    given = dict(saving.arguments)
    ignore = given.pop("ignore", Known(()))
    if given or saving.guards or not isinstance(ignore, Known):
        return None
    names = (ignore.value,) if isinstance(ignore.value, str) else ignore.value
    return frozenset(names) if isinstance(names, (tuple, frozenset)) else None


def _differ(one: Value, other: Value) -> bool:
    """As Lightning compares them: 1 and 1.0 are two values."""
    if not isinstance(one, Known) or not isinstance(other, Known):
        return False
    return type(one.value) is not type(other.value) or one.value != other.value


def _shown(value: Value) -> str:
    return repr(value.value) if isinstance(value, Known) else "..."
