"""What a hook at the end of an epoch gives to the logger itself, and not to Lightning.

``self.logger.experiment.add_scalar("val/loss", mean, epoch)``, ``self.logger.log_metrics(...)``,
``wandb.log(...)``, and what is returned under ``"log"``, which Lightning logged until 1.2.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from pl_lint.facts.sites import LogSite
from pl_lint.facts.values import NO
from pl_lint.findings import Location
from pl_lint.static.interpreter import extents
from pl_lint.static.interpreter.abstract import (
    NOTHING,
    Abstract,
    Const,
    Mapping,
    in_use,
    options,
    to_value,
)
from pl_lint.static.interpreter.context import Arguments, Context, Frame
from pl_lint.static.names import dotted

SCALAR = "add_scalar"
TABLES = (".log_metrics", ".experiment.log", ".wandb.log")
RETURNED = ("log", "progress_bar")


def note(context: Context, arguments: Arguments, node: ast.Call, frame: Frame) -> None:
    """A call that writes to a logger."""
    if context.hook.name.endswith("_epoch_end"):
        name = frame.meant(dotted(node.func) or "")
        where = context.location(node, frame)
        for key, value in _entries(name, arguments):
            _add(context, "logger", key, value, where)


def note_returned(context: Context, value: Abstract, where: Location) -> None:
    """What a hook returns for the logger."""
    for option in options(value) if context.hook.name.endswith("_epoch_end") else ():
        for name, table in option.items if isinstance(option, Mapping) else ():
            if isinstance(name, Const) and name.value in RETURNED:
                for key, one in _items(table):
                    _add(context, "returned", key, one, where)


def _entries(name: str, arguments: Arguments) -> Iterator[tuple[Abstract, Abstract]]:
    if name.endswith(f".{SCALAR}"):
        key, value = arguments.get(0, "tag"), arguments.get(1, "scalar_value")
        yield key or NOTHING, value or NOTHING
    elif f".{name}".endswith(TABLES) and name != "self.log_metrics":  # a method of the class itself
        yield from _items(arguments.get(0, "metrics") or NOTHING)


def _items(table: Abstract) -> Iterator[tuple[Abstract, Abstract]]:
    for option in options(in_use(table)):
        yield from option.items if isinstance(option, Mapping) else ()


def _add(context: Context, call: str, key: Abstract, value: Abstract, where: Location) -> None:
    context.recorder.add(
        LogSite(
            owner=context.owner,
            call=call,  # type: ignore[arg-type]
            key=to_value(key),
            origin=context.origin(in_use(value)),
            hook=context.hook.name,
            stage=context.hook.stage,
            location=where,
            on_epoch=NO,
            via=context.via,
            guards=context.guards,
            extent=extents.of(value),
        )
    )
