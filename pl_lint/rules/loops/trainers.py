"""What a Trainer is built with: limits, patience, arguments that are gone."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator

from pl_lint.facts import lightning
from pl_lint.facts.lightning import EARLY_STOPPING, MODEL_CHECKPOINT, TRAINER
from pl_lint.facts.origins import UNPACKED
from pl_lint.facts.sites import ABSENT, ProjectFacts, SchedulerSite, TrainerSite
from pl_lint.facts.values import Known, Made, Several, Value, must_be
from pl_lint.findings import Finding, Status
from pl_lint.fixes import Applicability, DropArgument, Fix
from pl_lint.rules.judging import is_guessed, version_at
from pl_lint.rules.loops import successors
from pl_lint.rules.registry import Rule, rule

REPLACEMENTS = {
    "gpus": 'accelerator="gpu", devices=...',
    "num_gpus": 'accelerator="gpu", devices=...',
    "tpu_cores": 'accelerator="tpu", devices=...',
    "ipus": 'accelerator="ipu", devices=...',
    "num_processes": 'accelerator="cpu", devices=...',
    "auto_select_gpus": "devices=... with lightning.pytorch.accelerators.find_usable_cuda_devices",
    "resume_from_checkpoint": "trainer.fit(model, ckpt_path=...)",
    "auto_lr_find": "lightning.pytorch.tuner.Tuner(trainer).lr_find(model)",
    "auto_scale_batch_size": "lightning.pytorch.tuner.Tuner(trainer).scale_batch_size(model)",
    "checkpoint_callback": "enable_checkpointing=...",
    "weights_summary": "enable_model_summary=...",
    "progress_bar_refresh_rate": "callbacks=[TQDMProgressBar(refresh_rate=...)]",
    "process_position": "callbacks=[TQDMProgressBar(process_position=...)]",
    "distributed_backend": "strategy=...",
    "accelerator_backend": "strategy=...",
    "replace_sampler_ddp": "use_distributed_sampler=...",
    "amp_backend": "plugins=...",
    "amp_level": "plugins=...",
    "track_grad_norm": "on_before_optimizer_step with lightning.pytorch.utilities.grad_norm",
    "multiple_trainloader_mode": "CombinedLoader(loaders, mode=...)",
    "move_metrics_to_cpu": "metrics that are moved by hand",
    "terminate_on_nan": "detect_anomaly=...",
    "reload_dataloaders_every_epoch": "reload_dataloaders_every_n_epochs=1",
    "stochastic_weight_avg": "callbacks=[StochasticWeightAveraging(...)]",
    "truncated_bptt_steps": "manual optimization",
    "prepare_data_per_node": "prepare_data_per_node of the DataModule",
    "flush_logs_every_n_steps": "flush_logs_every_n_steps of CSVLogger",
    "log_gpu_memory": "callbacks=[DeviceStatsMonitor()]",
    "default_save_path": "default_root_dir=...",
    "max_nb_epochs": "max_epochs=...",
    "min_nb_epochs": "min_epochs=...",
    "show_progress_bar": "enable_progress_bar=...",
    "use_amp": 'precision="16-mixed"',
}
"""What Lightning's migration guides (docs, upgrade/from_1_*) tell people to write instead."""

TAKES_NO_MORE = (0, 8)
"""Before, the Trainer took arguments of any name (``**kwargs``)."""
FLAG = "checkpoint_callback"
BOOLEAN_ONLY = ((1, 3), (1, 7))
"""It took a callback before, and was gone then (``callback_connector.py``)."""
REFUSES = (1, 4)
"""The others take any callback for True, at most."""
LIKE = 0.8
"""How alike, by ``difflib``, a misspelled argument is to the one that was meant."""


