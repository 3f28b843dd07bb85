"""What Lightning had once, names to import and members of its objects, and since when it has not.

The tables are data (``removed.json``), written by ``python -m pl_lint.facts.generate_removed`` from
the same releases as those of ``lightning.py``. Nothing is read before the first question.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from pl_lint.facts.lightning import Version
from pl_lint.facts.tables import table
from pl_lint.plain import frozen

OLD, NEW = "pytorch_lightning", "lightning.pytorch"


@frozen
class Gone:
    """A name that can no longer be had: the first version without it, and what to import instead,
    in the spelling of the code that asked; empty where nothing took its place."""

    version: Version
    instead: str = ""

    @property
    def moved(self) -> bool:
        return bool(self.instead)


@cache
def _data() -> dict[str, Any]:
    tables: dict[str, Any] = table("removed.json")
    return tables


def name(dotted: str) -> Gone | None:
    """What became of a name such as ``pytorch_lightning.loggers.base.LightningLoggerBase``.

    None for what is there, for what never was, and for names of others. What stood in a module that
    is gone is gone with it.
    """
    names: Mapping[str, list[Any]] = _data()["names"]
    spelled = NEW + dotted[len(OLD) :] if dotted.startswith(OLD + ".") else dotted
    if not spelled.startswith(NEW + "."):
        return None
    known = names.get(spelled)
    if known is not None:
        return Gone((known[0][0], known[0][1]), _as_asked(known[1], dotted))
    while spelled.count(".") > 2:
        spelled = spelled.rpartition(".")[0]
        if spelled in names:
            since = names[spelled][0]
            return Gone((since[0], since[1]))
    return None


def _as_asked(instead: str, dotted: str) -> str:
    """The same package as the code has it."""
    old = dotted.startswith(OLD) and instead.startswith(NEW + ".")
    return OLD + instead[len(NEW) :] if old else instead


def member(kind: str, attribute: str) -> Version | None:
    """The first version in which a ``Trainer`` or ``LightningModule`` no longer has a member that
    it had; None for what it has or never had."""
    since = _data()["members"].get(kind, {}).get(attribute)
    return None if since is None else (since[0], since[1])
