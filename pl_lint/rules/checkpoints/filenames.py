"""What checkpoint files are called and where they lie."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pl_lint.facts import lightning
from pl_lint.facts.sites import MonitorSite, ProjectFacts
from pl_lint.facts.values import Known, Pattern, Value, must_be
from pl_lint.findings import Finding, Status
from pl_lint.fixes import Argument, Fix, Reword, SetArgument
from pl_lint.rules.checkpoints.feeding import fed, nearest, well_known
from pl_lint.rules.registry import Rule, rule
from pl_lint.rules.wording import listed, shown


@rule(
    "LTN303",
    "slash-in-checkpoint-filename",
    rows=("CKP03",),
    observers="both",
    calls=(lightning.MODEL_CHECKPOINT,),
    fixable=True,
)
def slash_in_filename(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A key with "/" in a checkpoint's filename makes a folder for every checkpoint.

    What it does
    ------------
    Finds `filename="{epoch}-{val/acc:.2f}"` without `auto_insert_metric_name=False`.

    Why is this bad
    ---------------
    Lightning writes the metric's name into the file name, so each checkpoint goes to a folder of
    its own: `best-epoch=02-val/acc=0.70.ckpt`. Code that looks for `*.ckpt` in the checkpoint
    folder finds nothing, and the folders of deleted checkpoints stay.

    Example
    -------
        ModelCheckpoint(monitor="val/acc", filename="best-{epoch:02d}-{val/acc:.2f}")

    Use instead
    -----------
        ModelCheckpoint(
            monitor="val/acc",
            filename="best-epoch={epoch:02d}-val_acc={val/acc:.2f}",
            auto_insert_metric_name=False,
        )

    When to ignore
    --------------
    Where a folder for each checkpoint is what you want.

    References
    ----------
    - https://github.com/Lightning-AI/pytorch-lightning/issues/4012
    - https://lightning.ai/docs/pytorch/stable/api/lightning.pytorch.callbacks.ModelCheckpoint.html
    """
    for monitor in facts.monitors:
        field = _field_with_slash(monitor.filename)
        if field is not None and must_be(monitor.auto_insert_metric_name, True):
            named = f"{field.replace('/', '_')}={_as_written(field, monitor.filename)}"
            wording = (
                "" if _is_named(field, monitor.filename) else f"write {named} in the filename and "
            )
            yield self.finding(
                monitor.at("filename"),
                f"the '/' of {field!r} in the filename puts every checkpoint into a folder of its "
                "own",
                remedy=f"{wording}add auto_insert_metric_name=False",
                subject=monitor.watcher,
                fix=_named_by_hand(facts, monitor),
            )


def _named_by_hand(facts: ProjectFacts, monitor: MonitorSite) -> Fix | None:
    """Names that Lightning would write are written in the file name, with no slash in them."""
    made = {call.location for call in facts.calls_of(lightning.MODEL_CHECKPOINT)}
    if monitor.location not in made:
        return None
    told = SetArgument(monitor.location, "auto_insert_metric_name", "False", 9)
    bare = [one for one in fields(monitor.filename) if not _is_named(one, monitor.filename)]
    words = tuple((f"{{{field}", f"{field.replace('/', '_')}={{{field}") for field in bare)
    reworded = (Reword(Argument(monitor.location, "filename", 1), words),) if words else ()
    return Fix("name the fields in the filename", (*reworded, told))


def _is_named(field: str, filename: Value) -> bool:
    """Whether its name stands before a field already: ``acc={val/acc:.2f}``."""
    return any(f"={{{field}" in piece for piece in _pieces(filename))


def _field_with_slash(filename: Value) -> str | None:
    """The first replacement field of a file name that holds a slash."""
    return next((field for field in fields(filename) if "/" in field), None)


def _as_written(field: str, filename: Value) -> str:
    """A field with its braces and its format."""
    written = re.compile(rf"\{{{re.escape(field)}(?::[^{{}}]*)?\}}")
    return next(found[0] for found in map(written.search, _pieces(filename)) if found)


def _pieces(filename: Value) -> tuple[str, ...]:
    """The parts of a file name that are known."""
    match filename:
        case Known(str(text)):
            return (text,)
        case Pattern(parts):
            return tuple(filter(None, parts))
    return ()