@rule("LTN703", "removed-trainer-argument", rows=("LOOP03",), calls=(TRAINER,), fixable=True)
def removed_trainer_argument(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A Trainer gets an argument that it does not have.

    What it does
    ------------
    Compares the arguments of every Trainer with those of the Lightning version that the project
    admits. From 1.3 to 1.6 a ModelCheckpoint as `checkpoint_callback` is found as well.

    Why is this bad
    ---------------
    The Trainer raises a TypeError: "unexpected keyword argument". A callback as
    `checkpoint_callback`, which was for True and False only, raises in 1.4; in 1.3, 1.5 and 1.6 the
    Trainer does without it and says nothing.

    Example
    -------
        from lightning.pytorch import Trainer

        trainer = Trainer(gpus=1, max_epochs=3)

    Use instead
    -----------
        from lightning.pytorch import Trainer

        trainer = Trainer(accelerator="gpu", devices=1, max_epochs=3)

    When to ignore
    --------------
    Where the code only runs with Lightning 1.x: then say so with a pin or in the configuration.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/upgrade/from_1_9.html
    """
    for trainer in facts.trainers:
        at = version_at(facts, trainer.location)
        taken = lightning.argument_names(TRAINER, at)
        if is_guessed(at) or at < TAKES_NO_MORE:
            continue
        for name, _ in trainer.arguments:
            plain = name.removesuffix("+")  # in settings, ``callbacks+`` adds some
            if plain not in taken and name != UNPACKED and not _positional_or_newer(name, at):
                shown = ".".join(map(str, at))
                yield self.finding(
                    trainer.keyword(name),
                    f"the Trainer of Lightning {shown} has no argument {name}",
                    remedy=_instead(name, taken),
                    fix=_today(facts, trainer, name, taken),
                )
        if BOOLEAN_ONLY[0] <= at[:2] < BOOLEAN_ONLY[1] and _has_callback_for_flag(trainer):
            raises = "raises: this is for True and False" if at[:2] == REFUSES else "leaves it out"
            yield self.finding(
                trainer.keyword(FLAG),
                f"a callback is given as {FLAG}: the Trainer of Lightning"
                f" {'.'.join(map(str, at))} {raises}",
                remedy="put it into callbacks=[...]",
            )


def _has_callback_for_flag(trainer: TrainerSite) -> bool:
    value = trainer.argument(FLAG)
    return isinstance(value, Made) and lightning.canonical(value.name) == MODEL_CHECKPOINT


def _instead(name: str, taken: Collection[str]) -> str:
    """What to write; of a name that no Lightning ever had, the one that was meant."""
    if name in REPLACEMENTS:
        return f"use {REPLACEMENTS[name]}"
    if any(name in lightning.argument_names(TRAINER, one) for one in lightning.versions()):
        return f"drop {name}"
    known = sorted({*taken, *REPLACEMENTS})
    near = next(iter(difflib.get_close_matches(name, known, n=1, cutoff=LIKE)), None)
    if near in REPLACEMENTS:
        return f"did you mean {near}? It is gone: use {REPLACEMENTS[near]}"
    return f"did you mean {near}?" if near else f"drop {name}, or correct its spelling"


def _today(
    facts: ProjectFacts, trainer: TrainerSite, name: str, taken: Collection[str]
) -> Fix | None:
    """What says the same to this Lightning; a Trainer that cannot be built has nothing to lose."""
    if all(call.location != trainer.location for call in facts.calls_of(TRAINER)):
        return None
    told = successors.today(trainer, name, taken)
    if told:
        return Fix(f"replace {name}", told, Applicability.SAFE)
    meant = successors.probably(facts, trainer, name)
    return Fix(f"replace {name}", meant) if meant else None


def _positional_or_newer(name: str, at: lightning.Version) -> bool:
    """Whether a later Lightning takes the argument: then the project is newer than it says."""
    later = (one for one in lightning.versions() if one > at)
    return name.isdigit() or any(name in lightning.argument_names(TRAINER, one) for one in later)


def stoppers(trainer: TrainerSite) -> Iterator[Made]:
    """The EarlyStopping callbacks that a Trainer is given."""
    given = trainer.argument("callbacks")
    for value in given.items if isinstance(given, Several) else (given,):
        if isinstance(value, Made) and lightning.canonical(value.name) == EARLY_STOPPING:
            yield value


def _rarely(trainer: TrainerSite) -> str | None:
    every = trainer.argument("check_val_every_n_epoch")
    if isinstance(every, Known) and isinstance(every.value, int) and every.value > 1:
        return f"check_val_every_n_epoch={every.value}"
    return None


def _often(trainer: TrainerSite) -> str | None:
    part = trainer.argument("val_check_interval")
    if isinstance(part, Known) and isinstance(part.value, float) and part.value < 1:
        return f"val_check_interval={part.value}"
    return None


@rule(
    "LTN720",
    "patience-counts-validations",
    rows=("LOOP20",),
    status=Status.SUSPECTED,
    condition="if patience is meant in epochs",
    default=False,
)
def patience_counts_validations(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """EarlyStopping counts validations, and there is not one for each epoch.

    What it does
    ------------
    Finds Trainers with EarlyStopping and with `val_check_interval` below 1 or
    `check_val_every_n_epoch` above 1.

    Why is this bad
    ---------------
    `patience` is a number of validations. With four validations an epoch `patience=3` ends training
    within one epoch; with one in five epochs it waits for fifteen.

    Example
    -------
        stop = EarlyStopping("val_loss", patience=3)
        trainer = Trainer(callbacks=[stop], val_check_interval=0.25)

    Use instead
    -----------
        stop = EarlyStopping("val_loss", patience=3)
        trainer = Trainer(callbacks=[stop])

    When to ignore
    --------------
    Where patience was chosen for that number of validations.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/api/lightning.pytorch.callbacks.EarlyStopping.html
    """
    for trainer in facts.trainers:
        setting = _often(trainer) or _rarely(trainer)
        if setting is not None and any(stoppers(trainer)):
            yield self.finding(
                trainer.location,
                f"patience of EarlyStopping counts validations, and {setting} sets how many there "
                "are",
                remedy="choose patience in validations, or validate once per epoch",
            )


@rule("LTN721", "stopping-on-a-missing-value", rows=("LOOP21",), calls=(EARLY_STOPPING,))
def stopping_on_missing(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A value is watched after every training epoch, and validation runs more rarely.

    What it does
    ------------
    Finds Trainers with `check_val_every_n_epoch` above 1 and an EarlyStopping with
    `check_on_train_epoch_end=True` that watches a key of validation, or a ReduceLROnPlateau that
    follows one and that no `frequency` makes as rare.

    Why is this bad
    ---------------
    The first training epoch ends before any validation: there is no value yet, and EarlyStopping
    ends the run with a RuntimeError, Lightning that of a scheduler with a
    MisconfigurationException.

    Example
    -------
        stop = EarlyStopping("val_loss", check_on_train_epoch_end=True)
        trainer = Trainer(callbacks=[stop], check_val_every_n_epoch=5)

    Use instead
    -----------
        stop = EarlyStopping("val_loss")
        trainer = Trainer(callbacks=[stop], check_val_every_n_epoch=5)

    When to ignore
    --------------
    Never, unless training logs the key as well.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/api/lightning.pytorch.callbacks.EarlyStopping.html
    """
    for trainer in facts.trainers:
        setting = _rarely(trainer)
        for stopper in stoppers(trainer) if setting is not None else ():
            at_once = must_be(stopper.argument("check_on_train_epoch_end") or ABSENT, True)
            if at_once and _of_validation(stopper.argument("monitor", 0)):
                yield self.finding(
                    trainer.location,
                    f"EarlyStopping looks for its key after each training epoch, and {setting} "
                    "validates more rarely",
                    remedy="drop check_on_train_epoch_end=True",
                    fix=_after_validation(facts, trainer),
                )
    for site, setting, subject in _starved(facts):
        yield self.finding(
            site.location,
            "ReduceLROnPlateau looks for its key after each training epoch, and "
            f"{setting} validates more rarely",
            remedy='add "frequency" beside "monitor": as many epochs as there are between two '
            "validations",
            subject=subject,
        )


def _starved(facts: ProjectFacts) -> Iterator[tuple[SchedulerSite, str, str]]:
    """Schedulers that are to follow a value of validation before there is any."""
    for owner in facts.modules():
        settings = [_rarely(one) for one in facts.programs.trainers_of(owner)]
        starves = bool(settings) and None not in settings and owner.optimization == "automatic"
        for site in owner.schedulers if starves else ():
            follows = site.name.endswith(".ReduceLROnPlateau") and _of_validation(site.monitor)
            lenient = site.strict != ABSENT and not must_be(site.strict, True)
            each_epoch = site.interval in (ABSENT, Known("epoch"))
            often = site.frequency == ABSENT or must_be(site.frequency, 1)
            if follows and each_epoch and often and not lenient:
                yield site, settings[0] or "", owner.short_name


def _after_validation(facts: ProjectFacts, trainer: TrainerSite) -> Fix | None:
    """The one callback of the file that says so says it no more."""
    name = "check_on_train_epoch_end"
    calls = [
        call.location
        for call in facts.calls_of(EARLY_STOPPING)
        if must_be(call.argument(name), True) and call.location.path == trainer.location.path
    ]
    drop = tuple(DropArgument(place, name) for place in set(calls))
    return Fix(f"drop {name}=True", drop) if len(drop) == 1 else None


def _of_validation(monitor: Value | None) -> bool:
    text = monitor.value if isinstance(monitor, Known) else None
    return isinstance(text, str) and "val" in text.lower()


LIMITS = ("max_epochs", "max_steps", "max_time", "fast_dev_run", "max_nb_epochs")


@rule("LTN723", "epochs-without-limit", rows=("LOOP23",), default=False)
def epochs_without_limit(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A Trainer fits without a limit of epochs or steps.

    What it does
    ------------
    Finds Trainers that fit a model and are given none of `max_epochs`, `max_steps` and `max_time`.

    Why is this bad
    ---------------
    Lightning then trains for 1000 epochs, with a warning. A schedule made for the length of
    training is made for 1000 epochs, too.

    Example
    -------
        trainer = Trainer(devices=1)
        trainer.fit(model, loader)

    Use instead
    -----------
        trainer = Trainer(devices=1, max_epochs=20)
        trainer.fit(model, loader)

    When to ignore
    --------------
    Where EarlyStopping decides.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/common/trainer.html#max-epochs
    """
    fitted = {call.trainer for call in facts.trainer_calls if call.method == "fit"}
    for trainer in facts.trainers:
        unlimited = all(trainer.argument(name) == ABSENT for name in LIMITS)
        if trainer.location in fitted and trainer.complete and unlimited:
            yield self.finding(
                trainer.location,
                "without max_epochs Lightning trains for 1000 epochs",
                remedy="add max_epochs=",
            )
