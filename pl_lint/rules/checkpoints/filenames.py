"""What checkpoint files are called and where they lie."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pl_lint.facts.sites import ProjectFacts
from pl_lint.facts.values import Known, Pattern, Value, must_be
from pl_lint.findings import Finding
from pl_lint.rules.registry import Rule, rule


@rule("LTN303", "slash-in-checkpoint-filename", rows=("CKP03",), observers="both")
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
            plain = field.replace("/", "_")
            yield self.finding(
                monitor.location,
                f"the '/' of {field!r} in the filename puts every checkpoint into a folder of its "
                "own",
                remedy=f"write {plain}={{{field}}} in the filename and add "
                "auto_insert_metric_name=False",
                subject=monitor.watcher,
            )


def _field_with_slash(filename: Value) -> str | None:
    """The first replacement field of a file name that holds a slash."""
    match filename:
        case Known(str(text)):
            pieces: tuple[str | None, ...] = (text,)
        case Pattern(parts):
            pieces = parts
        case _:
            return None
    for piece in pieces:
        found = re.search(r"\{([^{}:]*/[^{}:]*)(?::[^{}]*)?\}", piece or "")
        if found:
            return found[1]
    return None
