"""What says to a newer Trainer what a removed argument said, as changes of the call.

Only where it says exactly the same; Lightning's migration guides (docs, upgrade/from_1_*) name the
successors.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping

from pl_lint.facts import strategies
from pl_lint.facts.sites import ABSENT, ProjectFacts, TrainerSite
from pl_lint.facts.values import UNKNOWN, Known, Value
from pl_lint.fixes import Change, DropArgument, RenameArgument, SetArgument
from pl_lint.places import Location

RENAMED: Mapping[str, str] = {
    "replace_sampler_ddp": "use_distributed_sampler",
    "default_save_path": "default_root_dir",
    "max_nb_epochs": "max_epochs",
    "min_nb_epochs": "min_epochs",
    "show_progress_bar": "enable_progress_bar",
}
"""Arguments that take the same values under another name."""
DEVICES: Mapping[str, str] = {
    "gpus": "gpu",
    "num_gpus": "gpu",
    "tpu_cores": "tpu",
    "num_processes": "cpu",
}
"""Arguments that are a number of devices, or a list of them, and the accelerator that they name."""
SAID: Mapping[tuple[str, object], tuple[str, str]] = {
    ("checkpoint_callback", True): ("enable_checkpointing", "True"),
    ("checkpoint_callback", False): ("enable_checkpointing", "False"),
    ("weights_summary", None): ("enable_model_summary", "False"),
    ("progress_bar_refresh_rate", 0): ("enable_progress_bar", "False"),
    ("reload_dataloaders_every_epoch", True): ("reload_dataloaders_every_n_epochs", "1"),
    ("use_amp", True): ("precision", '"16-mixed"'),
    ("gpus", None): ("accelerator", '"cpu"'),
    ("gpus", 0): ("accelerator", '"cpu"'),
    ("num_gpus", 0): ("accelerator", '"cpu"'),
}
"""A value of a removed argument, and what says so today."""
MEANT: Mapping[tuple[str, object], tuple[str, str]] = {
    ("terminate_on_nan", True): ("detect_anomaly", "True"),  # looks at gradients, and is slower
}
"""The same, where today's argument does more than the removed one did."""
NOTHING: Mapping[str, tuple[object, ...]] = {
    "tpu_cores": (None,),
    "auto_select_gpus": (False,),
    "auto_lr_find": (False,),
    "auto_scale_batch_size": (None, False),
    "weights_summary": ("top",),
    "progress_bar_refresh_rate": (None, 1),
    "process_position": (0,),
    "reload_dataloaders_every_epoch": (False,),
    "resume_from_checkpoint": (None,),
    "amp_backend": ("native",),
    "amp_level": (None,),
    "track_grad_norm": (-1,),
    "multiple_trainloader_mode": ("max_size_cycle",),
    "move_metrics_to_cpu": (False,),
    "terminate_on_nan": (None, False),
    "stochastic_weight_avg": (False,),
    "truncated_bptt_steps": (None,),
    "prepare_data_per_node": (None, True),
    "flush_logs_every_n_steps": (None,),
    "log_gpu_memory": (None,),
    "use_amp": (False,),
}
"""Values of removed arguments that ask for nothing else than what happens without them."""
ON_GPU = (Known("gpu"), Known("cuda"))


def today(trainer: TrainerSite, name: str, taken: Collection[str]) -> tuple[Change, ...]:
    """The changes of a Trainer's call for one of its arguments; none where nothing says the same.

    ``taken`` are the arguments that the Trainer of the project's Lightning has.
    """
    value = _written(trainer, name)
    if not isinstance(value, Known):
        renamed = RENAMED.get(name)
        return _renamed(trainer.location, name, renamed) if renamed in taken and renamed else ()
    if any(_same(value.value, nothing) for nothing in NOTHING.get(name, ())):
        return (DropArgument(trainer.location, name),)
    if name in RENAMED:
        return _renamed(trainer.location, name, RENAMED[name]) if RENAMED[name] in taken else ()
    if name in DEVICES and value.value not in (None, 0):
        return _on_devices(trainer, name)
    if name in ("distributed_backend", "accelerator_backend"):
        plain = value.value not in strategies.REMOVED and isinstance(value.value, str)
        return _renamed(trainer.location, name, "strategy") if plain else ()
    new, text = _said(SAID, name, value)
    return _with_another(trainer, name, new, text) if new in taken else ()


def _written(trainer: TrainerSite, name: str) -> Value:
    """What the call says itself: what a setting says today is for the setting to change."""
    asked = any(name == one for one, *_ in trainer.asked)
    return UNKNOWN if asked else trainer.argument(name)


def _said(
    table: Mapping[tuple[str, object], tuple[str, str]], name: str, value: Known
) -> tuple[str, str]:
    """The argument and the value that a table has for those of a removed one."""
    found = (new for (old, said), new in table.items() if old == name and _same(value.value, said))
    return next(found, ("", ""))


def _with_another(trainer: TrainerSite, name: str, new: str, text: str) -> tuple[Change, ...]:
    change = SetArgument(trainer.location, name, text)
    return change, RenameArgument(trainer.location, name, new)


def probably(facts: ProjectFacts, trainer: TrainerSite, name: str) -> tuple[Change, ...]:
    """The changes that are probably meant, for values that the reading does not know, and where
    what there is today does more."""
    value = _written(trainer, name)
    if name in DEVICES and not isinstance(value, Known):
        return _on_devices(trainer, name)  # where it is 0, Lightning says so
    if name == "resume_from_checkpoint":
        return _resuming(facts, trainer)
    new, text = _said(MEANT, name, value) if isinstance(value, Known) else ("", "")
    return _with_another(trainer, name, new, text) if new else ()


def _resuming(facts: ProjectFacts, trainer: TrainerSite) -> tuple[Change, ...]:
    """The checkpoint goes to the one ``fit`` of the Trainer, if it is a plain text: what a name
    means where ``fit`` stands is not known."""
    calls = [one for one in facts.trainer_calls if one.trainer == trainer.location]
    fits = [one for one in calls if one.method == "fit" and one.ckpt_path == ABSENT]
    value = trainer.argument("resume_from_checkpoint")
    if len(calls) != 1 or len(fits) != 1 or not isinstance(value, Known):
        return ()
    given = SetArgument(fits[0].location, "ckpt_path", json.dumps(value.value))
    return given, DropArgument(trainer.location, "resume_from_checkpoint")


def _renamed(place: Location, name: str, new: str) -> tuple[Change, ...]:
    return (RenameArgument(place, name, new),)


def _same(value: object, other: object) -> bool:
    """``1`` is not ``True`` here, though Python says so."""
    return type(value) is type(other) and value == other


def _on_devices(trainer: TrainerSite, name: str) -> tuple[Change, ...]:
    """A number of devices on what the old name says; LTN513 speaks of strategies there."""
    given = trainer.argument("accelerator")
    if given not in (ABSENT, Known(DEVICES[name]), *(ON_GPU if DEVICES[name] == "gpu" else ())):
        return ()
    changes: tuple[Change, ...] = _renamed(trainer.location, name, "devices")
    if given == ABSENT:
        accelerator = SetArgument(trainer.location, "accelerator", f'"{DEVICES[name]}"')
        changes = (*changes, accelerator)
    return changes
