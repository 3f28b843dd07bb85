"""What Lightning no longer has: names to import, methods of the Trainer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pl_lint.facts import lightning, removed
from pl_lint.facts.lightning import TRAINER
from pl_lint.facts.removed import Gone
from pl_lint.facts.sites import (
    ClassFacts,
    ImportSite,
    MemberReadSite,
    ProjectFacts,
    RemovedNameSite,
)
from pl_lint.findings import Finding
from pl_lint.fixes import Applicability, Fix, Replace
from pl_lint.places import Location
from pl_lint.rules.judging import defines, is_guessed, target_version, version_at
from pl_lint.rules.registry import Rule, rule

METRICS = ("pytorch_lightning.metrics", "lightning.pytorch.metrics")
"""LTN208 speaks of these."""


@rule("LTN733", "name-gone-from-lightning", rows=(), fixable=True)
def name_gone(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A class, function or module of Lightning is imported that it no longer has.

    What it does
    ------------
    Compares what a file takes from `pytorch_lightning` or `lightning.pytorch` with what the
    releases offer, up to the version that the project admits. Imports in `try` and `if` are left
    alone.

    Why is this bad
    ---------------
    The import raises ImportError or ModuleNotFoundError, the use an AttributeError.

    Example
    -------
        from lightning.pytorch.loggers.base import LightningLoggerBase
        from lightning.pytorch.utilities.seed import seed_everything

    Use instead
    -----------
        from lightning.pytorch.loggers import Logger
        from lightning.pytorch import seed_everything

    When to ignore
    --------------
    Where the code only runs with Lightning 1.x: then say so with a pin or in the configuration.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/upgrade/from_1_9.html
    """
    for statement in _statements(facts.imports):
        fix = _imported_otherwise(facts, statement)
        for site in statement:
            gone = None if site.optional else _gone(facts, site.name, site.location)
            if gone is not None:
                yield self.finding(
                    site.location, _told(site.name, gone), remedy=_remedy(gone), fix=fix
                )
    optional = {(site.location.path, site.alias) for site in facts.imports if site.optional}
    for use in facts.removed_names:
        gone = _gone(facts, use.name, use.location)
        if gone is not None and (use.location.path, use.alias) not in optional:
            yield self.finding(
                use.location, _told(use.name, gone), remedy=_remedy(gone), fix=_read(use, gone)
            )


def _gone(facts: ProjectFacts, name: str, location: Location) -> Gone | None:
    """What became of a name, if the Lightning that is judged by no longer has it."""
    if name.startswith(METRICS):
        return None
    at = version_at(facts, location)
    gone = removed.name(name)
    return gone if gone is not None and at >= gone.version and not is_guessed(at) else None


def _told(name: str, gone: Gone) -> str:
    since = ".".join(map(str, gone.version))
    return f"Lightning {since} and newer have no {name}"


def _remedy(gone: Gone) -> str:
    if not gone.moved:
        return "see the migration guides of Lightning: nothing of this name took its place"
    return f"use {gone.instead}"


def _statements(imports: Sequence[ImportSite]) -> list[tuple[ImportSite, ...]]:
    """The imports that stand in one statement."""
    found: dict[Location, list[ImportSite]] = {}
    for site in imports:
        found.setdefault(site.location, []).append(site)
    return [tuple(sites) for sites in found.values()]


def _imported_otherwise(facts: ProjectFacts, statement: Sequence[ImportSite]) -> Fix | None:
    """The whole statement again, each name from where it is now; None where one has no place.

    Only a statement on a line of its own is written anew: another may hold comments.
    """
    place = statement[0].location
    if place.line != place.end_line or not all(site.module for site in statement):
        return None
    lines: dict[str, list[str]] = {}
    applicability = Applicability.SAFE
    for site in statement:
        gone = _gone(facts, site.name, place)
        now = site.name if gone is None else gone.instead
        if not now or now.startswith("lightning.fabric"):
            return None
        if now.rpartition(".")[2] != site.name.rpartition(".")[2]:
            applicability = Applicability.UNSAFE  # a class of another name may want other arguments
        lines.setdefault(now.rpartition(".")[0], []).append(_as(now, site.alias))
    if len(lines) > 1 and place.column > 1:
        return None
    text = "\n".join(f"from {module} import {', '.join(names)}" for module, names in lines.items())
    return Fix(f"import it as `{text}`", (Replace(place, text),), applicability)