@rule("LTN304", "filename-field-not-logged", rows=("CKP04",), observers="both")
def field_not_logged(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """A checkpoint's file name says 0 for a value that is not there.

    What it does
    ------------
    Compares the fields of `filename` with every key that the modules trained with the callback can
    log, across files. It is silent wherever something is not known. A run lets the user's own
    callback name its files and notes the fields that had no value.

    Why is this bad
    ---------------
    Lightning writes 0 for what it does not find: `epoch=02-val_acc=0.00.ckpt`. Every file claims
    the same score, and people choose between them by their names.

    Example
    -------
        def validation_step(self, batch, batch_idx):
            self.log("val/acc", self.accuracy(batch))

        def configure_callbacks(self):
            return [ModelCheckpoint(filename="{epoch}-{val_acc:.2f}")]

    Use instead
    -----------
        def validation_step(self, batch, batch_idx):
            self.log("val/acc", self.accuracy(batch))

        def configure_callbacks(self):
            name = "epoch={epoch}-val_acc={val/acc:.2f}"
            return [ModelCheckpoint(filename=name, auto_insert_metric_name=False)]

    When to ignore
    --------------
    Where code that cannot be seen logs the key.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/api/lightning.pytorch.callbacks.ModelCheckpoint.html
    """
    for monitor in facts.monitors:
        modules = facts.trained_with(monitor)
        if not well_known(modules) or _only_dry(facts, monitor.location.path):
            continue
        empty = [one for one in fields(monitor.filename) if not fed(facts, monitor, one)]
        if not empty:
            continue
        near = {field: nearest(field, modules) for field in empty}
        meant = listed(repr(one) for one in near.values() if one)
        hint = f"; did you mean {meant}?" if meant else ""
        yield self.finding(
            monitor.at("filename"),
            f"the filename shows {listed(map(repr, empty))}, which nothing logs, as 0{hint}",
            remedy="; ".join(dict.fromkeys(_instead(*pair) for pair in near.items())),
            subject=monitor.watcher,
        )


def _instead(field: str, near: str | None) -> str:
    return f"write {{{near}}}" if near else f"log {field!r}, or leave it out"


def _only_dry(facts: ProjectFacts, path: str) -> bool:
    """Whether the Trainers of this file write no checkpoint: all are for trying out the code."""
    here = [one for one in facts.trainers if one.location.path == path]
    return bool(here) and all(must_be(one.argument("fast_dev_run"), True) for one in here)


def fields(filename: Value) -> tuple[str, ...]:
    """The replacement fields of a file name that are seen whole."""
    found = (re.findall(r"\{([^{}:]+)(?::[^{}]*)?\}", piece) for piece in _pieces(filename))
    return tuple(dict.fromkeys(field for names in found for field in names))


@rule(
    "LTN319",
    "same-file-in-every-run",
    rows=("CKP19",),
    status=Status.SUSPECTED,
    default=False,
    condition="if the script is run more than once in the same folder",
)
def same_file_in_every_run(self: Rule, facts: ProjectFacts) -> Iterator[Finding]:
    """Every run writes its checkpoints to the same folder under the same name.

    What it does
    ------------
    Finds a ModelCheckpoint whose `dirpath` is a constant and whose `filename` is one without any
    field.

    Why is this bad
    ---------------
    Lightning overwrites nothing: the second run writes `best-v1.ckpt` beside the `best.ckpt` of
    the first, and a script that loads `best.ckpt` takes the weights of the old run. Only a warning
    about a folder that is not empty says so.

    Example
    -------
        ModelCheckpoint(dirpath="checkpoints/", filename="best", monitor="val_loss")

    Use instead
    -----------
        ModelCheckpoint(filename="best", monitor="val_loss")

    Without `dirpath` Lightning uses the folder of the logger's version, a new one for each run.

    When to ignore
    --------------
    Where the folder is emptied or the path is taken from `best_model_path`.

    References
    ----------
    - https://lightning.ai/docs/pytorch/stable/api/lightning.pytorch.callbacks.ModelCheckpoint.html
    """
    for monitor in facts.monitors:
        folder, name = monitor.argument("dirpath", 0), monitor.filename
        if _is_text(folder) and _is_text(name) and not fields(name):
            yield self.finding(
                monitor.at("filename"),
                f"the second run in this folder writes {shown(name)[1:-1]}-v1.ckpt and leaves the "
                "file of the first",
                remedy="leave dirpath out, or name the run in it",
                subject=monitor.watcher,
            )


def _is_text(value: Value) -> bool:
    return isinstance(value, Known) and isinstance(value.value, str)
