"""Which data the loops of a Trainer get, and from whom."""

from __future__ import annotations

from collections.abc import Iterator

from pl_lint.facts import lightning
from pl_lint.facts.sites import (
    ABSENT,
    AssignmentSite,
    CallSite,
    ClassFacts,
    ImportSite,
    ProjectFacts,
    TrainerCall,
)
from pl_lint.facts.values import Known, Made, Several, Value, must_be
from pl_lint.findings import Finding, Location, Status
from pl_lint.fixes import Fix, Rehome
from pl_lint.rules.judging import CLI, defines, is_whole, uses_cli
from pl_lint.rules.loops.validated import is_validated_without_fit
from pl_lint.rules.registry import Rule, rule

FIT = "lightning.pytorch.Trainer.fit"
RUNS = (FIT, *(f"lightning.pytorch.Trainer.{name}" for name in ("validate", "test", "predict")))
HANDED = ("train_dataloaders", "train_dataloader", "val_dataloaders", "test_dataloaders")
HANDED += ("dataloaders",)
"""How loaders are given, by today's names and those of 1.x; a second one by its place."""


def fits(facts: ProjectFacts) -> Iterator[tuple[CallSite, ClassFacts]]:
    """Every ``trainer.fit`` with the class of its module, where that is known."""
    known = {owner.name: owner for owner in facts.modules()}
    for site in facts.calls_of(FIT):
        model = site.argument("model", 0)
        owner = known.get(model.name) if isinstance(model, Made) else None
        if owner is not None and site.complete:
            yield site, owner


def only_loaders(facts: ProjectFacts) -> bool:
    """Whether Trainers are seen to run and are handed loaders each time: what a data module's hooks
    take is a matter between it and the project then. For rules that ask for ``RUNS``."""
    runs = {run.location: run for run in facts.calls_of(*RUNS)}
    all_seen = runs.keys() >= {call.location for call in facts.trainer_calls}
    handed = all(any(map(run.gives, HANDED)) or run.gives("", 2) for run in runs.values())
    return bool(runs) and all_seen and handed and not uses_cli(facts)


def is_loader(value: Value) -> bool:
    """Whether a value is a DataLoader, or a list of them."""
    items = value.items if isinstance(value, Several) else (value,)
    return all(isinstance(item, Made) and item.name.endswith("DataLoader") for item in items)


BY_STAGE = {1: ("train_dataloaders", "train_dataloader"), 2: ("val_dataloaders",)}
"""The names of the first (train) and second (validation) loaders of a fit, by their places."""


def loaders_given(site: CallSite, which: int) -> Value:
    """The first (train) or second (validation) loaders of a call of fit, by any name."""
    for name in BY_STAGE[which]:
        if site.gives(name):
            return site.argument(name)
    return site.argument("", which)


