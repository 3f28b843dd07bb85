"""Words that several rules use."""

from __future__ import annotations

from collections.abc import Iterable

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
    """The key of a log call in words, as the subject of a sentence."""
    return shown(log.key) if is_told(log.key) else "this value"


MOST = 4
"""So many names are still read."""


def listed(names: Iterable[str]) -> str:
    """Names in a sentence, in their order; of many, how many more there are."""
    known = list(dict.fromkeys(names))
    if len(known) > MOST:
        known = [*known[: MOST - 1], f"{len(known) - MOST + 1} more"]
    return " and ".join(filter(None, (", ".join(known[:-1]), *known[-1:])))


def is_told(value: Value) -> bool:
    """Whether anything of a value is known that can be shown."""
    if isinstance(value, Pattern):
        return any(value.parts)
    return isinstance(value, (Known, OneOf))


def attribute_text(path: str) -> str:
    """How code reaches a metric: ``metrics[val]`` is ``self.metrics['val']``, ``metrics[*]`` one of
    several that a loop made."""
    head, _, rest = path.partition("[")
    keys = rest.rstrip("]").split("][") if rest else []
    return f"self.{head}" + "".join(map(_key_text, keys))


ANY = "[...]"


def _key_text(key: str) -> str:
    if key == "*":
        return ANY
    return f"[{key}]" if key.isdigit() else f"[{key!r}]"
