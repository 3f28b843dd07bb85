"""Whether a condition is known to hold."""

from __future__ import annotations

from pl_lint.static.interpreter.abstract import (
    Abstract,
    Choice,
    Collection,
    Const,
    Mapping,
    Metric,
    Sequence,
    Text,
)


def truth(value: Abstract) -> bool | None:
    """``True`` or ``False`` where the condition is that whatever happens."""
    match value:
        case Const(constant):
            return bool(constant)
        case Text(parts) if any(parts):
            return True
        case Sequence(items, complete) | Mapping(items, complete):
            return True if items else (False if complete else None)
        case Metric() | Collection():
            return True
        case Choice(options):
            verdicts = {truth(option) for option in options}
            return verdicts.pop() if len(verdicts) == 1 else None
        case _:
            return None
