"""Mistakes in what is saved and loaded (rows CKP, LOG07)."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from operators.logged import RANKS
from operators.registry import Change, operator
from operators.source import Source, keyword, last_name

CHECKPOINT = ("checkpoint",)


@operator("CKP01", "LTN301", checks=CHECKPOINT)
def best_is_lowest(source: Source) -> Iterator[Change]:
    """The checkpoint of a value that should rise keeps the lowest, because mode= is left out."""
    for call in _model_checkpoints(source):
        mode = keyword(call, "mode")
        if isinstance(mode, ast.Constant) and mode.value == "max":
            yield Change((source.without_argument(call, "mode"),), "mode='max' dropped")


@operator("CKP02", "LTN302", checks=(*CHECKPOINT, "fast-dev-run", "logged-values"))
def watches_another_key(source: Source) -> Iterator[Change]:
    """The checkpoint watches a key that is never logged."""
    for call in _model_checkpoints(source):
        monitor = keyword(call, "monitor")
        if isinstance(monitor, ast.Constant):
            edit = source.replace(monitor, repr(f"{monitor.value}_"))
            yield Change((edit,), "watches a key that is never logged")


@operator("CKP03", "LTN303", checks=CHECKPOINT)
def slash_in_the_file_name(source: Source) -> Iterator[Change]:
    """A key with a slash in the template makes a folder for each checkpoint."""
    for call in _model_checkpoints(source):
        monitor = keyword(call, "monitor")
        if isinstance(monitor, ast.Constant) and "/" in str(monitor.value):
            name = f'filename="best-{{epoch:02d}}-{{{monitor.value}:.2f}}"'
            yield Change((source.with_argument(call, name),), "a slash in the file name")


@operator("CKP04", "LTN304", checks=CHECKPOINT)
def unknown_key_in_the_file_name(source: Source) -> Iterator[Change]:
    """A key of the template that is never logged is written as 0.00."""
    for call in _model_checkpoints(source):
        edit = source.with_argument(call, 'filename="{epoch}-{validation_score:.2f}"')
        yield Change((edit,), "an unknown key in the file name")


@operator("CKP05", "LTN305", checks=CHECKPOINT)
def saved_between_validations(source: Source) -> Iterator[Change]:
    """The checkpoint of a step is ranked by the validation of another."""
    for call in _model_checkpoints(source):
        monitor = keyword(call, "monitor")
        if isinstance(monitor, ast.Constant) and "val" in str(monitor.value):
            edit = source.with_argument(call, "every_n_train_steps=2")
            yield Change((edit,), "every_n_train_steps and a validation key")


def _model_checkpoints(source: Source) -> Iterator[ast.Call]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and last_name(node.func) == "ModelCheckpoint":
            yield node


@operator("CKP01", "LTN301", checks=CHECKPOINT)
def lowest_score_kept(source: Source) -> Iterator[Change]:
    """A checkpoint of an accuracy without mode=. The healthy twin says mode='max'."""
    for key in _keys(source, "acc", "f1", "auroc", "top1"):
        yield from _brought(source, f"monitor={key!r}", f'monitor={key!r}, mode="max"')


@operator("CKP02", "LTN302", checks=(*CHECKPOINT, "fast-dev-run", "logged-values"))
def saved_by_a_key_never_logged(source: Source) -> Iterator[Change]:
    """A checkpoint of steps watches a key that is never logged: nothing is saved, in silence."""
    for key in _keys(source, "loss"):
        steps = "every_n_train_steps=2"
        yield from _brought(source, f'monitor="{key}s", {steps}', f"monitor={key!r}")


@operator("CKP04", "LTN304", checks=CHECKPOINT)
def zeros_in_the_file_name(source: Source) -> Iterator[Change]:
    """The template of file names has a key that is never logged: 0.00 for every checkpoint."""
    for key in _keys(source, "loss"):
        name = 'filename="{epoch}-{validation_score:.2f}"'
        yield from _brought(source, f"monitor={key!r}, {name}", f"monitor={key!r}")


@operator("LOG07", "LTN107", "LTN106", checks=RANKS)
def best_of_each_rank(source: Source) -> Iterator[Change]:
    """A checkpoint watches a loss that each rank has for itself.

    The healthy twin takes its mean over ranks: sync_dist=True.
    """
    for log in source.values("validation"):
        key = log.key.value if isinstance(log.key, ast.Constant) else ""
        if not isinstance(key, str) or "loss" not in key.lower():
            continue
        synced = source.with_argument(log.call, "sync_dist=True")
        own = (source.without_argument(log.call, "sync_dist"),) if log.flag("sync_dist") else ()
        for change in _brought(source, f"monitor={key!r}", f"monitor={key!r}"):
            note = f"watches {key!r} of each rank"
            yield Change((*change.sick, *own), note, (*change.healthy, synced))


@operator("CKP25", "LTN325", "distributed", checks=("distributed",))
def saved_by_one_rank(source: Source) -> Iterator[Change]:
    """Rank zero alone saves a checkpoint, in which it waits for all others.

    The healthy twin saves on every rank, of which Lightning lets one write.
    """
    hook = "on_train_epoch_end"
    if hook not in source.methods:
        save = 'self.trainer.save_checkpoint(f"{self.trainer.default_root_dir}/mine.ckpt")'
        healthy = source.new_method(f"def {hook}(self):\n    {save}")
        sick = source.new_method(
            f"def {hook}(self):\n    if self.trainer.is_global_zero:\n        {save}"
        )
        yield Change((sick,), "save_checkpoint under is_global_zero", (healthy,))


def _keys(source: Source, *words: str) -> Iterator[str]:
    """Keys that validation logs, and that have one of some words in them."""
    for log in source.logs("validation"):
        key = log.key.value if isinstance(log.key, ast.Constant) else ""
        if isinstance(key, str) and any(word in key.lower() for word in words):
            yield key


def _brought(source: Source, sick: str, healthy: str) -> Iterator[Change]:
    """A module that brings its own ModelCheckpoint, with these arguments."""
    if "configure_callbacks" in source.methods:
        return
    home = "pytorch_lightning" if "pytorch_lightning" in source.text else "lightning.pytorch"
    imported = source.importing(f"from {home}.callbacks import ModelCheckpoint")
    methods = [
        source.new_method(f"def configure_callbacks(self):\n    return [ModelCheckpoint({each})]")
        for each in (sick, healthy)
    ]
    yield Change((imported, methods[0]), f"ModelCheckpoint({sick})", (imported, methods[1]))


@operator("CKP06", "LTN306", checks=CHECKPOINT)
def arguments_not_saved(source: Source) -> Iterator[Change]:
    """The arguments are not saved: a loaded module has their defaults."""
    if not _reads_hparams(source):
        for call in _saves(source):
            yield Change((source.delete(source.statement(call)),), "save_hyperparameters dropped")


@operator("CKP06", "LTN306", checks=CHECKPOINT)
def one_argument_not_saved(source: Source) -> Iterator[Change]:
    """The arguments to save are named, and one is forgotten."""
    init = source.methods.get("__init__")
    names = [each.arg for each in init.args.args[1:]] if init else []
    for call in _saves(source):
        ignored = _ignored(call)
        for name in names:
            if name in ignored or call.args or _is_read(source, name):
                continue
            others = [repr(each) for each in names if each not in (name, *ignored)]
            edit = source.replace(call, f"self.save_hyperparameters({', '.join(others)})")
            if others:
                yield Change((edit,), f"{name} is not saved")


def _is_read(source: Source, name: str) -> bool:
    """Whether the class reads ``self.hparams.<name>``: without it, it would raise at once."""
    parents = (source.parents.get(node) for node in source.uses("hparams"))
    return any(not isinstance(node, ast.Attribute) or node.attr == name for node in parents)


def _ignored(call: ast.Call) -> list[str]:
    value = keyword(call, "ignore")
    if isinstance(value, ast.Constant):
        return [str(value.value)]
    items = value.elts if isinstance(value, ast.List | ast.Tuple) else []
    return [str(item.value) for item in items if isinstance(item, ast.Constant)]


@operator("CKP07", "LTN307", "LTN309", checks=CHECKPOINT)
def module_in_hparams(source: Source) -> Iterator[Change]:
    """A network that is an argument is saved among the hyper-parameters, too."""
    for call in _saves(source):
        if keyword(call, "ignore") is not None:
            edit = source.without_argument(call, "ignore")
            yield Change((edit,), "ignore= dropped")


@operator("CKP09", "LTN309", checks=CHECKPOINT)
def path_in_hparams(source: Source) -> Iterator[Change]:
    """A pathlib.Path is saved among the hyper-parameters: loading refuses it."""
    for call in _saves(source):
        code = 'self.hparams.update({"root": pathlib.Path("data")})'
        edits = (
            source.importing("import pathlib"),
            source.after(source.statement(call), code),
        )
        yield Change(edits, "a Path is saved")


def _saves(source: Source) -> list[ast.Call]:
    init = source.methods.get("__init__")
    calls = source.calls("save_hyperparameters", [init] if init else [])
    return [call for call in calls if isinstance(source.statement(call), ast.Expr)]


def _reads_hparams(source: Source) -> bool:
    return any(True for _ in source.uses("hparams"))


@operator("CKP10", "LTN310", checks=CHECKPOINT)
def buffer_made_an_attribute(source: Source) -> Iterator[Change]:
    """A tensor that was a buffer is a plain attribute: it is not saved."""
    for call in source.calls("register_buffer"):
        statement = source.statement(call)
        name = call.args[0] if call.args else None
        if (
            isinstance(name, ast.Constant)
            and len(call.args) > 1
            and isinstance(statement, ast.Expr)
        ):
            code = f"self.{name.value} = {source.code(call.args[1])}"
            yield Change((source.replace(statement, code),), f"self.{name.value} is no buffer")


@operator("CKP10", "LTN310", checks=CHECKPOINT)
def counter_in_an_attribute(source: Source) -> Iterator[Change]:
    """A step counter that weighs the loss is a Python number, and starts anew after resuming.

    The healthy twin keeps it in a buffer.
    """
    sick = source.in_init("self.steps_seen = 0")
    yield from _warm_up(source, sick, (), "a counter in a plain attribute")


@operator("CKP11", "LTN311", "LTN310", checks=CHECKPOINT)
def saved_and_not_loaded(source: Source) -> Iterator[Change]:
    """on_save_checkpoint writes what no hook reads.

    The healthy twin has on_load_checkpoint as well.
    """
    if {"on_save_checkpoint", "on_load_checkpoint"} & set(source.methods):
        return
    init = source.in_init("self.steps_seen = 0")
    save = source.new_method(
        'def on_save_checkpoint(self, checkpoint):\n    checkpoint["seen"] = self.steps_seen'
    )
    yield from _warm_up(source, init, (save,), "on_load_checkpoint is missing")


@operator("CKP11", "LTN311", "LTN310", checks=CHECKPOINT)
def load_hook_dropped(source: Source) -> Iterator[Change]:
    """on_load_checkpoint reads nothing back."""
    hook = source.methods.get("on_load_checkpoint")
    if hook is not None and "on_save_checkpoint" in source.methods:
        yield Change((source.at_start(hook, "return"),), "on_load_checkpoint does nothing")


def _warm_up(source: Source, sick: object, hooks: tuple, note: str) -> Iterator[Change]:
    """Training whose loss is weighed by how many steps were made."""
    step = source.methods.get("training_step")
    if step is None or not source.losses:
        return
    torch = source.importing("import torch")
    buffer = source.in_init('self.register_buffer("steps_seen", torch.zeros(()))')
    count = source.at_start(step, "self.steps_seen = self.steps_seen + 1")
    weigh = tuple(
        source.replace(loss, f"{source.operand(loss)} * (1 + 1 / self.steps_seen)")
        for loss in source.losses
    )
    yield Change((sick, count, *weigh, *hooks), note, (torch, buffer, count, *weigh))  # type: ignore[arg-type]
