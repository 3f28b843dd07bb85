"""Which calls of ``self.log`` made a value, and where they stand."""

from __future__ import annotations

from collections.abc import Iterable

from pl_lint.facts.events import CaseFacts, LogEvent
from pl_lint.findings import Location


def deciding(events: Iterable[LogEvent], name: str) -> tuple[LogEvent, ...]:
    """The calls that made the epoch value of a key.

    Where several hooks log one key (a loss in ``validation_step``, its mean again in
    ``on_validation_epoch_end``), Lightning keeps one result for each hook and reports the one that
    came last (``_ResultCollection.metrics`` in ``logger_connector/result.py``).
    """
    mine = [event for event in events if event.name == name and event.on_epoch]
    return tuple(event for event in mine if event.hook == mine[-1].hook)


def line_of(events: Iterable[LogEvent], name: str, case: CaseFacts) -> Location:
    """The first of the calls that made a value; the module itself where none is known."""
    found = deciding(events, name)
    return found[0].location if found else Location(case.path, case.line)
