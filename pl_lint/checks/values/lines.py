"""Where the code stands that made something: calls of ``self.log``, and what sets an attribute."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

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
    return found[0].location if found else case.home


def line_of_part(name: str, places: Mapping[str, Location], case: CaseFacts) -> Location:
    """The line that sets an attribute of the module, by dotted name: its own, or that of the
    nearest submodule above that has one (of a parameter, that of its layer); the module itself
    where none is known."""
    parts = name.split(".")
    above = (".".join(["self", *parts[:length]]) for length in range(len(parts), 0, -1))
    known = next((each for each in above if each in places), None)
    return places[known] if known is not None else case.home
