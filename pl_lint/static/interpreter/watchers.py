"""The callbacks that watch a key: ModelCheckpoint and EarlyStopping."""

from __future__ import annotations

import ast

from pl_lint.facts import lightning
from pl_lint.facts.sites import ABSENT, YES, MonitorSite
from pl_lint.facts.values import UNKNOWN, Known, Value
from pl_lint.plain import replace
from pl_lint.static.interpreter import asked, leftovers
from pl_lint.static.interpreter.abstract import Abstract, Instance, to_value
from pl_lint.static.interpreter.context import Arguments, Context, Frame
from pl_lint.static.interpreter.options import default_of
from pl_lint.static.interpreter.outside import pairs

RHYTHM = "every_n_train_steps"
WATCHERS = (lightning.MODEL_CHECKPOINT, lightning.EARLY_STOPPING)
POSITIONS = {
    lightning.MODEL_CHECKPOINT: ("dirpath", "filename", "monitor"),
    lightning.EARLY_STOPPING: ("monitor", "min_delta", "patience", "verbose", "mode"),
}
"""Their arguments in order, as far as every version has it: what follows for a ModelCheckpoint has
moved."""
FIRST_MODE = 7
"""So many arguments of a ModelCheckpoint may hold its mode, by their place in some version."""


def build(
    context: Context, canonical: str, arguments: Arguments, node: ast.Call, frame: Frame
) -> Instance:
    """What a call makes, with a site unless nobody gets it."""
    order = POSITIONS[canonical]
    known = arguments.complete and len(arguments.positional) < FIRST_MODE
    told = replace(arguments, complete=known)
    given = {
        name: given_or(arguments.keywords.get(name), default, told)
        for name, default in defaults(canonical).items()
    }
    for name, value in zip(order, arguments.positional, strict=False):
        if name in given:
            given[name] = to_value(value)
    key = given.pop("monitor")
    key = _option(context, node, "monitor", frame, str) if key == UNKNOWN else key
    if given.get(RHYTHM) == UNKNOWN:
        number = asked.number_of_parameter(node, RHYTHM, frame)
        given[RHYTHM] = _option(context, node, RHYTHM, frame, int) if number == UNKNOWN else number
    site = MonitorSite(
        watcher=canonical.rpartition(".")[2],
        key=key,
        location=context.location(node, frame),
        modules=(context.owner,) if context.owner else (),
        arguments=pairs(arguments),
        **given,
    )
    if not _is_left_out(context, node, frame):
        context.recorder.add(site)
    leftovers.note(context, site, node, frame)
    return Instance(canonical, pairs(arguments), arguments.complete, site)


def _option(context: Context, node: ast.Call, name: str, frame: Frame, kind: type) -> Value:
    """The default of an option of the command line, where it is of that kind."""
    default = default_of(context, node, name, frame)
    return default if isinstance(default, Known) and type(default.value) is kind else UNKNOWN


def _is_left_out(context: Context, node: ast.Call, frame: Frame) -> bool:
    """Whether the program that makes a callback has a Trainer and gives the callback to nobody: it
    was commented out of a list."""
    source = frame.module.source
    if "Trainer(" not in source.text:
        return False
    name = source.unread.get(node)
    return name is not None and not context.project.reads(name, frame.module)


def defaults(canonical: str) -> dict[str, Value]:
    """What a callback that watches a key does where nothing is said."""
    if canonical == lightning.EARLY_STOPPING:
        return {"monitor": UNKNOWN, "mode": Known("min")}
    return {
        "monitor": ABSENT,
        "mode": Known("min"),
        "filename": ABSENT,
        "auto_insert_metric_name": YES,
        "every_n_train_steps": ABSENT,
    }


def given_or(given: Abstract | None, default: Value, arguments: Arguments) -> Value:
    """What is given for an argument, or else what stands for it."""
    if given is not None:
        return to_value(given)
    return default if arguments.complete else UNKNOWN
