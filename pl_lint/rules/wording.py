"""Words that several rules use."""

from __future__ import annotations

from pl_lint.facts.sites import LogSite
from pl_lint.facts.values import Known, OneOf, Pattern, Value


def shown(value: Value) -> str:
    """A value as the user wrote it, as far as it is known."""
    match value:
        case Known(constant):
            return repr(constant)
        case OneOf(constants):
            return " or ".join(map(repr, constants))
        case Pattern(parts):
            return "'" + "".join("…" if part is None else part for part in parts) + "'"
        case _:
            return "…"


def key_text(log: LogSite) -> str:
    """The key of a log call in words."""
    return shown(log.key)