def _as(now: str, alias: str) -> str:
    name = now.rpartition(".")[2]
    return name if name == alias else f"{name} as {alias}"


def _read(use: RemovedNameSite, gone: Gone) -> Fix | None:
    """The new name through the same imported package."""
    if not gone.instead.startswith(f"{use.package}."):
        return None
    text = use.alias + gone.instead[len(use.package) :]
    same = gone.instead.rpartition(".")[2] == use.name.rpartition(".")[2]
    kind = Applicability.SAFE if same else Applicability.UNSAFE
    return Fix(f"write {text}", (Replace(use.location, text),), kind)


# --- methods --------------------------------------------------------------------------------------

METHODS = {
    "tune": "lightning.pytorch.tuner.Tuner(trainer), its lr_find and scale_batch_size",
    "from_argparse_args": "Trainer(max_epochs=args.max_epochs, ...), or LightningCLI",
    "add_argparse_args": "LightningCLI, or arguments of your own",
    "parse_argparser": "LightningCLI, or arguments of your own",
    "get_model": "trainer.lightning_module",
    "call_hook": "the hook itself",
    "run_evaluation": "trainer.validate(model)",
    "run_evaluate": "trainer.validate(model)",
    "run_test": "trainer.test(model)",
    "reset_train_dataloader": "reload_dataloaders_every_n_epochs=1",
    "reset_val_dataloader": "reload_dataloaders_every_n_epochs=1",
}
"""Methods that people called on Trainers, and what to write instead (docs, upgrade/from_1_*)."""
ATTRIBUTES = {
    "gpus": "trainer.num_devices",
    "num_gpus": "trainer.num_devices",
    "devices": "trainer.num_devices",
    "data_parallel_device_ids": "trainer.device_ids",
    "root_gpu": "trainer.strategy.root_device",
    "lr_schedulers": "trainer.lr_scheduler_configs",
    "training_type_plugin": "trainer.strategy",
    "accelerator_backend": "trainer.strategy",
    "train_loop": "trainer.fit_loop",
    "running_sanity_check": "trainer.sanity_checking",
    "resume_from_checkpoint": "trainer.ckpt_path",
    "terminate_on_nan": "detect_anomaly of the Trainer",
    "on_gpu": "trainer.strategy.root_device",
    "use_amp": "trainer.precision",
    "amp_backend": "trainer.precision",
    "weights_save_path": "trainer.default_root_dir",
    "tested_ckpt_path": "trainer.ckpt_path",
    "validated_ckpt_path": "trainer.ckpt_path",
    "predicted_ckpt_path": "trainer.ckpt_path",
    "progress_bar_dict": "trainer.progress_bar_metrics",
}
"""The same of attributes."""
OF_MODULE = {
    "use_amp": "self.trainer.precision",
    "use_ddp": "self.trainer.strategy",
    "use_ddp2": "self.trainer.strategy",
    "use_dp": "self.trainer.strategy",
    "use_tpu": "self.trainer.accelerator",
    "running_stage": "self.trainer.state.stage",
    "callback_metrics": "self.trainer.callback_metrics",
    "summarize": "lightning.pytorch.utilities.model_summary.summarize(self)",
    "get_progress_bar_dict": "get_metrics of the progress bar",
    "write_prediction": "a BasePredictionWriter",
    "write_prediction_dict": "a BasePredictionWriter",
    "grad_norm": "lightning.pytorch.utilities.grad_norm(self, 2)",
    "log_grad_norm": "self.log_dict(lightning.pytorch.utilities.grad_norm(self, 2))",
}
"""The same of members of the LightningModule."""
CALLS = tuple(f"{TRAINER}.{name}" for name in METHODS)


