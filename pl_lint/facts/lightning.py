"""What PyTorch Lightning is: hooks, logging levels, signatures and names, per version.

The tables are data (``lightning.json``), written by ``python -m pl_lint.facts.generate`` from the
sources of one release per minor version, 0.7 to 2.6. Importing this module reads no file, and
nothing here imports Lightning, so the reader can ask it about a version that is not installed.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from pl_lint.facts.spelling import nearest
from pl_lint.facts.tables import table
from pl_lint.facts.values import UNKNOWN, Known, Value
from pl_lint.plain import frozen

Version = tuple[int, ...]
LATEST: Version = (2, 6)

MODULE = "lightning.pytorch.LightningModule"
DATA_MODULE = "lightning.pytorch.LightningDataModule"
CALLBACK = "lightning.pytorch.Callback"
TRAINER = "lightning.pytorch.Trainer"
MODEL_CHECKPOINT = "lightning.pytorch.callbacks.ModelCheckpoint"
EARLY_STOPPING = "lightning.pytorch.callbacks.EarlyStopping"
SEED_EVERYTHING = "lightning.pytorch.seed_everything"

UNDATED: Version = (1, 5, 0)
"""What old code without a pin is taken for: one that still had every hook of the 1.x years; 1.6
began to say goodbye to them. Three numbers say that it is a guess: what pins say has two."""
SETTER_GONE: dict[str, Version] = {"module": (1, 3), "datamodule": (1, 4)}
"""Since when ``hparams`` is a property without a setter; before, Lightning saved what it gets."""
STEPS = ("training_step", "validation_step", "test_step", "predict_step")
STEP_OF = {"test": "test_step", "validate": "validation_step"}
"""What a Trainer calls for each batch, and has no other way to run."""
HOOKED_KINDS = ("LightningModule", "LightningDataModule", "Callback")


@frozen
class Parameter:
    """One parameter of a hook or constructor.

    ``kind`` is ``positional``, ``keyword``, ``args`` or ``kwargs``. ``default`` is None where the
    argument is required, and Unknown where Lightning's default is not a plain constant.
    """

    name: str
    kind: str
    default: Value | None = None

    @property
    def required(self) -> bool:
        return self.default is None and self.kind in ("positional", "keyword")


@frozen
class Hook:
    """A method that Lightning calls, and the versions in which it had these parameters.

    ``since`` is the first version, ``until`` the first without it (None: still there).
    """

    name: str
    kind: str
    parameters: tuple[Parameter, ...]
    since: Version
    until: Version | None

    @property
    def most_positional(self) -> int | None:
        """How many positional arguments it can be given; None where it takes any number."""
        if any(one.kind == "args" for one in self.parameters):
            return None
        return sum(one.kind == "positional" for one in self.parameters)


@frozen
class Removed:
    """A hook that Lightning no longer calls.

    ``raises`` says whether the version asked about refuses to run a class that still defines it;
    otherwise the method is silently never called. ``replacement`` names the hook to write instead,
    or is empty where none took its place.
    """

    name: str
    version: Version
    replacement: str
    raises: bool


@frozen
class LogFlags:
    """The on_step and on_epoch with which a value is logged."""

    on_step: bool
    on_epoch: bool

    @property
    def forked(self) -> bool:
        """Whether Lightning writes the key twice, as ``_step`` and as ``_epoch``."""
        return self.on_step and self.on_epoch


# What Lightning's migration guides (docs, upgrade/from_1_*) tell people to write instead.
_REPLACEMENTS: Mapping[str, str] = {
    "training_epoch_end": "on_train_epoch_end",
    "validation_epoch_end": "on_validation_epoch_end",
    "test_epoch_end": "on_test_epoch_end",
    "training_step_end": "training_step",
    "validation_step_end": "validation_step",
    "test_step_end": "test_step",
    "training_end": "training_step",
    "validation_end": "on_validation_epoch_end",
    "test_end": "on_test_epoch_end",
    "on_epoch_start": "on_train_epoch_start",
    "on_epoch_end": "on_train_epoch_end",
    "on_batch_start": "on_train_batch_start",
    "on_batch_end": "on_train_batch_end",
    "on_pretrain_routine_start": "on_fit_start",
    "on_pretrain_routine_end": "on_fit_start",
    "on_keyboard_interrupt": "on_exception",
    "on_init_start": "setup",
    "on_init_end": "setup",
    "on_configure_sharded_model": "setup",
    "on_before_accelerator_backend_setup": "setup",
    "on_hpc_save": "on_save_checkpoint",
    "on_hpc_load": "on_load_checkpoint",
    "on_train_dataloader": "train_dataloader",
    "on_val_dataloader": "val_dataloader",
    "on_test_dataloader": "test_dataloader",
    "on_predict_dataloader": "predict_dataloader",
    "tng_dataloader": "train_dataloader",
    "manual_optimizer_step": "optimizer_step",
}
_DATA_REPLACEMENTS: Mapping[str, str] = {
    "on_save_checkpoint": "state_dict",
    "on_load_checkpoint": "load_state_dict",
}


@cache
def _data() -> dict[str, Any]:
    """The generated tables; read at the first question, not at import."""
    tables: dict[str, Any] = table("lightning.json")
    return tables


# ---------------------------------------------------------------- versions


@cache
def versions() -> tuple[Version, ...]:
    """The minor versions that the tables know, oldest first."""
    return tuple(_minor(text) for text in _data()["versions"])


def _minor(text: str) -> Version:
    major, minor = text.split(".")[:2]
    return int(major), int(minor)


def _covers(row: list[Any], version: Version) -> bool:
    """Whether a ``[since, until, value]`` row holds; versions to come are taken for LATEST."""
    since, until, _ = row
    at = min(version, LATEST)
    return tuple(since) <= at and (until is None or at < tuple(until))


def _at(rows: list[list[Any]], version: Version) -> list[Any] | None:
    return next((row for row in rows if _covers(row, version)), None)


# ---------------------------------------------------------------- hooks


@cache
def hooks(kind: str, version: Version = LATEST) -> Mapping[str, Hook]:
    """Every hook of a class kind in a version.

    Gathered from core/hooks.py, core/module.py, core/datamodule.py and callbacks/callback.py.
    ``kind`` is one of ``HOOKED_KINDS``; any other kind has no hooks.
    """
    table = _data()["hooks"].get(kind, {})
    found = {name: _at(rows, version) for name, rows in table.items()}
    return {name: _hook(name, kind, row) for name, row in found.items() if row is not None}


def _hook(name: str, kind: str, row: list[Any]) -> Hook:
    since, until, signature = row
    return Hook(name, kind, _parameters(signature), tuple(since), tuple(until) if until else None)


def _parameters(rows: list[list[Any]]) -> tuple[Parameter, ...]:
    return tuple(_parameter(*row) for row in rows)


def _parameter(name: str, kind: str, default: list[Any] | None = None) -> Parameter:
    if default is None:
        return Parameter(name, kind)
    return Parameter(name, kind, Known(default[0]) if default else UNKNOWN)


def hook_exists(kind: str, name: str, version: Version = LATEST) -> bool:
    """Whether Lightning calls a method of this name on such a class in this version."""
    return name in hooks(kind, version)


@cache
def most_ever(kind: str, name: str, since: Version = (1, 0)) -> int | None:
    """The most positional arguments that a hook was given in any version from this one on; None
    where some version gave it any number, or none had it."""
    at = (one for one in versions() if one >= since and hook_exists(kind, name, one))
    counts = [hooks(kind, one)[name].most_positional for one in at]
    known = [count for count in counts if count is not None]
    return max(known) if known and len(known) == len(counts) else None


def is_member(kind: str, name: str) -> bool:
    """Whether the base class itself ever had a method or property of this name, hook or not."""
    return name in _member_sets()[kind]


@cache
def _member_sets() -> Mapping[str, frozenset[str]]:
    return {kind: frozenset(names) for kind, names in _data()["members"].items()}


def removed_hook(kind: str, name: str, version: Version = LATEST) -> Removed | None:
    """What became of a hook that an earlier version called and this one does not."""
    rows = _data()["hooks"].get(kind, {}).get(name, [])
    ends = [tuple(until) for _, until, _ in rows if until and tuple(until) <= min(version, LATEST)]
    if not ends or hook_exists(kind, name, version):
        return None
    raises = _at(_data()["raises"][kind].get(name, []), version) is not None
    return Removed(name, max(ends), _replacement(kind, name, version), raises)


def _replacement(kind: str, name: str, version: Version) -> str:
    special = _DATA_REPLACEMENTS if kind == "LightningDataModule" else {}
    name = special.get(name, _REPLACEMENTS.get(name, ""))
    return name if hook_exists(kind, name, version) else ""


def nearest_hook(kind: str, name: str, version: Version = LATEST) -> str | None:
    """The hook that a method was probably meant to be, or None.

    Never for a hook, for a hook of the past, for a member of the base class, or for a name that is
    plainly the user's own (see ``pl_lint.facts.spelling``).
    """
    if hook_exists(kind, name, version) or removed_hook(kind, name, version):
        return None
    if kind not in HOOKED_KINDS or is_member(kind, name):
        return None
    return nearest(name, hooks(kind, version))


# ---------------------------------------------------------------- logging


@cache
def log_defaults(hook: str) -> LogFlags | None:
    """The defaults of ``self.log`` in a hook; None where Lightning refuses to log there.

    From ``_FxValidator.functions`` in trainer/connectors/logger_connector/fx_validator.py. A
    callback's ``pl_module.log`` follows the same table, by the name of the callback's hook.
    """
    row = _data()["log"].get(hook)
    return None if row is None else LogFlags(row[2], row[3])


def resolve_log_flags(hook: str, on_step: bool | None, on_epoch: bool | None) -> LogFlags | None:
    """The on_step and on_epoch that ``self.log`` uses in a hook; a flag not passed is None.

    The reader and the runner both resolve here. The answer is None where Lightning raises: the hook
    may not log, or not with these flags (``on_step=True`` in ``on_validation_epoch_end``), or both
    are off (``_Metadata.__post_init__`` in result.py).
    """
    row = _data()["log"].get(hook)
    if row is None:
        return None
    steps, epochs, default_step, default_epoch = row
    step = default_step if on_step is None else on_step
    epoch = default_epoch if on_epoch is None else on_epoch
    allowed = step in steps and epoch in epochs and (step or epoch)
    return LogFlags(step, epoch) if allowed else None


def free_monitors(dotted: str) -> frozenset[str]:
    """Keys that a callback may monitor although nobody logs them.

    ``ModelCheckpoint._monitor_candidates`` adds these two; EarlyStopping reads callback_metrics
    alone.
    """
    names = ("epoch", "step") if canonical(dotted) == MODEL_CHECKPOINT else ()
    return frozenset(names)


# ---------------------------------------------------------------- names and signatures


def canonical(dotted: str) -> str | None:
    """The one name we use for a class or function of Lightning, whatever path it was imported by.

    ``pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint`` and its ``lightning.pytorch``
    spelling are ``lightning.pytorch.callbacks.ModelCheckpoint``. None for anything else, Fabric
    (but for ``seed_everything``, which is Fabric's own function) included.
    """
    names: dict[str, str] = _data()["names"]
    return names.get(_spelled(dotted))


def _spelled(dotted: str) -> str:
    for package, name in (
        ("pytorch_lightning", "lightning.pytorch"),
        ("lightning_fabric", "lightning.fabric"),
    ):
        if dotted == package or dotted.startswith(package + "."):
            return name + dotted[len(package) :]
    return dotted


def kind_of(dotted: str) -> str | None:
    """What a class of Lightning is: ``LightningModule``, ``LightningDataModule``, ``Callback``,
    ``Trainer``, ``Logger``, ``Strategy``, ``LightningCLI``; a function's own name; else None.
    """
    name = canonical(dotted)
    return None if name is None else _data()["kinds"][name]


def signature(dotted: str, version: Version = LATEST) -> tuple[Parameter, ...] | None:
    """The parameters of a constructor, function or method in a version; None where it is unknown.

    Known are the constructors of all classes that ``canonical`` knows, its functions, and methods
    such as ``lightning.pytorch.Trainer.fit`` or ``lightning.pytorch.LightningModule.log``.
    """
    table = _data()["signatures"]
    row = _at(table.get(canonical(dotted) or _canonical_method(dotted), []), version)
    return None if row is None else _parameters(row[2])


def _canonical_method(dotted: str) -> str:
    owner, _, name = dotted.rpartition(".")
    return f"{canonical(owner)}.{name}"


def argument_names(dotted: str, version: Version = LATEST) -> frozenset[str]:
    """The names that a constructor or function accepts as keywords."""
    known = signature(dotted, version) or ()
    return frozenset(one.name for one in known if one.kind in ("positional", "keyword"))