@rule("LTN725", "validation-without-data", rows=("LOOP25",), calls=(FIT,), default=False)
def validation_without_data(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A module has a validation_step, and the fit has nothing to validate with.

    What it does
    ------------
    Finds `trainer.fit(model, loader)` with a training loader only, where the class of the model has
    a `validation_step` and no `val_dataloader`. Tests are left alone, which often ask for training
    steps only. So is a call with an argument that `fit` has not (`val_dataloader=`), where the data
    are meant: LTN735 finds that one.

    Why is this bad
    ---------------
    Lightning skips validation. What monitors a key of validation finds none.

    Example
    -------
        class Model(LightningModule):
            def validation_step(self, batch, batch_idx):
                self.log("val_loss", self.loss(batch))

        Trainer().fit(Model(), DataLoader(data))

    Use instead
    -----------
        class Model(LightningModule):
            def validation_step(self, batch, batch_idx):
                self.log("val_loss", self.loss(batch))

        Trainer().fit(Model(), DataLoader(data), DataLoader(held_out))

    When to ignore
    --------------
    Where this fit is to run without validation.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/common/trainer.html#fit
    """
    for site, owner in fits(facts):
        train, held_out = loaders_given(site, 1), loaders_given(site, 2)
        nothing = held_out == Known(None) and not site.gives("datamodule", 3)
        validates = defines(facts, owner, "validation_step")
        meant = facts.in_tests(site.location) or _gives_by_another_name(site)
        if meant or not (nothing and is_loader(train) and validates and is_whole(owner)):
            continue
        if not defines(facts, owner, "val_dataloader"):
            yield self.finding(
                site.location,
                f"{owner.short_name} has a validation_step, and this fit has no data for it: "
                "validation is skipped",
                remedy="pass val_dataloaders=",
                subject=owner.short_name,
            )


def _gives_by_another_name(site: CallSite) -> bool:
    """Whether a fit is given something for validation by a name that it does not know."""
    return any(name.startswith("val") and name != "val_dataloaders" for name, _ in site.arguments)


@rule(
    "LTN726",
    "loaders-given-twice",
    rows=("LOOP26",),
    calls=(FIT, lightning.MODULE, lightning.DATA_MODULE),
)
def loaders_given_twice(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """fit gets a loader that the module makes itself, too.

    What it does
    ------------
    Finds `trainer.fit` with loaders, or with a DataModule (`fit(model, data)` too), where the class
    of the model has a `train_dataloader` or `val_dataloader` of its own for the same stage. A
    default is left alone: what it inherits from another class of the project, and what another
    place of the project fits without any loaders. So are a model and a DataModule that one file
    builds with the same arguments: both make the same loaders of them; and a hook that returns the
    very loader that the model was built with and fit is given.

    Why is this bad
    ---------------
    One of them is ignored: what is given to `fit` counts, and nothing says so.

    Example
    -------
        class Model(LightningModule):
            def train_dataloader(self):
                return DataLoader(self.data)

        Trainer().fit(Model(), DataLoader(data))

    Use instead
    -----------
        class Model(LightningModule):
            def train_dataloader(self):
                return DataLoader(self.data)

        Trainer().fit(Model())

    When to ignore
    --------------
    Where the module's own loaders are a default that this fit is to replace.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/common/trainer.html#fit
    """
    data = {owner.name: owner for owner in facts.classes if owner.kind == "datamodule"}
    known = list(fits(facts))
    alone = {owner.name for site, owner in known if _leaves_loaders(site)}
    for site, owner in known:
        module = data.get(_data_module(site))
        if owner.name in alone or (module is not None and _are_alike(facts, owner, module)):
            continue
        for which, hook in ((1, "train_dataloader"), (2, "val_dataloader")):
            passed = is_loader(loaders_given(site, which))
            both = module is not None and defines(facts, module, hook)
            own = any(one.name == hook for one in owner.own_methods)
            passed = passed and not _are_kept(facts, owner, hook, site, which)
            if (passed or both) and own and not _may_have_none(owner, hook):
                source = f"what {module.short_name} makes" if both and module else "a loader"
                yield self.finding(
                    site.location,
                    f"fit is given {source}, and {owner.short_name}.{hook} is never asked",
                    remedy="keep one of them",
                    subject=owner.short_name,
                )


def _data_module(site: CallSite) -> str:
    """The class of what a fit is given as a DataModule, or in the place of loaders."""
    given = (site.argument("datamodule", 3), loaders_given(site, 1))
    return next((one.name for one in given if isinstance(one, Made)), "")


def _leaves_loaders(site: CallSite) -> bool:
    """Whether a fit is given nothing but a model, and perhaps a checkpoint."""
    given = (site.argument("datamodule", 3), loaders_given(site, 1), loaders_given(site, 2))
    return all(one == ABSENT for one in given)


def _are_alike(facts: ProjectFacts, owner: ClassFacts, module: ClassFacts) -> bool:
    """Whether one file builds both with the same arguments, by their names."""
    ours, theirs = (_built_with(facts, one) for one in (owner, module))
    return not ours.isdisjoint(theirs)


def _built_with(facts: ProjectFacts, owner: ClassFacts) -> set[tuple[str, frozenset[str]]]:
    """The files that build an object of a class, each with all arguments, where these are names."""
    return {
        (one.location.path, frozenset(text for _, text in one.written))
        for one in facts.calls_of(lightning.MODULE, lightning.DATA_MODULE)
        if one.built == owner.name and 0 < len(one.written) == len(one.arguments)
    }


def _are_kept(facts: ProjectFacts, owner: ClassFacts, hook: str, fit: CallSite, which: int) -> bool:
    """Whether a hook only returns what the model is built with, and that are the loaders which the
    same function gives to fit."""
    words = next((one.words for one in owner.own_methods if one.name == hook), frozenset())
    given = dict(fit.written)
    name = next((given[one] for one in (*BY_STAGE[which], str(which)) if one in given), "")
    details = owner.hyperparameters.details if owner.hyperparameters else ()
    return any(
        name == dict(call.written).get(one.name, dict(call.written).get(str(place)))
        and call.argument(one.name, place) == loaders_given(fit, which)
        for call in facts.calls_of(lightning.MODULE)
        if call.built == owner.name and call.location.path == fit.location.path
        for place, one in enumerate(details)
        if words & {*one.attributes} and words <= {"self", *one.attributes}
    )


def _may_have_none(owner: ClassFacts, hook: str) -> bool:
    """Whether a hook gives a loader only where one was set up, so that the other way is meant, too;
    or it is not known what it gives."""
    ways = [site for site in owner.returns if site.hook == hook]
    return not ways or any(not site.written or site.value == Known(None) for site in ways)


# --- two packages ---------------------------------------------------------------------------------


STRICT = ("LightningModule", "LightningDataModule", "Callback", "Trainer")
"""Kinds of classes that a Trainer takes from its own package only."""


@rule("LTN727", "two-lightnings", rows=("LOOP27",), fixable=True)
def two_lightnings(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A program takes classes both from `pytorch_lightning` and from `lightning.pytorch`.

    What it does
    ------------
    Finds files that use modules, DataModules, callbacks or Trainers of both packages; imports in
    `try` or `if` are left alone, and names that are imported again before anything uses them. The
    finding stands at the first import of the second package. And finds `fit` of a module of one
    package by a Trainer that another file makes of the other.

    Why is this bad
    ---------------
    The two hold different classes of the same names. A Trainer of one refuses a module or callback
    of the other.

    Example
    -------
        import pytorch_lightning as pl
        from lightning.pytorch.callbacks import ModelCheckpoint

        trainer = pl.Trainer(callbacks=[ModelCheckpoint()])

    Use instead
    -----------
        import lightning.pytorch as pl
        from lightning.pytorch.callbacks import ModelCheckpoint

        trainer = pl.Trainer(callbacks=[ModelCheckpoint()])

    When to ignore
    --------------
    Where the file translates between the two.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/upgrade/from_1_9.html
    """
    first: dict[str, tuple[str, Location]] = {}
    told: set[str] = set()
    for site in facts.imports:
        package = _package(site)
        ignored = site.optional or site.replaced
        if ignored or package is None or site.location.path in told:
            continue
        seen, _ = first.setdefault(site.location.path, (package, site.location))
        if seen != package:
            told.add(site.location.path)
            yield self.finding(
                site.location,
                f"this file takes classes from {seen} and from {package}: neither accepts those "
                "of the other",
                remedy="import everything from lightning.pytorch",
                fix=_of_one_package(facts, site.location.path),
            )
    for call, module, trainer in _met_in_another_file(facts):
        if call.location.path not in told and call.method == "fit":
            yield self.finding(
                call.location,
                f"a Trainer of {trainer} refuses the module, whose base is of {module}",
                remedy="import everything from lightning.pytorch",
            )


def _met_in_another_file(facts: ProjectFacts) -> Iterator[tuple[TrainerCall, str, str]]:
    """Fits of a module of one package by a Trainer of the other, each from a file of its own, with
    the packages of the two."""
    owners = {one.name: one for one in facts.modules()}
    tried = {one.location.path for one in facts.imports if one.optional and _package(one)}
    for call in facts.trainer_calls:
        owner = owners.get(call.model)
        if owner is None or call.trainer is None or call.models != (call.model,):
            continue
        related = [owner, *(owners[one] for one in owner.ancestors if one in owners)]
        if call.trainer.path in tried or any(one.location.path in tried for one in related):
            continue
        mine = {_home(one) for one in owner.ancestors if lightning.kind_of(one) in STRICT}
        theirs = _trainers_from(facts, call.trainer.path)
        if len(mine) == len(theirs) == 1 and mine != theirs:
            yield call, *mine, *theirs


def _trainers_from(facts: ProjectFacts, path: str) -> set[str]:
    """The packages that a file has Trainers from."""
    return {
        _home(one.name)
        for one in facts.imports
        if one.location.path == path
        for name in (one.name, *(f"{one.name}.{use}" for use in one.uses))
        if lightning.kind_of(name) == "Trainer"
    }


def _home(name: str) -> str:
    return "pytorch_lightning" if name.startswith("pytorch_lightning") else "lightning"


def _of_one_package(facts: ProjectFacts, path: str) -> Fix:
    """Every import of the older package from the newer one."""
    old = "pytorch_lightning"
    places = {
        one.location: None
        for one in facts.imports
        if one.location.path == path and one.name.startswith(old) and not one.optional
    }
    changes = tuple(Rehome(place, old, "lightning.pytorch") for place in places)
    return Fix("import everything from lightning.pytorch", changes)


def _package(site: ImportSite) -> str | None:
    """The package of Lightning whose classes an import brings; None for what both share."""
    names = (site.name, *(f"{site.name}.{use}" for use in site.uses))
    if not any(lightning.kind_of(name) in STRICT for name in names):
        return None
    return _home(site.name)


# --- stages ---------------------------------------------------------------------------------------


@rule(
    "LTN730",
    "validation-data-for-fit-only",
    rows=("LOOP30",),
    status=Status.SUSPECTED,
    condition="if it is validated where no fit ran before",
    default=False,
    calls=(CLI, ".fit", ".validate", ".setup"),
)
def for_fit_only(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A DataModule makes its validation data for fit only.

    What it does
    ------------
    Finds attributes that `val_dataloader` uses and that `setup` assigns under `stage == "fit"` (or
    `TrainerFn.FITTING`) alone, where something asks for them without a fit: `trainer.validate` with
    this data module, or one that is not known, that no `fit` of the same function comes before;
    LightningCLI, whose `validate` is a command; or `setup("validate")`.

    Why is this bad
    ---------------
    `trainer.validate` calls `setup("validate")`: the attribute is not there, and `val_dataloader`
    fails with an AttributeError.

    Example
    -------
        class Data(LightningDataModule):
            def setup(self, stage):
                if stage == "fit":
                    self.val_set = load("val")

            def val_dataloader(self):
                return DataLoader(self.val_set)

        def evaluate(model):
            Trainer().validate(model, datamodule=Data())

    Use instead
    -----------
        class Data(LightningDataModule):
            def setup(self, stage):
                if stage in ("fit", "validate"):
                    self.val_set = load("val")

            def val_dataloader(self):
                return DataLoader(self.val_set)

        def evaluate(model):
            Trainer().validate(model, datamodule=Data())

    When to ignore
    --------------
    Where validate only ever runs on loaders that it is given.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/data/datamodule.html#setup
    """
    for owner in facts.classes:
        used = _used_for_validation(owner) if owner.kind == "datamodule" else frozenset()
        if not used or not is_validated_without_fit(facts, owner):
            continue
        others = (site for site in owner.assignments if not _for_fit_alone(site))
        made = {site.attribute for site in others if not must_be(site.value, None)}
        for site in owner.assignments:
            if _for_fit_alone(site) and site.attribute in used - made:
                yield self.finding(
                    site.location,
                    f"setup makes self.{site.attribute} for fit only: trainer.validate does not "
                    "find it",
                    remedy='let it run for "validate" as well',
                    subject=owner.short_name,
                )


def _used_for_validation(owner: ClassFacts) -> frozenset[str]:
    loader = next((one for one in owner.own_methods if one.name == "val_dataloader"), None)
    return loader.words if loader is not None else frozenset()


def _for_fit_alone(site: AssignmentSite) -> bool:
    """Whether what ``setup`` assigns is there for fit and for no stage else."""
    others = {"'validate'", "'test'", "'predict'", "VALIDATING", "TESTING", "PREDICTING"}
    asked = not {"'fit'", "FITTING"}.isdisjoint(site.guards) and others.isdisjoint(site.guards)
    return site.hook == "setup" and asked and all(number == 0 for _, number in site.arms)