@rule("LTN734", "member-gone", rows=(), calls=CALLS)
def member_gone(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A method or attribute of the Trainer or the module is used that Lightning no longer has.

    What it does
    ------------
    Finds `trainer.tune(...)`, `Trainer.from_argparse_args(args)` and others that are gone in the
    version that the project admits; in modules also `self.trainer.lr_schedulers` and other
    attributes, `trainer.gpus` in the hooks of callbacks, and what the LightningModule itself has
    lost (`self.use_amp`), unless the class makes it; and `self.hparams = ...`, which has no setter
    since 1.3 (1.4 in DataModules). Code that asks which version there is, or
    whether there is such an attribute, is left alone.

    Why is this bad
    ---------------
    An AttributeError, for attributes only when the line is reached.

    Example
    -------
        from lightning.pytorch import Trainer

        trainer = Trainer(max_epochs=3)
        trainer.tune(model)

    Use instead
    -----------
        from lightning.pytorch import Trainer
        from lightning.pytorch.tuner import Tuner

        trainer = Trainer(max_epochs=3)
        Tuner(trainer).lr_find(model)

    When to ignore
    --------------
    Where the code only runs with Lightning 1.x: then say so with a pin or in the configuration.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/upgrade/from_1_9.html
    """
    for call in facts.calls_of(*CALLS):
        name = call.name.rpartition(".")[2]
        since = removed.member("Trainer", name)
        at = version_at(facts, call.location)
        if since is not None and at >= since and not is_guessed(at):
            yield self.finding(
                call.location,
                f"the Trainer of Lightning {'.'.join(map(str, since))} and newer has no {name}",
                remedy=f"use {METHODS[name]}",
            )
    for owner in facts.classes:
        at = target_version(owner)
        for read in owner.member_reads if at >= (2, 0) else ():
            since = removed.member(read.of, read.name)
            if since is not None and at >= since and not _from_below(facts, owner, read):
                yield self.finding(
                    read.location,
                    f"the {read.of} of Lightning 2 has no {read.name}",
                    remedy=_instead_of(read),
                    subject=owner.short_name,
                )
        for site in owner.assignments if _has_lost_setter(facts, owner) else ():
            if site.attribute == HPARAMS and not _asks(owner, site.function):
                yield self.finding(
                    site.location,
                    "self.hparams cannot be assigned: AttributeError",
                    remedy="call self.save_hyperparameters(...), or keep it under another name",
                    subject=owner.short_name,
                )


HPARAMS = "hparams"
ASKING = frozenset({"hasattr", "AttributeError", "__version__", "version"})
"""What code says that is written for several versions."""


def _has_lost_setter(facts: ProjectFacts, owner: ClassFacts) -> bool:
    """Whether ``hparams`` is Lightning's property, and no attribute or property of the class."""
    since, at = lightning.SETTER_GONE.get(owner.kind), target_version(owner)
    own = HPARAMS in owner.given or defines(facts, owner, HPARAMS)
    return since is not None and at >= since and not is_guessed(at) and not own and not owner.open


def _asks(owner: ClassFacts, function: str) -> bool:
    methods = (one for one in owner.own_methods if one.name == function)
    return any(not ASKING.isdisjoint(one.words) for one in methods)


def _from_below(facts: ProjectFacts, owner: ClassFacts, read: MemberReadSite) -> bool:
    """Whether a class that inherits from the owner makes the member that the owner reads."""
    heirs = [one for one in facts.classes if owner.name in one.ancestors]
    made = (method.name for one in heirs for method in one.own_methods)
    assigned = (site.attribute for one in heirs for site in one.assignments)
    return read.of == "LightningModule" and read.name in {*made, *assigned}


def _instead_of(read: MemberReadSite) -> str:
    of_trainer = METHODS.get(read.name) or ATTRIBUTES.get(read.name)
    known = of_trainer if read.of == "Trainer" else OF_MODULE.get(read.name)
    return f"use {known}" if known else "see the migration guides of Lightning"
